"""The management API's chargers: which there are, what they observe now, and what they metered."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import azure.functions as func
import msgspec

from functions.encoding import answer, instant_parameter, limit_parameter, managed
from functions.levels import API_LEVEL
from functions.services import services
from shared.errors import InvalidInput, NotFound
from shared.identifiers import canonical_uuid

if TYPE_CHECKING:
    from shared.observations.observation import Observation
    from shared.observations.reader import ChargerNow
    from shared.storage.chargers import Charger

chargers = func.Blueprint()

_UNKNOWN = "no charger of that id; PUT its installation first, with its chargers or a ZapCloud account"
_ONLINE, _OPERATION_MODE = -2, 710
RESOLUTIONS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
_MOST_INTERVALS = 10_080
_LONGEST_SPAN = timedelta(days=92)


class ObservationOutput(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """`charger_timestamp` is there where the charger's clock is ahead: what it said; `timestamp` is when that came."""

    id: int
    name: str
    value: str | None
    unit: str | None
    meaning: str | None
    timestamp: datetime
    charger_timestamp: datetime | None = None


class StateOutput(msgspec.Struct, rename="camel", kw_only=True):
    charger_id: str
    installation_id: str | None
    device_id: str
    device_type: int | None
    newest: datetime | None
    observations: list[ObservationOutput]


class ChargerOutput(msgspec.Struct, rename="camel", kw_only=True):
    """`operation_mode` is observation 710, `mode` the same in words; `newest` the instant of the latest observation."""

    id: str
    installation_id: str
    device_id: str
    name: str
    device_type: int | None = None
    operation_mode: str | None = None
    mode: str | None = None
    online: bool | None = None
    newest: datetime | None = None


@chargers.route("chargers", methods=["GET"], auth_level=API_LEVEL)
@managed("installation", "limit", "cursor")
async def list_chargers(req: func.HttpRequest) -> func.HttpResponse:
    """Chargers in order of their ids, `limit` a page; of one installation with `installation`."""
    limit = limit_parameter(req)
    cursor, wanted = req.params.get("cursor", ""), req.params.get("installation", "")
    for name, given in (("cursor", cursor), ("installation", wanted)):
        if given and canonical_uuid(given) is None:
            raise InvalidInput("a parameter is wrong", {name: "must be a UUID"})
    found = await services().streams.chargers.page(cursor.lower(), limit + 1, canonical_uuid(wanted))
    page = found[:limit]
    glance = await services().streams.reader.glance(page)
    more = page[-1].id if len(found) > limit else None
    return answer({"items": [_listed(charger, glance.get(charger.id)) for charger in page], "cursor": more})


@chargers.route("chargers/{id}/state", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_charger_state(req: func.HttpRequest) -> func.HttpResponse:
    charger_id, charger = await _charger(req)
    await services().streams.kinds.recall()
    now = await services().streams.reader.now(charger_id, charger.installation_id if charger else None)
    if now is None and charger is None:
        raise NotFound(_UNKNOWN)
    device_type = now.device_type if now else None
    return answer(
        StateOutput(
            charger_id=charger_id,
            installation_id=charger.installation_id if charger else None,
            device_id=charger.device_id if charger and charger.device_id else now.device_id if now else "",
            device_type=device_type,
            newest=now.newest if now else None,
            observations=[_observation(one, device_type) for one in now.observations.values()] if now else [],
        )
    )


@chargers.route("chargers/{id}/history", methods=["GET"], auth_level=API_LEVEL)
@managed("from", "to", "resolution")
async def get_charger_history(req: func.HttpRequest) -> func.HttpResponse:
    """Power, currents and session energy from `from` (a day before `to`) until `to` (now), by `resolution` (1m)."""
    charger_id, charger = await _charger(req)
    if charger is None:
        raise NotFound(_UNKNOWN)
    resolution = RESOLUTIONS.get(req.params.get("resolution", "1m"))
    if resolution is None:
        raise InvalidInput("a parameter is wrong", {"resolution": f"must be one of {', '.join(RESOLUTIONS)}"})
    end = instant_parameter(req, "to") or services().clock()
    start = instant_parameter(req, "from") or max(end - timedelta(days=1), datetime.min.replace(tzinfo=end.tzinfo))
    if not timedelta(0) <= end - start <= min(_LONGEST_SPAN, _MOST_INTERVALS * resolution):
        raise InvalidInput(
            "the time span makes no sense",
            {"from": f"must be before `to`, by at most {_MOST_INTERVALS} intervals and {_LONGEST_SPAN.days} days"},
        )
    history = services().streams.reader.history(charger_id, charger.installation_id, start, end, resolution)
    items = [
        {
            "at": interval.at,
            "powerW": interval.power_w,
            "energyKwh": interval.energy_kwh,
            "currentPhase1A": interval.current_phase1_a,
            "currentPhase2A": interval.current_phase2_a,
            "currentPhase3A": interval.current_phase3_a,
        }
        for interval in await history
    ]
    return answer({"items": items, "cursor": None})


async def _charger(req: func.HttpRequest) -> "tuple[str, Charger | None]":
    """The charger of the route by UUID or serial; an id nobody told us of may still have been observed."""
    text = req.route_params.get("id", "")
    charger, charger_id = await services().directory.charger(text), canonical_uuid(text)
    if charger is None and charger_id is None:
        raise NotFound(_UNKNOWN)
    return charger.id if charger else charger_id or "", charger


def _listed(charger: "Charger", now: "ChargerNow | None") -> ChargerOutput:
    from shared.observations.catalogue import meaning_of

    observations = now.observations if now else {}
    device_type = now.device_type if now else None
    mode, online = observations.get(_OPERATION_MODE), observations.get(_ONLINE)
    return ChargerOutput(
        id=charger.id,
        installation_id=charger.installation_id,
        device_id=charger.device_id,
        name=charger.name,
        device_type=device_type,
        operation_mode=mode.value if mode else None,
        mode=meaning_of(_OPERATION_MODE, device_type, mode.value) if mode else None,
        online=online.value in {"1", "true"} if online else None,
        newest=now.newest if now else None,
    )


def _observation(observation: "Observation", device_type: int | None) -> ObservationOutput:
    from shared.observations.catalogue import kind_of, meaning_of

    kind = kind_of(observation.state_id, device_type)
    return ObservationOutput(
        id=observation.state_id,
        name=kind.name,
        value=observation.value,
        unit=kind.unit,
        meaning=meaning_of(observation.state_id, device_type, observation.value),
        timestamp=observation.at,
        charger_timestamp=observation.clock_at,
    )
