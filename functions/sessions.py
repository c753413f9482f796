"""The management API's session log."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import azure.functions as func
import msgspec

from functions.encoding import answer, managed
from functions.levels import API_LEVEL
from functions.services import services
from functions.session_query import SESSIONS_ASKED, found, session_query, with_energy_so_far
from shared.errors import InvalidInput, NotFound
from shared.identifiers import canonical_uuid

if TYPE_CHECKING:
    from shared.sessions.view import SessionView

sessions = func.Blueprint()


class TimelineItem(msgspec.Struct, rename="camel"):
    at: datetime
    source: str
    event: str
    data: dict[str, Any]


class SessionOutput(msgspec.Struct, rename="camel", kw_only=True):
    """A session in the list; one alone also has its timeline."""

    session_id: str
    installation_id: str | None
    charger_id: str | None
    driver: str | None
    status: str
    start: datetime | None
    end: datetime | None
    energy_kwh: float | None
    source: str | None
    billable: bool
    flags: tuple[str, ...]
    replaced_by: str | None
    signature: str | None
    token_name: str | None
    external_id: str | None


class SessionDetails(SessionOutput, rename="camel", kw_only=True):
    token_id: str | None
    mode: str | None
    verdict: str | None
    outage: bool
    contradicted: bool
    replaces: str | None
    signed_session: str | None
    timeline: list[TimelineItem]


@sessions.route("sessions", methods=["GET"], auth_level=API_LEVEL)
@managed(*SESSIONS_ASKED)
async def list_sessions(req: func.HttpRequest) -> func.HttpResponse:
    page = await found(session_query(req))
    items = [msgspec.convert(entry, SessionOutput, from_attributes=True) for entry in page.items]
    return answer({"items": items, "cursor": page.cursor})


@sessions.route("sessions/{id}", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_session(req: func.HttpRequest) -> func.HttpResponse:
    (view,) = await with_energy_so_far([await _view(req)])
    return answer(msgspec.convert(view, SessionDetails, from_attributes=True))


class EnergyItem(msgspec.Struct, rename="camel"):
    """An interval of the clock; `estimated` where no reading parts its energy from its neighbours'."""

    start: datetime
    end: datetime
    energy_kwh: float
    estimated: bool


@sessions.route("sessions/{id}/energy", methods=["GET"], auth_level=API_LEVEL)
@managed("interval", "timeZone")
async def get_energy(req: func.HttpRequest) -> func.HttpResponse:
    """By interval of the installation's clock."""
    from shared.billing.local_clock import Interval, zone_named
    from shared.sessions.energy import intervals_of

    length = req.params.get("interval", Interval.QUARTER_HOUR)
    if length not in list(Interval):
        raise InvalidInput("a parameter is wrong", {"interval": f"must be one of {', '.join(Interval)}"})
    view = await _view(req)
    place = await services().installations.get(view.installation_id) if view.installation_id else None
    zone = req.params.get("timeZone") or (place.time_zone if place else "UTC")
    parts = intervals_of(view, zone_named(zone).key, Interval(length))
    items = [EnergyItem(part.start, part.end, float(part.energy_kwh), part.estimated) for part in parts]
    return answer({"timeZone": zone, "energyKwh": view.energy_kwh, "items": items})


async def _view(req: func.HttpRequest) -> "SessionView":
    session_id = canonical_uuid(req.route_params.get("id"))
    view = await services().ledger.view(session_id) if session_id else None
    if view is None:
        raise NotFound("no session of that id")
    return view
