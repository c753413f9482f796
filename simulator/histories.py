"""ZapCloud's two lists of finished sessions: charge history, and the newer archive."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from simulator import wire_sessions
from simulator.faults import Faults
from simulator.queries import (
    INVALID_FORMAT,
    MISSING_REQUIRED_DATA,
    UNKNOWN_INSTALLATION,
    BusinessError,
    Query,
    charger_not_found,
    page,
)
from simulator.sessions import Session
from simulator.world import World

WITH_ENERGY_DETAILS = 1
"""The bit of DetailLevel that asks for them."""
DEFAULT_ARCHIVE_PAGE, MOST_ARCHIVE_PAGE = 50, 200


class Histories:
    """Answers `/api/chargehistory` and `/api/sessions/archived`."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    async def charge_history(self, request: web.Request) -> web.Response:
        """Sessions that began from `From` until before `To`, in no useful order unless SortProperty names one.

        That the span is about the start is an assumption; it is not published.
        """
        query = Query(request)
        since, until = query.instant("From"), query.instant("To")
        installation_id, charger_id, user_id = (query.text(name) for name in ("InstallationId", "ChargerId", "UserId"))
        sessions = [
            session
            for session in self._listed()
            if installation_id in (None, session.installation_id)
            and charger_id in (None, session.charger_id)
            and user_id in (None, session.user.id if session.user else "")
            and (since is None or since <= session.claimed_start)
            and (until is None or session.claimed_start < until)
        ]
        descending = (query.text("SortDescending") or "").lower() == "true"
        sessions.sort(key=self._order((query.text("SortProperty") or "").lower()), reverse=descending)
        if self._faults.strikes("history-shifts", request.path):
            del sessions[:1]
        details = bool(query.number("DetailLevel") & WITH_ENERGY_DETAILS)
        chargers = self._world.chargers
        return page(
            query,
            sessions,
            lambda one: wire_sessions.history_item(one, chargers[one.charger_id], energy_details=details),
        )

    def _order(self, sort_property: str) -> Callable[[Session], Any]:
        """By a property of SessionListModel, in small letters; by id where it is none of these."""
        keys: dict[str, Callable[[Session], Any]] = {
            "startdatetime": lambda session: session.claimed_start,
            "enddatetime": lambda session: session.closed_at,
            "commitenddatetime": lambda session: session.known_end,
            "energy": lambda session: session.energy_kwh,
            "devicename": lambda session: self._world.chargers[session.charger_id].name,
            "userfullname": lambda session: session.user.full_name if session.user else "",
        }
        key = keys.get(sort_property)
        return (lambda session: (key(session), session.id)) if key else (lambda session: session.id)

    async def archived(self, request: web.Request) -> web.Response:
        """Sessions that ended from `From` until before `To`, in the order in which ZapCloud learnt of their ends; so
        what is added while somebody reads comes on a later page. The real order is not known."""
        query = Query(request)
        since, until = required(query, "From"), required(query, "To")
        installation_id, charger_id = query.text("InstallationId"), query.text("ChargerId")
        if (installation_id is None) == (charger_id is None):
            raise BusinessError(MISSING_REQUIRED_DATA, "Exactly one of InstallationId and ChargerId is required")
        if charger_id is not None and charger_id not in self._world.chargers:
            return charger_not_found()
        if installation_id is not None and installation_id not in self._world.installations:
            raise BusinessError(UNKNOWN_INSTALLATION, "Unknown installation")
        size = min(query.number("PageSize") or DEFAULT_ARCHIVE_PAGE, MOST_ARCHIVE_PAGE)
        after = position_of(query.text("Cursor"))
        found = [
            (place, session)
            for place, session in enumerate(self._listed_or_none(), start=1)
            if place > after
            and session is not None
            and (session.installation_id == installation_id or session.charger_id == charger_id)
            and session.known_end is not None
            and since <= session.known_end < until
        ]
        shown, has_more = found[:size], len(found) > size
        chargers = self._world.chargers
        body = {
            "sessions": [wire_sessions.archived_item(one, chargers[one.charger_id]) for _, one in shown],
            "cursor": cursor_at(shown[-1][0]) if has_more else None,
            "hasMore": has_more,
        }
        return web.json_response(body)

    def _listed(self) -> list[Session]:
        return [session for session in self._listed_or_none() if session is not None]

    def _listed_or_none(self) -> list[Session | None]:
        """Closed sessions in the order in which they were closed, None for those that are not to be seen."""
        now = self._world.now()
        return [session if self._is_shown(session, now) else None for session in self._world.closed]

    def _is_shown(self, session: Session, now: datetime) -> bool:
        visible = self._world.installations[session.installation_id].is_visible
        return visible and session.listed_at is not None and session.listed_at <= now


def required(query: Query, name: str) -> datetime:
    instant = query.instant(name)
    if instant is None:
        raise BusinessError(MISSING_REQUIRED_DATA, f"{name} is required")
    return instant


def cursor_at(place: int) -> str:
    return base64.urlsafe_b64encode(f"after {place}".encode()).decode()


def position_of(cursor: str | None) -> int:
    """How many closed sessions a cursor has behind it."""
    if not cursor:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor).removeprefix(b"after "))
    except ValueError as error:
        raise BusinessError(INVALID_FORMAT, "Cursor is not one of ours") from error
