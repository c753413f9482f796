"""The credential refresher: fresh before they are needed, and a change followed until messages come again.

Each run asks ZapCloud for every stream's connection details, which also enables a disabled subscription again. Where
they differ from what the stream listens with, the change goes through the steps of `Step`, each recorded before the
next is tried, so that the next run goes on wherever one stopped. One restart serves all streams that need it.
"""

import asyncio
import secrets as random
from collections.abc import Sequence
from datetime import timedelta
from itertools import zip_longest
from typing import Protocol

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import HostControlFailed, SecretStoreUnavailable, ZapCloudError, ZapCloudUnavailable
from shared.security.secrets import SecretStore
from shared.storage.streams import Rotation, Step, StepRecord, StreamMark, StreamRecords
from shared.stream import Stream, StreamAddress
from shared.streams.host_control import HostControl

EVERY = timedelta(minutes=5)
_LEASE = "refresher"
_LEASE_LENGTH = timedelta(minutes=4)
"""Less than the time between two runs, so that a run that died holds up none."""
_LONGEST_RUN = timedelta(minutes=3, seconds=30)
"""Less than the lease, so that nobody else works on what a run still writes."""
_MOVES_WITHIN = timedelta(minutes=15)
_MOST_DOUBLINGS = 4
_OLD_PROCESS_ENDS_WITHIN = timedelta(minutes=2)
_UP_WITHIN = timedelta(minutes=1)
_WRITE_ANEW_AFTER = 5
_RENEW_AHEAD = 2 * EVERY


class ZapCloudAccount(Protocol):
    """What the refresher asks of ZapCloud."""

    async def renew_login(self, ahead: timedelta) -> bool: ...

    async def stream_address(self, stream: Stream) -> StreamAddress: ...


