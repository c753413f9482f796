"""Reads finished sessions from ZapCloud, so that none is missing whose end was never heard of.

Charge history is read from where the last reading ended, less an overlap, once a day for the last 35 days, since an
offline charger tells of its sessions when it is back, and once a month for the last year, since it is asked for by the
starts of sessions and a car may be plugged in for months. After each page it is noted how far one came; where the
archive is read too, its cursor is. An installation that ZapCloud refuses does not keep the others waiting.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import ZapCloudError, ZapCloudUnavailable
from shared.sessions.index_reading import IndexReading
from shared.sessions.items import ListedItems
from shared.sessions.past import PastSessions
from shared.sessions.view import Source
from shared.storage.installations import Installation, Installations
from shared.storage.reconciliation import Mark, Reconciliation
from shared.zapcloud.client import ZapCloud, ZapCloudRefused
from shared.zapcloud.history import PastSession

DEEP = timedelta(days=35)
_DEEP_EVERY = timedelta(days=1)
_YEAR = timedelta(days=366)
_YEAR_EVERY = timedelta(days=30)
_OVERLAP = timedelta(days=2)
"""Longer than nearly all sessions: charge history is asked for by their starts, and a session is in it once it is
over."""
_MOST_PAGES = 400
"""Of one run, some minutes of reading."""
_GIVE_UP_AFTER = 3
"""Installations in a row about which ZapCloud does not answer."""


class Reconciler:
    def __init__(
        self,
        clock: Clock,
        installations: Installations,
        marks: Reconciliation,
        items: ListedItems,
        past: PastSessions,
        zapcloud: ZapCloud,
        *,
        archive: bool,
    ) -> None:
        self._clock = clock
        self._installations = installations
        self._marks = marks
        self._items = items
        self._past = past
        self._zapcloud = zapcloud
        self._archive = archive

    async def run(self) -> None:
        """Those first that were read longest ago. Raises StorageUnavailable; the next run goes on from there."""
        marked = [(await self._marks.mark(one.id), one) for one in await self._installations.all()]
        marked.sort(key=lambda pair: (pair[0].read_at is not None, pair[0].read_at, pair[1].id))
        pages, silent = _MOST_PAGES, 0
        for mark, installation in marked:
            if pages <= 0 or silent >= _GIVE_UP_AFTER:
                break
            reading = _Reading(
                self._clock, self._marks, self._items, self._past, self._zapcloud, installation, mark, pages
            )
            try:
                await reading.begin()
                await reading.recent()
                await reading.deep()
                await reading.year()
                if self._archive:  # last, since an account may lack the right to it
                    await reading.archive()
                silent = 0
            except ZapCloudError as error:
                silent = silent + 1 if isinstance(error, ZapCloudUnavailable) else 0
                telemetry.warning(
                    "sessions.reconcile_failed",
                    installationId=installation.id,
                    readUntil=reading.history_until,
                    reason=str(error),
                )
            pages = reading.pages_left
        telemetry.event("reconcile.completed")


class _Reading:
    """What is being read of one installation, and how far it has come."""

    def __init__(
        self,
        clock: Clock,
        marks: Reconciliation,
        items: ListedItems,
        past: PastSessions,
        zapcloud: ZapCloud,
        installation: Installation,
        mark: Mark,
        pages_left: int,
    ) -> None:
        self._clock = clock
        self._marks = marks
        self._items = items
        self._past = past
        self._zapcloud = zapcloud
        self._installation = installation
        self._mark = msgspec.structs.replace(mark, read_at=clock())
        self._began = clock()
        self._recent_from = (mark.history_until or self._began) - _OVERLAP
        self._is_deep_due = mark.deep_at is None or self._began - mark.deep_at >= _DEEP_EVERY
        self.pages_left = pages_left

    @property
    def history_until(self) -> datetime | None:
        """All that began before was read; None where nothing was."""
        return self._mark.history_until

    async def recent(self) -> None:
        """Charge history from where the last reading ended, however long ago that is."""
        if await self._pages(self._recent_from, "history_until", anew=self._is_deep_due):
            await self._note(history_until=self._began)

    async def deep(self) -> None:
        """Charge history of the last 35 days, once a day, up to what was just read as recent; what a run does not reach
        the next one goes on with."""
        if not self._is_deep_due:
            return
        since = self._since(DEEP, self._mark.deep_reached)
        if await self._pages(since, "deep_reached", until=self._recent_from, anew=True):
            await self._note(deep_reached=None, deep_at=self._began)

    async def year(self) -> None:
        """Charge history of the last year, once a month, up to the 35 days that are read each day, likewise. At once
        where we were told of the installation long ago: the log is one restored from a backup, which may be old."""
        read_at = self._mark.year_at or self._installation.since
        if read_at and self._began - read_at < _YEAR_EVERY:
            return
        since = self._since(_YEAR, self._mark.year_reached)
        if await self._pages(since, "year_reached", until=self._began - DEEP, anew=False):
            await self._note(year_reached=None, year_at=self._began)

    def _since(self, depth: timedelta, reached: datetime | None) -> datetime:
        return max(self._began - depth, reached or self._began - depth)

    async def _pages(self, since: datetime, reached: str, *, until: datetime | None = None, anew: bool) -> bool:
        """Whether all that began from `since` to `until` was read; as long as pages come in order, the mark `reached`
        says how far."""
        index = self._past.index_from(self._installation, since)
        page, pages, last, in_order = 0, 1, since, True
        while page < pages and not (until and in_order and last >= until):
            if self.pages_left <= 0:
                return False
            items, pages = await self._zapcloud.charge_history(self._installation.id, since, page)
            sessions = await self._take(items, Source.CHARGE_HISTORY, index, anew=anew)
            page += 1
            in_order, last = _reached(sessions, last, in_order=in_order)
            if in_order:
                known: datetime | None = getattr(self._mark, reached)
                await self._note(**{reached: max(last, known or last)})
        return True

    async def archive(self) -> None:
        """From where the cursor is, if a reading is under way; a cursor that ZapCloud does not take is dropped."""
        since = self._mark.archive_from or (self._mark.archive_until or self._began - DEEP) - _OVERLAP
        until = self._mark.archive_to or self._began
        index = self._past.index_from(self._installation, since)
        cursor, following = self._mark.archive_cursor, True
        while following and self.pages_left > 0:
            try:
                items, cursor = await self._zapcloud.archived_sessions(self._installation.id, since, until, cursor)
            except ZapCloudRefused:
                await self._note(archive_cursor=None, archive_from=None, archive_to=None)
                raise
            await self._take(items, Source.ARCHIVED_SESSIONS, index)
            following = cursor is not None
            await self._note(archive_cursor=cursor, archive_from=since, archive_to=until)
        if not following:
            await self._note(archive_until=until, archive_from=None, archive_to=None)

    async def begin(self) -> None:
        """Note when it was last tried, so that its turn comes after the others', whatever becomes of it."""
        await self._note()

    async def _note(self, **changes: datetime | str | None) -> None:
        self._mark = msgspec.structs.replace(self._mark, **changes)
        await self._marks.set_mark(self._installation.id, self._mark)

    async def _take(
        self, items: list[dict[str, Any]], source: Source, index: IndexReading, *, anew: bool = False
    ) -> list[PastSession]:
        """Store a page; its sessions, as far as they can be understood."""
        self.pages_left -= 1
        sessions = await self._items.read(self._installation.id, items, source)
        if new := await self._past.take(self._installation, sessions, source, index, anew=anew):
            telemetry.event("sessions.reconciled", installationId=self._installation.id, sessions=new, source=source)
        return sessions


def _reached(sessions: list[PastSession], before: datetime, *, in_order: bool) -> tuple[bool, datetime]:
    """Whether all pages up to this one are in order of their starts, and the start it ends with."""
    starts = [before, *(one.report.start for one in sessions if one.report.start)]
    return in_order and starts == sorted(starts), max(starts)
