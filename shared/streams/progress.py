"""How a stream is getting on: what it brought, and how old that is; noted now and then, so that it costs little."""

from collections.abc import Mapping
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
    def __init__(self, clock: Clock, records: StreamRecords, fingerprints: Mapping[str, str]) -> None:
        """`fingerprints` are those of the credentials that each stream's trigger in this process listens with."""
        self._clock = clock
        self._records = records
        self._fingerprints = fingerprints
        self._tallies: dict[str, _Tally] = {}

    async def note(self, stream: str, reading: Reading, messages: int) -> None:
        """Count a batch that was stored; every so often, write down how far the stream has come.

        Messages that nobody can read bring a stream nowhere.
        """
        tally = self._tallies.setdefault(stream, _Tally())
        tally.messages += messages
        tally.observations += len(reading.observations)
        tally.quarantined += len(reading.unreadable)
        tally.degraded += reading.degraded
        tally.of_nobody += reading.of_nobody
        if tally.noted_at is None:
            tally.newest = await self._newest_ever(stream)
        newest = max((one.at for one in reading.observations), default=None)
        if newest and (tally.newest is None or newest > tally.newest):
            tally.newest = newest
        now = self._clock()
        if tally.noted_at is None or now - tally.noted_at >= _EVERY:
            self._tallies[stream] = _Tally(noted_at=now, newest=tally.newest)
            if tally.observations:
                mark = StreamMark(
                    stream=stream,
                    received_at=now,
                    newest=tally.newest,
                    fingerprint=self._fingerprints.get(stream, ""),
                )
                await self._put_mark(mark)
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

    async def _put_mark(self, mark: StreamMark) -> None:
        try:
            await self._records.put_mark(mark)
        except StorageUnavailable as error:
            telemetry.warning("stream.progress_not_noted", stream=mark.stream, reason=str(error))

    async def _newest_ever(self, stream: str) -> datetime | None:
        """What another process, or this one before it was started, has noted."""
        try:
            mark = (await self._records.marks()).get(stream)
        except StorageUnavailable as error:
            telemetry.warning("stream.progress_not_known", stream=stream, reason=str(error))
            return None
        return mark.newest if mark else None