class Refresher:
    def __init__(
        self,
        clock: Clock,
        identity_key: str,
        streams: Sequence[Stream],
        zapcloud: ZapCloudAccount,
        secrets: SecretStore,
        host: HostControl | None,
        records: StreamRecords,
    ) -> None:
        self._clock = clock
        self._identity_key = identity_key
        self._streams = streams
        self._zapcloud = zapcloud
        self._secrets = secrets
        self._host = host
        self._records = records
        self._failures: dict[str, str] = {}
        """The last one of each stream that stands where it failed."""

    async def run(self) -> None:
        """Raises StorageUnavailable; all other failures are events, and the next run goes on where this one stopped."""
        holder = random.token_hex(8)
        if not await self._records.take_lease(_LEASE, holder, self._clock(), _LEASE_LENGTH):
            telemetry.event("rotation.elsewhere")
            return
        try:
            async with asyncio.timeout(_LONGEST_RUN.total_seconds()):
                await self._renew_login()
                rotations = await self._records.rotations()
                followed = [await self._follow(stream, rotations.get(stream.name)) for stream in self._streams]
                await self._bring_to_the_host([rotation for rotation in followed if rotation])
        except TimeoutError:
            telemetry.warning("rotation.timed_out")
        finally:
            await self._records.give_back_lease(_LEASE, holder)

    async def watch(self) -> None:
        """See whether messages came since a restart, and go on with what was stopped.

        A change that a failure stopped is not left for the next run, nor one that may have gone unnoticed because
        ZapCloud did not answer the last: messages live as long as runs are apart.
        """
        marks, known = await self._records.marks(), await self._records.rotations()
        rotations = [
            await self._watched(known[stream.name], marks.get(stream.name))
            for stream in self._streams
            if stream.name in known
        ]
        stopped = self._host is not None and not all(rotation.has(Step.RESTARTED) for rotation in rotations)
        if stopped or any(self._clock() - rotation.checked_at > EVERY for rotation in rotations):
            await self.run()

    async def _watched(self, rotation: Rotation, mark: StreamMark | None) -> Rotation:
        """The rotation as it goes on from here.

        A host that came back with other credentials read its references too early, and may have where no message
        comes, whatever it says of them: they are read again, and it is restarted; without messages after ever longer
        waits, since chargers may be idle.
        """
        if rotation.step is not Step.RESTARTED:
            return rotation
        if _listens(mark, rotation):
            return await self._moving(rotation)
        if _listens_as_before(mark, rotation):
            await self._failed(rotation.stream, "the host restarted with the credentials of before")
            return await self._back_to(Step.STORED, rotation)
        waited = self._clock() - rotation.at
        if waited >= _UP_WITHIN and not rotation.synced:
            rotation = await self._synced(rotation)
        if waited > _MOVES_WITHIN * 2 ** min(max(rotation.restarts - 1, 0), _MOST_DOUBLINGS):
            telemetry.warning("rotation.not_moving", stream=rotation.stream, seconds=_seconds(waited))
            return await self._back_to(Step.STORED, rotation)
        return rotation

    async def _synced(self, rotation: Rotation) -> Rotation:
        """With the triggers told to the platform, which cannot be before the host is up; tried until it succeeds."""
        if self._host is None:
            return rotation
        try:
            await self._host.sync_triggers()
        except HostControlFailed as error:
            telemetry.warning("stream.triggers_not_synced", reason=str(error))
            return rotation
        synced = msgspec.structs.replace(rotation, synced=True)
        await self._records.put_rotation(synced)
        return synced

    async def _renew_login(self) -> None:
        try:
            await self._zapcloud.renew_login(_RENEW_AHEAD)
        except ZapCloudUnavailable as error:
            telemetry.warning("login.not_renewed", reason=str(error))
        except ZapCloudError as error:
            telemetry.warning("login.account_refused", reason=str(error))

    async def _follow(self, stream: Stream, known: Rotation | None) -> Rotation | None:
        """The stream's rotation with its secrets stored; None where they are not, and could not be now."""
        stored = known if known and known.has(Step.STORED) else None
        try:
            address = await self._zapcloud.stream_address(stream)
        except ZapCloudError as error:
            telemetry.warning("rotation.not_asked", stream=stream.name, reason=str(error))
            return stored
        try:
            return await self._stored(stream, known, address)
        except SecretStoreUnavailable as error:
            await self._failed(stream.name, str(error))
            return stored

    async def _stored(self, stream: Stream, known: Rotation | None, address: StreamAddress) -> Rotation:
        fingerprint, now = address.fingerprint(self._identity_key), self._clock()
        if known is None or known.fingerprint != fingerprint or await self._was_changed(stream, known, address):
            rotation = Rotation(stream=stream.name, fingerprint=fingerprint, step=Step.FETCHED, at=now, checked_at=now)
            await self._reached(rotation, Step.FETCHED)
            telemetry.event("rotation.found", stream=stream.name, fingerprint=fingerprint, first=known is None)
        else:
            rotation = msgspec.structs.replace(known, checked_at=now)
            await self._records.put_rotation(rotation)
        if rotation.has(Step.STORED):
            return rotation
        values = zip(stream.secrets, msgspec.structs.astuple(address), strict=True)
        versions = tuple([await self._secrets.set(name, value) for name, value in values])
        return await self._reached(msgspec.structs.replace(rotation, versions=versions), Step.STORED)

    async def _was_changed(self, stream: Stream, known: Rotation, address: StreamAddress) -> bool:
        """Whether somebody else has put other values where ours were stored."""
        if not known.has(Step.STORED):
            return False
        return [await self._secrets.get(name) for name in stream.secrets] != list(msgspec.structs.astuple(address))

    async def _bring_to_the_host(self, rotations: list[Rotation]) -> None:
        """Everything behind the secret store happens once for all streams that need it."""
        marks = await self._records.marks()
        behind = [rotation for rotation in rotations if not rotation.has(Step.RESTARTED)]
        if not behind or self._host is None:
            return
        try:
            if not all(rotation.has(Step.REFRESHED) for rotation in behind):
                await self._host.refresh_references()
                behind = [await self._reached(rotation, Step.REFRESHED) for rotation in behind]
            waiting = await self._unresolved(self._host, behind)
            for rotation in waiting:
                await self._unresolved_again(rotation)
            ready = [await self._reached(one, Step.RESOLVED) for one in behind if one not in waiting]
            idle = [rotation for rotation in ready if not _listens(marks.get(rotation.stream), rotation)]
            for rotation in ready:
                if rotation not in idle:
                    await self._moving(rotation)
            if idle:
                await self._host.restart()
                for rotation in idle:
                    once_more = msgspec.structs.replace(rotation, restarts=rotation.restarts + 1, synced=False)
                    await self._reached(once_more, Step.RESTARTED)
        except (HostControlFailed, SecretStoreUnavailable) as error:
            for rotation in behind:
                await self._failed(rotation.stream, str(error))

    async def _unresolved(self, host: HostControl, rotations: Sequence[Rotation]) -> list[Rotation]:
        """Those whose secrets the host does not have yet in the versions that were stored."""
        names = {stream.name: stream.secrets for stream in self._streams}
        wanted = {one.stream: dict(zip_longest(names[one.stream], one.versions, fillvalue="")) for one in rotations}
        unresolved = set(await host.unresolved({name: at for one in wanted.values() for name, at in one.items()}))
        return [rotation for rotation in rotations if unresolved & set(wanted[rotation.stream])]

    async def _unresolved_again(self, rotation: Rotation) -> None:
        """References are refreshed once more; now and then the secrets are written anew, lest others' be waited for."""
        await self._failed(rotation.stream, "the host's references are not resolved yet")
        counted = msgspec.structs.replace(rotation, unresolved=rotation.unresolved + 1)
        write_anew = counted.unresolved % _WRITE_ANEW_AFTER == 0
        await self._back_to(Step.FETCHED if write_anew else Step.STORED, counted)

    async def _back_to(self, step: Step, rotation: Rotation) -> Rotation:
        back = msgspec.structs.replace(rotation, step=step)
        await self._records.put_rotation(back)
        return back

    async def _moving(self, rotation: Rotation) -> Rotation:
        moving = await self._reached(rotation, Step.MOVING)
        waited = _seconds(self._clock() - rotation.at)
        telemetry.event("rotation.completed", stream=rotation.stream, seconds=waited)
        return moving

    async def _reached(self, rotation: Rotation, step: Step) -> Rotation:
        """Record the step; one that was reached before keeps its instant."""
        if step is not Step.FETCHED and rotation.has(step):
            return rotation
        waits = 0 if step is Step.RESOLVED else rotation.unresolved
        reached = msgspec.structs.replace(rotation, step=step, at=self._clock(), unresolved=waits)
        await self._records.add_step(
            rotation.stream, StepRecord(at=reached.at, step=step, fingerprint=rotation.fingerprint)
        )
        await self._records.put_rotation(reached)
        self._failures.pop(rotation.stream, None)
        telemetry.event("rotation.step", stream=rotation.stream, step=step, fingerprint=rotation.fingerprint)
        return reached

    async def _failed(self, stream: str, reason: str) -> None:
        """An event each time; recorded once while the same goes on."""
        telemetry.warning("rotation.failed", stream=stream, reason=reason)
        if self._failures.get(stream) != reason:
            await self._records.add_step(
                stream, StepRecord(at=self._clock(), step="failed", fingerprint="", detail=reason)
            )
            self._failures[stream] = reason


def _listens(mark: StreamMark | None, rotation: Rotation) -> bool:
    """Whether a trigger that has the rotation's credentials brought something since it came this far."""
    return mark is not None and mark.received_at > rotation.at and mark.fingerprint == rotation.fingerprint


def _listens_as_before(mark: StreamMark | None, rotation: Rotation) -> bool:
    """Whether a trigger with other credentials brought something since, when the process of before must have ended."""
    if mark is None or not mark.fingerprint:
        return False
    return mark.received_at > rotation.at + _OLD_PROCESS_ENDS_WITHIN and mark.fingerprint != rotation.fingerprint


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 1)
