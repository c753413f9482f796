"""The credential refresher: fresh before they are needed, and a change followed until messages come again.

Each run asks ZapCloud for every stream's connection details, which also enables a disabled subscription again. Where
they differ from what the stream listens with, the change goes through the steps of `Step`, each recorded before the
next is tried, so that the next run goes on wherever one stopped. One restart serves all streams that need it.
"""

import secrets as random
from collections.abc import Sequence
from datetime import timedelta
from itertools import zip_longest
from typing import Protocol

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import HostControlFailed, SecretStoreUnavailable, ZapbridgeError, ZapCloudError, ZapCloudUnavailable
from shared.security.secrets import SecretStore
from shared.storage.streams import Rotation, Step, StepRecord, StreamMark, StreamRecords
from shared.stream import Stream, StreamAddress
from shared.streams.host_control import HostControl

EVERY = timedelta(minutes=5)
_LEASE = "refresher"
_LEASE_LENGTH = timedelta(minutes=4)
"""Less than the time between two runs, so that a run that died holds up none."""
_MOVES_WITHIN = timedelta(minutes=15)
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

    async def run(self) -> None:
        """Raises StorageUnavailable; all other failures are events, and the next run goes on where this one stopped."""
        holder = random.token_hex(8)
        if not await self._records.take_lease(_LEASE, holder, self._clock(), _LEASE_LENGTH):
            telemetry.event("rotation.elsewhere")
            return
        try:
            await self._renew_login()
            rotations = await self._records.rotations()
            followed = [await self._follow(stream, rotations.get(stream.name)) for stream in self._streams]
            await self._bring_to_the_host([rotation for rotation in followed if rotation])
        finally:
            await self._records.give_back_lease(_LEASE, holder)

    async def watch(self) -> None:
        """See whether messages came since a restart, and say so once it took too long; go on with what was stopped.

        A change that a failure stopped is not left for the next run: messages live as long as runs are apart.
        """
        now = self._clock()
        marks, rotations = await self._records.marks(), (await self._records.rotations()).values()
        for rotation in rotations:
            if rotation.step is not Step.RESTARTED:
                continue
            mark = marks.get(rotation.stream)
            if _listens(mark, rotation):
                await self._moving(rotation)
            elif now - rotation.at > _MOVES_WITHIN:
                waited = _seconds(now - rotation.at)
                telemetry.warning("rotation.not_moving", stream=rotation.stream, seconds=waited)
        if self._host and not all(rotation.has(Step.RESTARTED) for rotation in rotations):
            await self.run()

    async def _renew_login(self) -> None:
        try:
            await self._zapcloud.renew_login(_RENEW_AHEAD)
        except ZapCloudUnavailable as error:
            telemetry.warning("login.not_renewed", reason=str(error))
        except ZapCloudError as error:
            telemetry.warning("login.account_refused", reason=str(error))

    async def _follow(self, stream: Stream, known: Rotation | None) -> Rotation | None:
        """The stream's rotation with its secrets stored; None where they are not, and could not be now."""
        try:
            address = await self._zapcloud.stream_address(stream)
            fingerprint = address.fingerprint(self._identity_key)
            now = self._clock()
            if known is None or known.fingerprint != fingerprint or await self._was_changed(stream, known, address):
                rotation = Rotation(
                    stream=stream.name, fingerprint=fingerprint, step=Step.FETCHED, at=now, checked_at=now
                )
                await self._reached(rotation, Step.FETCHED)
                telemetry.event("rotation.found", stream=stream.name, fingerprint=fingerprint, first=known is None)
            else:
                rotation = msgspec.structs.replace(known, checked_at=now)
                await self._records.put_rotation(rotation)
            if not rotation.has(Step.STORED):
                values = zip(stream.secrets, msgspec.structs.astuple(address), strict=True)
                versions = tuple([await self._secrets.set(name, value) for name, value in values])
                rotation = await self._reached(msgspec.structs.replace(rotation, versions=versions), Step.STORED)
        except (ZapCloudError, SecretStoreUnavailable) as error:
            await self._failed(stream.name, error)
            return known if known and known.has(Step.STORED) else None
        return rotation

    async def _was_changed(self, stream: Stream, known: Rotation, address: StreamAddress) -> bool:
        """Whether somebody else has put other values where ours were stored."""
        if not known.has(Step.STORED):
            return False
        return [await self._secrets.get(name) for name in stream.secrets] != list(msgspec.structs.astuple(address))

    async def _bring_to_the_host(self, rotations: list[Rotation]) -> None:
        """Everything behind the secret store happens once for all streams that need it."""
        marks = await self._records.marks()
        rotations = [await self._again_if_stale(one, marks.get(one.stream)) for one in rotations]
        behind = [rotation for rotation in rotations if not rotation.has(Step.RESTARTED)]
        if not behind or self._host is None:
            return
        try:
            if not all(rotation.has(Step.REFRESHED) for rotation in behind):
                await self._host.refresh_references()
                behind = [await self._reached(rotation, Step.REFRESHED) for rotation in behind]
            waiting = await self._unresolved(self._host, behind)
            for rotation in waiting:
                await self._refresh_again(rotation, "the host's references are not resolved yet")
            ready = [await self._reached(one, Step.RESOLVED) for one in behind if one not in waiting]
            idle = [rotation for rotation in ready if not _listens(marks.get(rotation.stream), rotation)]
            for rotation in ready:
                if rotation not in idle:
                    await self._moving(rotation)
            if idle:
                await self._host.restart()
                for rotation in idle:
                    await self._reached(rotation, Step.RESTARTED)
        except (HostControlFailed, SecretStoreUnavailable) as error:
            for rotation in behind:
                await self._failed(rotation.stream, error)

    async def _unresolved(self, host: HostControl, rotations: Sequence[Rotation]) -> list[Rotation]:
        """Those whose secrets the host does not have yet in the versions that were stored."""
        names = {stream.name: stream.secrets for stream in self._streams}
        wanted = {one.stream: dict(zip_longest(names[one.stream], one.versions, fillvalue="")) for one in rotations}
        unresolved = set(await host.unresolved({name: at for one in wanted.values() for name, at in one.items()}))
        return [rotation for rotation in rotations if unresolved & set(wanted[rotation.stream])]

    async def _again_if_stale(self, rotation: Rotation, mark: StreamMark | None) -> Rotation:
        """A host that came back from its restart with other credentials read its references too early: once more."""
        if rotation.step is not Step.RESTARTED or mark is None or mark.received_at <= rotation.at:
            return rotation
        if not mark.fingerprint or mark.fingerprint == rotation.fingerprint:
            return rotation
        return await self._refresh_again(rotation, "the host restarted with the credentials of before")

    async def _refresh_again(self, rotation: Rotation, why: str) -> Rotation:
        await self._failed(rotation.stream, HostControlFailed(why))
        back = msgspec.structs.replace(rotation, step=Step.STORED)
        await self._records.put_rotation(back)
        return back

    async def _moving(self, rotation: Rotation) -> None:
        await self._reached(rotation, Step.MOVING)
        waited = _seconds(self._clock() - rotation.at)
        telemetry.event("rotation.completed", stream=rotation.stream, seconds=waited)

    async def _reached(self, rotation: Rotation, step: Step) -> Rotation:
        """Record the step; one that was reached before keeps its instant."""
        if step is not Step.FETCHED and rotation.has(step):
            return rotation
        reached = msgspec.structs.replace(rotation, step=step, at=self._clock())
        await self._records.add_step(
            rotation.stream, StepRecord(at=reached.at, step=step, fingerprint=rotation.fingerprint)
        )
        await self._records.put_rotation(reached)
        telemetry.event("rotation.step", stream=rotation.stream, step=step, fingerprint=rotation.fingerprint)
        return reached

    async def _failed(self, stream: str, error: ZapbridgeError) -> None:
        await self._records.add_step(
            stream, StepRecord(at=self._clock(), step="failed", fingerprint="", detail=str(error))
        )
        telemetry.warning("rotation.failed", stream=stream, reason=str(error))


def _listens(mark: StreamMark | None, rotation: Rotation) -> bool:
    """Whether a trigger that has the rotation's credentials brought something since it came this far."""
    return mark is not None and mark.received_at > rotation.at and mark.fingerprint == rotation.fingerprint


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 1)
