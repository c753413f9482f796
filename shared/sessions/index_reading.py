"""What the index lists of the sessions that ZapCloud lists, page by page.

Charge history comes in order of starts, so the index is read on as the pages come, a thousand rows with a request: each
row once, however many sessions begin at about the same time. The archive comes in order of ends and has sessions among
them that were offline for days: what began before this reading is looked for by itself.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise

from shared.clock import Clock
from shared.storage.session_index import DrawnEntry, SessionIndex, instant_key, month_partition, months
from shared.zapcloud.history import PastSession

_AROUND = timedelta(minutes=15)
"""We list a session under the instant we let it in, ZapCloud under the instant it began."""
_AT_ONCE = 1000
"""The most that Table Storage answers one request with."""
_MOST_KEPT = 10_000
_WIDE = timedelta(hours=1)
_MOST_SPANS = 8
_CREDIBLE = timedelta(days=60)


class IndexReading:
    """The index of an installation, of which it is known what it lists from `since` as far as it was read."""

    def __init__(self, clock: Clock, index: SessionIndex, installation_id: str, since: datetime) -> None:
        self._clock = clock
        self._index = index
        self._installation_id = installation_id
        self._entries: dict[str, DrawnEntry] = {}
        self._since = self._until = since - _AROUND
        self._after = instant_key(self._until)

    async def entries(self, sessions: Sequence[PastSession]) -> dict[str, DrawnEntry]:
        """Those of these sessions that are listed where they would be. What was listed since it was read may be
        missing."""
        now = self._clock()
        found: dict[str, DrawnEntry] = {}
        starts = [
            one.report.start
            for one in sessions
            if one.report.start
            and abs(now - one.report.start) < _CREDIBLE
            and one.report.session_id not in self._entries
        ]
        for first, last in spans(starts, most=_MOST_SPANS):
            since, until = first - _AROUND, last + _AROUND
            if since < self._since:
                found |= await self._between(since, min(until, self._since))
            await self._read_on(until)
        found |= self._entries
        self._forget_the_oldest()
        return {
            one.report.session_id: found[one.report.session_id] for one in sessions if one.report.session_id in found
        }

    async def _between(self, since: datetime, until: datetime) -> dict[str, DrawnEntry]:
        found: dict[str, DrawnEntry] = {}
        for month in months(since, until):
            partition = month_partition(self._installation_id, month)
            entries = await self._index.drawn(partition, instant_key(since), before=instant_key(until))
            found |= {entry.session_id: entry for entry in entries}
        return found

    async def _read_on(self, until: datetime) -> None:
        while self._until < until:
            partition = month_partition(self._installation_id, self._until)
            entries = await self._index.drawn(partition, self._after, limit=_AT_ONCE)
            self._entries |= {entry.session_id: entry for entry in entries}
            if len(entries) == _AT_ONCE:
                self._until, self._after = entries[-1].listed_at, entries[-1].row_key
            else:
                self._until = months(self._until, self._until + timedelta(days=32))[1]
                self._after = instant_key(self._until)

    def _forget_the_oldest(self) -> None:
        for session_id in list(islice(self._entries, max(0, len(self._entries) - _MOST_KEPT))):
            self._since = self._entries.pop(session_id).listed_at + timedelta(microseconds=1)


def spans(instants: Sequence[datetime], *, most: int) -> list[tuple[datetime, datetime]]:
    """From the first instant to the last, without the widest gaps between, so that these are `most` spans at the
    most."""
    ordered = sorted(instants)
    by_width = sorted(range(1, len(ordered)), key=lambda place: ordered[place] - ordered[place - 1], reverse=True)
    wide = [place for place in by_width[: most - 1] if ordered[place] - ordered[place - 1] > _WIDE]
    cuts = [0, *sorted(wide), len(ordered)]
    return [(ordered[first], ordered[end - 1]) for first, end in pairwise(cuts) if ordered]
