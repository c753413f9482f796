"""Notices a stream that brings nothing, makes up for it, and wakes it.

After the key of a listener that is already connected was replaced, it falls silent without any error 15 to 20 minutes
later (azure-webjobs-sdk issues 1400 and 1402), and messages live for 5 minutes. So silence is looked for every minute;
what waits in the subscription is received directly, chargers' states are read over REST, and where messages did wait
the trigger is dead, and its host is restarted.
"""

import secrets as random
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared import telemetry
from shared.clock import Clock
from shared.errors import HostControlFailed, SecretStoreUnavailable
from shared.observations.reading import Message
from shared.security.secrets import SecretStore
from shared.storage.streams import StreamRecords
from shared.stream import Stream, StreamAddress
from shared.streams.backfill import Backfill
from shared.streams.drain import drain
from shared.streams.host_control import HostControl
from shared.streams.intake import StreamIntake

_RESTART_EVERY = timedelta(minutes=10)
_RESTART_LEASE = "watchdog-restart"
MOST_PER_MINUTE = 300
"""Half of what ZapCloud allows in a minute, for chargers of a silent stream."""


class Watchdog:
    def __init__(
        self,
        *,
        clock: Clock,
        silent_after: timedelta,
        chargers_per_minute: int,
        streams: Sequence[Stream],
        secrets: SecretStore | None,
        host: HostControl | None,
        records: StreamRecords,
        intake: StreamIntake,
        backfill: Backfill | None,
    ) -> None:
        self._clock = clock
        self._silent_after = silent_after
        self._chargers_per_minute = chargers_per_minute
        self._streams = streams
        self._secrets = secrets
        self._host = host
        self._records = records
        self._intake = intake
        self._backfill = backfill

    async def run(self) -> None:
        """Raises StorageUnavailable; all other failures are events, and the next run tries again."""
        silent = await self.silent_streams()
        dead = False
        for stream, since in silent.items():
            telemetry.warning(
                "stream.silent", stream=stream.name, seconds=round((self._clock() - since).total_seconds())
            )
            dead |= await self._drain(stream) > 0
        if dead:
            await self._wake()
        if self._backfill is not None:
            if silent:
                await self._backfill.run(MOST_PER_MINUTE, urgent=True)
            else:
                await self._backfill.run(self._chargers_per_minute)

    async def silent_streams(self) -> dict[Stream, datetime]:
        """Streams that should bring something and do not, each with the instant it last did."""
        now = self._clock()
        marks, rotations = await self._records.marks(), await self._records.rotations()
        silent = {}
        for stream in self._streams:
            mark, rotation = marks.get(stream.name), rotations.get(stream.name)
            since = mark.received_at if mark else rotation.at if rotation else None
            if since and now - since >= self._silent_after:
                silent[stream] = since
        return silent

    async def _drain(self, stream: Stream) -> int:
        async def take(messages: list[Message], locked_for: timedelta) -> None:
            await self._intake.take(stream.name, messages, locked_for, by_trigger=False)

        try:
            address = await self._address(stream)
        except SecretStoreUnavailable as error:
            telemetry.warning("stream.drain_failed", stream=stream.name, reason=str(error))
            return 0
        if address is None:
            return 0
        drained = await drain(address, take, self._clock)
        if drained.failure:
            telemetry.warning("stream.drain_failed", stream=stream.name, reason=drained.failure)
        telemetry.event("stream.drained", stream=stream.name, messages=drained.messages)
        return drained.messages

    async def _address(self, stream: Stream) -> StreamAddress | None:
        if self._secrets is None:
            return None
        values = [await self._secrets.get(name) for name in stream.secrets]
        connection, topic, subscription = values
        return StreamAddress(connection, topic, subscription) if connection and topic and subscription else None

    async def _wake(self) -> None:
        """Restart the streams host, with its references read anew; not again within ten minutes, which a start may take
        to show."""
        now = self._clock()
        if self._host is None or not await self._records.take_lease(
            _RESTART_LEASE, random.token_hex(8), now, _RESTART_EVERY
        ):
            return
        telemetry.warning("stream.listener_dead")
        try:
            await self._host.refresh_references()
            await self._host.restart()
        except HostControlFailed as error:
            telemetry.warning("stream.restart_failed", reason=str(error))
