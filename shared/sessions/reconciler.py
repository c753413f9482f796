"""Reads finished sessions from ZapCloud, so that none is missing whose end was never heard of.

Charge history is read from where the last reading ended, less an overlap, and once a day for the last 35 days, since
an offline charger tells of its sessions when it is back. After each page it is noted how far one came; where the
archive is read too, its cursor is. An installation that ZapCloud refuses does not keep the others waiting.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import InvalidInput, ZapCloudError, ZapCloudUnavailable
from shared.sessions.past import PastSessions
from shared.sessions.view import Source
from shared.storage.installations import Installation, Installations
from shared.storage.reconciliation import Mark, Reconciliation
from shared.zapcloud.client import ZapCloud
from shared.zapcloud.history import PastSession, read_archived, read_history

DEEP = timedelta(days=35)
_DEEP_EVERY = timedelta(days=1)
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
        past: PastSessions,
        zapcloud: ZapCloud,
        *,
        archive: bool,
    ) -> None:
        self._clock = clock
        self._installations = installations
        self._marks = marks
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
            reading = _Reading(self._clock, self._marks, self._past, self._zapcloud, installation, mark, pages)
            try:
                await reading.history()
                if self._archive:
                    await reading.archive()
                silent = 0
            except ZapCloudError as error:
                silent = silent + 1 if isinstance(error, ZapCloudUnavailable) else 0
                telemetry.warning("sessions.reconcile_failed", installationId=installation.id, reason=str(error))
            pages = reading.pages_left
            await reading.note()
        telemetry.event("reconcile.completed")


class _Reading:
    """What is being read of one installation, and how far it has come."""

    def __init__(
        self,
        clock: Clock,
        marks: Reconciliation,
        past: PastSessions,
        zapcloud: ZapCloud,
        installation: Installation,
        mark: Mark,
        pages_left: int,
    ) -> None:
        self._clock = clock
        self._marks = marks
        self._past = past
        self._zapcloud = zapcloud
        self._installation = installation
        self._mark = msgspec.structs.replace(mark, read_at=clock())
        self._began = clock()
        self.pages_left = pages_left

    async def history(self) -> None:
        deep = _is_due(self._mark.deep_at, self._began)
        since = self._deep_since() if deep else self._since(self._mark.history_until)
        page, pages, last = 0, 1, since
        while page < pages and self.pages_left > 0:
            items, pages = await self._zapcloud.charge_history(self._installation.id, since, page)
            sessions = list(self._readable(items, read_history))
            await self._take(sessions, Source.CHARGE_HISTORY, anew=deep)
            page += 1
            in_order, last = _reached(sessions, last)
            if in_order:
                await self._note(**({"deep_reached": last} if deep else {"history_until": last}))
        if page >= pages:
            done = {"deep_reached": None, "deep_at": self._began} if deep else {}
            await self._note(history_until=self._began, **done)

    async def archive(self) -> None:
        """From where the cursor is, if a reading is under way."""
        since, until = self._since(self._mark.archive_until), self._mark.archive_to or self._began
        cursor, following = self._mark.archive_cursor, True
        while following and self.pages_left > 0:
            items, cursor = await self._zapcloud.archived_sessions(self._installation.id, since, until, cursor)
            await self._take(list(self._readable(items, read_archived)), Source.ARCHIVED_SESSIONS)
            following = cursor is not None
            await self._note(archive_cursor=cursor, archive_to=until)
        if not following:
            await self._note(archive_until=until, archive_to=None)

    async def note(self) -> None:
        """When it was last tried, so that its turn comes after the others'."""
        await self._note()

    async def _note(self, **changes: datetime | str | None) -> None:
        self._mark = msgspec.structs.replace(self._mark, **changes)
        await self._marks.set_mark(self._installation.id, self._mark)

    async def _take(self, sessions: list[PastSession], source: Source, *, anew: bool = False) -> None:
        self.pages_left -= 1
        if new := await self._past.take(self._installation, sessions, source, anew=anew):
            telemetry.event("sessions.reconciled", installationId=self._installation.id, sessions=new, source=source)

    def _since(self, until: datetime | None) -> datetime:
        return until - _OVERLAP if until else self._began - DEEP

    def _deep_since(self) -> datetime:
        """Where a deep reading that did not get to its end goes on."""
        return max(self._began - DEEP, self._mark.deep_reached or self._began - DEEP)

    def _readable(
        self, items: list[dict[str, Any]], read: Callable[[Mapping[str, Any]], PastSession]
    ) -> Iterator[PastSession]:
        for item in items:
            try:
                yield read(item)
            except InvalidInput as error:
                telemetry.warning(
                    "sessions.history_unreadable",
                    installationId=self._installation.id,
                    sessionId=str(item.get("id"))[:36],
                    reason="; ".join(f"{field} {fault}" for field, fault in error.fields.items()),
                )


def _is_due(deep_at: datetime | None, now: datetime) -> bool:
    return deep_at is None or now - deep_at >= _DEEP_EVERY


def _reached(sessions: list[PastSession], before: datetime) -> tuple[bool, datetime]:
    """Whether a page is in order of its starts and goes on from the one before, and the start it ends with."""
    starts = [before, *(one.report.start for one in sessions if one.report.start)]
    return starts == sorted(starts), max(starts)
