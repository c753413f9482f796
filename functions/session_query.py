"""Which sessions a caller asks for: what the list and the export have in common."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import azure.functions as func
import msgspec

from functions.encoding import instant_parameter, limit_parameter
from functions.services import services
from shared.errors import InvalidInput
from shared.identifiers import canonical_uuid

if TYPE_CHECKING:
    from shared.sessions.listing import SessionPage
    from shared.sessions.view import SessionView
    from shared.storage.session_index import SessionEntry

SESSIONS_ASKED = ("installation", "from", "to", "limit", "cursor")
"""The query parameters by which sessions are asked for."""
_LONGEST_CURSOR = 300


class SessionQuery(msgspec.Struct, frozen=True):
    """Sessions listed from `start` until before `end`, of one installation or (None) of all and of none."""

    installation_id: str | None
    start: datetime
    end: datetime
    cursor: str | None
    limit: int


def session_query(req: func.HttpRequest, *, default: int = 100, most: int = 1000) -> SessionQuery:
    """Without `to` until now, without `from` for 31 days; at most `most` a page. Raises InvalidInput."""
    from shared.sessions.listing import DEFAULT_SPAN

    wanted = req.params.get("installation")
    if wanted and canonical_uuid(wanted) is None:
        raise InvalidInput("a parameter is wrong", {"installation": "must be a UUID"})
    end = instant_parameter(req, "to") or services().clock() + timedelta(seconds=1)
    start = instant_parameter(req, "from") or end - DEFAULT_SPAN
    cursor = req.params.get("cursor") or None
    if cursor and len(cursor) > _LONGEST_CURSOR:
        raise InvalidInput("the cursor cannot be used", {"cursor": "is longer than any we ever answered with"})
    return SessionQuery(canonical_uuid(wanted), start, end, cursor, limit_parameter(req, default, most))


async def found(query: SessionQuery) -> "SessionPage":
    """The page that is asked for, sessions under way with their energy so far. Raises InvalidInput where the span or
    the cursor makes no sense."""
    ids: list[str | None] = [query.installation_id]
    if query.installation_id is None:
        ids = [*(installation.id for installation in await services().installations.all()), None]
    await services().behind.settled()
    page = await services().listing.page(ids, query.start, query.end, query.cursor, query.limit)
    return msgspec.structs.replace(page, items=tuple(await with_energy_so_far(list(page.items))))


async def with_energy_so_far[T: ("SessionEntry", "SessionView")](sessions: list[T]) -> list[T]:
    """Sessions under way show what their chargers have counted up to now."""
    from shared.sessions.view import OPEN, Source
    from shared.streams.running import UnderWay, energy_so_far_kwh

    under_way = [
        UnderWay(one.session_id, one.charger_id, one.installation_id)
        for one in sessions
        if one.status in OPEN and one.charger_id and one.installation_id
    ]
    energies = await energy_so_far_kwh(services().streams.reader, under_way)
    return [
        msgspec.structs.replace(one, energy_kwh=energies[one.session_id], source=Source.OBSERVATION)
        if one.session_id in energies
        else one
        for one in sessions
    ]
