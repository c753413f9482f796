"""Asks ZapCloud how sessions ended whose figures never came.

Where no car charges any more, each is asked for as soon as it is due; where one may, a session that is open for long is
asked for once an hour, each in its own minute.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from shared import telemetry
from shared.clock import Clock
from shared.errors import ZapCloudError, ZapCloudUnavailable
from shared.sessions.end import EndHook
from shared.sessions.ledger import Ledger
from shared.sessions.view import AWAITING_FIGURES, OPEN, Source
from shared.storage.session_index import SessionEntry
from shared.zapcloud.client import ZapCloud

_ASK_AFTER = timedelta(minutes=5)
_LONG_OPEN = timedelta(hours=3)
_NEVER_BEGAN_AFTER = timedelta(days=1)
_MINUTE_SECONDS = 60
_MAX_QUESTIONS = 50


class Figures:
    def __init__(self, clock: Clock, ledger: Ledger, end_hook: EndHook, zapcloud: ZapCloud) -> None:
        self._clock = clock
        self._ledger = ledger
        self._end_hook = end_hook
        self._zapcloud = zapcloud
        self._last_minute: int | None = None

    async def run(self, unresolved: Mapping[str, Sequence[SessionEntry]]) -> None:
        """Each of the installations' unresolved sessions in its turn where there are many, each installation likewise;
        what is not answered now is asked for again. Raises StorageUnavailable."""
        now = self._clock()
        minute = int(now.timestamp()) // _MINUTE_SECONDS
        passed = 1 if self._last_minute is None else minute - self._last_minute
        self._last_minute = minute
        installation_ids = list(unresolved)
        first, left = minute % max(len(installation_ids), 1), _MAX_QUESTIONS
        for installation_id in (*installation_ids[first:], *installation_ids[:first]):
            for entry in _to_ask_for(unresolved[installation_id], minute, passed, now)[:left]:
                left -= 1
                try:
                    await self._ask_for(entry, installation_id, now)
                except ZapCloudUnavailable:
                    return
                except ZapCloudError as error:
                    telemetry.warning("sessions.figures_refused", sessionId=entry.session_id, reason=str(error))
            if left <= 0:
                return

    async def _ask_for(self, entry: SessionEntry, installation_id: str, now: datetime) -> None:
        report = await self._zapcloud.session(entry.session_id, patient=True)
        if report and report.end:
            await self._end_hook.record(report, Source.SESSION_API, installation_id)
        elif report is None and _age(entry, now) >= _NEVER_BEGAN_AFTER:
            await self._ledger.never_began(entry.session_id)


def _to_ask_for(unresolved: Sequence[SessionEntry], minute: int, passed: int, now: datetime) -> list[SessionEntry]:
    """Those of an installation's sessions whose turn it is in this minute, or was in those that `passed` up to it."""
    awaited = [one for one in unresolved if one.status in AWAITING_FIGURES and _age(one, now) >= _ASK_AFTER]
    open_long = [
        one
        for one in unresolved
        if one.status in OPEN and _age(one, now) >= _LONG_OPEN and (minute - int(one.session_id[:8], 16)) % 60 < passed
    ]
    turn = minute * _MAX_QUESTIONS % max(len(awaited), 1)
    return [*open_long, *awaited[turn:], *awaited[:turn]]


def _age(entry: SessionEntry, now: datetime) -> timedelta:
    return now - (entry.start or entry.listed_at)
