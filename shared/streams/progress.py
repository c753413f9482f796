"""How a stream is getting on: what it brought, and how old that is; noted now and then, so that it costs little."""

from datetime import datetime, timedelta

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import StorageUnavailable
from shared.observations.reading import Reading
from shared.storage.streams import StreamMark, StreamRecords

_EVERY = timedelta(seconds=20)


class _Tally(msgspec.Struct):
    """Since the last note."""

    noted_at: datetime | None = None
    messages: int = 0
    observations: int = 0
    quarantined: int = 0
    degraded: int = 0
    of_nobody: int = 0
    newest: datetime | None = None


class StreamProgress:
    def __init__(self, clock: Clock, records: StreamRecords) -> None:
        self._clock = clock
        self._records = records
        self._tallies: dict[str, _Tally] = {}

    async def note(self, stream: str, reading: Reading, messages: int) -> None:
        """Count a batch that was stored; every so often, write down how far the stream has come."""
        tally = self._tallies.setdefault(stream, _Tally())
        tally.messages += messages
        tally.observations += len(reading.observations)
        tally.quarantined += len(reading.unreadable)
        tally.degraded += reading.degraded
        tally.of_nobody += reading.of_nobody
        newest = max((one.at for one in reading.observations), default=None)
        if newest and (tally.newest is None or newest > tally.newest):
            tally.newest = newest
        now = self._clock()
        if tally.noted_at is None or now - tally.noted_at >= _EVERY:
            self._tallies[stream] = _Tally(noted_at=now, newest=tally.newest)
            try:
                await self._records.put_mark(StreamMark(stream=stream, received_at=now, newest=tally.newest))
            except StorageUnavailable as error:
                telemetry.warning("stream.progress_not_noted", stream=stream, reason=str(error))
            telemetry.event(
                "stream.progress",
                stream=stream,
                messages=tally.messages,
                observations=tally.observations,
                quarantined=tally.quarantined,
                degraded=tally.degraded,
                ofNobody=tally.of_nobody,
                lagSeconds=round((now - tally.newest).total_seconds(), 1) if tally.newest else None,
            )
