"""The management API's session log as a file for a spreadsheet."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import azure.functions as func

from functions.encoding import managed
from functions.levels import API_LEVEL
from functions.services import services
from functions.session_query import SESSIONS_ASKED, SessionQuery, found, session_query
from shared.errors import InvalidInput

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from shared.exports.styles import Style

exports = func.Blueprint()

MOST_ROWS = 5000
"""The worker holds an answer whole in memory, so that it must end somewhere: HTTP streams need another package, with
which no route of the app works as before (Microsoft Tech Community, "Azure Functions: Support for HTTP Streams in
Python is now in Preview")."""
_KEPT = ("installation", "limit", "style", "timeZone")


@exports.route("sessions.csv", methods=["GET"], auth_level=API_LEVEL)
@managed(*SESSIONS_ASKED, "style", "timeZone")
async def export_sessions(req: func.HttpRequest) -> func.HttpResponse:
    """A page of the log, and in `Link` the address of the next (RFC 8288). The first begins with the heading and the
    others have none, so that one after the other they are one file."""
    from shared.exports.session_table import written
    from shared.exports.styles import STYLES, StyleName

    query = session_query(req, default=MOST_ROWS, most=MOST_ROWS)
    named = req.params.get("style", StyleName.PLAIN)
    if named not in list(StyleName):
        raise InvalidInput("a parameter is wrong", {"style": f"must be one of {', '.join(StyleName)}"})
    style = STYLES[StyleName(named)]
    zone = _zone(req, style)
    page = await found(query)
    names = await _names() if page.items else {}
    heading = query.cursor is None
    headers = {
        "Content-Type": f"text/csv; charset=utf-8; header={'present' if heading else 'absent'}",
        "Content-Disposition": f'attachment; filename="sessions_{query.start:%Y-%m-%d}_{query.end:%Y-%m-%d}.csv"',
        "Cache-Control": "no-store",
    }
    if page.cursor:
        headers["Link"] = f'<{_next_page(req, query, page.cursor)}>; rel="next"'
    return func.HttpResponse(written(page.items, names, style, zone, heading=heading), headers=headers)


async def _names() -> dict[str, str]:
    """Of all installations and chargers, by their ids."""
    installations = {one.id: one.name for one in await services().installations.all()}
    return installations | {one.id: one.name or one.device_id for one in await services().streams.chargers.all()}


def _zone(req: func.HttpRequest, style: "Style") -> "ZoneInfo | None":
    """The time zone asked for, or the style's own."""
    from shared.billing.local_clock import zone_named

    asked = req.params.get("timeZone")
    if asked and style.time_zone is None:
        raise InvalidInput("a parameter is wrong", {"timeZone": "has no meaning in this style, whose times are in UTC"})
    name = asked or style.time_zone
    return zone_named(name) if name else None


def _next_page(req: func.HttpRequest, query: SessionQuery, cursor: str) -> str:
    """Relative to the address that was asked, without what else stood in that, such as a function key."""
    kept = {name: req.params[name] for name in _KEPT if req.params.get(name)}
    span = {"from": query.start.isoformat(), "to": query.end.isoformat()}
    return f"sessions.csv?{urlencode(kept | span | {'cursor': cursor})}"
