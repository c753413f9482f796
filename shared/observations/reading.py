"""From message bodies to observations: what a charger says one of its states is, and since when.

Wire facts: the JSON is ZapCloud's ChargerState (guide 6.5.8, "Message format") in PascalCase; timestamps are UTC with
0 to 7 decimals, with or without Z; DeviceId, DeviceType and ValueAsString may be absent; messages under the all-zero
charger id occur and mean nothing (custom-components/zaptec, api.py).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from shared.clock import EPOCH
from shared.identifiers import canonical_uuid
from shared.observations.observation import MOST_CHARACTERS, Observation
from shared.zapcloud.envelope import span_of_braces, unwrap

MOST_AHEAD = timedelta(minutes=5)
"""A timestamp further ahead of its message's enqueued time shows a charger whose clock is wrong; so does one from
before 1970, such as .NET's default of the year 1."""
SECRET = frozenset({863, 1140})
"""States whose values open something: a charger's OCPP authorization key, and a sensor's PIN. They are not kept."""
HIDDEN = "(hidden)"
_ZERO = "00000000-0000-0000-0000-000000000000"
_MOST_NAMES = 100_000

type Message = tuple[bytes, datetime]
"""A body, and the instant it was enqueued at."""

StateId = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class Unreadable(msgspec.Struct, frozen=True):
    body: bytes
    enqueued_at: datetime
    reason: str


class Reading(msgspec.Struct, frozen=True):
    """What a batch holds. `degraded` counts observations found in damaged envelopes, `of_nobody` those of charger 0."""

    observations: list[Observation]
    unreadable: list[Unreadable]
    degraded: int = 0
    of_nobody: int = 0


class _ChargerState(msgspec.Struct, rename="pascal", gc=False):
    charger_id: str
    state_id: StateId
    timestamp: datetime
    value_as_string: str | None = None
    device_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    device_type: Annotated[int, msgspec.Meta(ge=0, le=999)] | None = None


_decode = msgspec.json.Decoder(_ChargerState).decode
_names: dict[str, str | None] = {}


def read(messages: Iterable[Message]) -> Reading:
    """The observations of a batch in its order, and the messages that hold none. Never raises."""
    observations: list[Observation] = []
    unreadable: list[Unreadable] = []
    degraded = of_nobody = 0
    for body, enqueued_at in messages:
        text = unwrap(body)
        try:
            state = _decode(text or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            found = _read_tolerantly(text) or _read_tolerantly(span_of_braces(body))
            if found is None:
                reason = str(error) if text else "no JSON, plain or in ZapCloud's envelope"
                unreadable.append(Unreadable(body, enqueued_at, reason))
                continue
            state = found
            degraded += text is None
        raw_id = state.charger_id
        charger_id = _names[raw_id] if raw_id in _names else _name(raw_id)
        if charger_id is None:
            unreadable.append(Unreadable(body, enqueued_at, "ChargerId is not a hyphenated UUID"))
        elif (value := state.value_as_string) is not None and len(value) > MOST_CHARACTERS:
            unreadable.append(Unreadable(body, enqueued_at, f"the value has more than {MOST_CHARACTERS} characters"))
        elif charger_id == _ZERO:
            of_nobody += 1
        else:
            at = state.timestamp
            if at.tzinfo is not UTC:
                at = at.replace(tzinfo=UTC) if at.tzinfo is None else _in_utc(at)
            wrong = at - enqueued_at > MOST_AHEAD or at < EPOCH
            state_id = state.state_id
            observations.append(
                Observation(
                    charger_id,
                    state_id,
                    enqueued_at if wrong else at,
                    HIDDEN if value and state_id in SECRET else value,
                    state.device_id or "",
                    state.device_type,
                    at if wrong else None,
                )
            )
    return Reading(observations, unreadable, degraded, of_nobody)


def read_states(items: Iterable[Any], charger_id: str, fetched_at: datetime) -> list[Observation]:
    """The observations in the REST API's list of a charger's states; items that make no sense are left out."""
    states = (_convert(item | {"ChargerId": charger_id} if isinstance(item, dict) else None) for item in items)
    observations = []
    for state in states:
        if state is None or len(state.value_as_string or "") > MOST_CHARACTERS:
            continue
        at = state.timestamp.replace(tzinfo=UTC) if state.timestamp.tzinfo is None else _in_utc(state.timestamp)
        wrong = at - fetched_at > MOST_AHEAD or at < EPOCH
        observations.append(
            Observation(
                charger_id,
                state.state_id,
                fetched_at if wrong else at,
                HIDDEN if state.value_as_string and state.state_id in SECRET else state.value_as_string,
                clock_at=at if wrong else None,
            )
        )
    return observations


def _read_tolerantly(text: bytes | None) -> _ChargerState | None:
    """The same with names in any letter case, and numbers where text is expected or the other way round."""
    if not text:
        return None
    try:
        return _convert(msgspec.json.decode(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _convert(content: Any) -> _ChargerState | None:
    if not isinstance(content, dict):
        return None
    fields = {str(name).lower(): value for name, value in content.items()}
    value = fields.get("valueasstring")
    if isinstance(value, bool):
        value = str(int(value))
    given = {
        "ChargerId": fields.get("chargerid"),
        "StateId": fields.get("stateid"),
        "Timestamp": fields.get("timestamp"),
        "ValueAsString": value if isinstance(value, str | None) else str(value),
        "DeviceId": fields.get("deviceid") if isinstance(fields.get("deviceid"), str) else None,
        "DeviceType": device_type if isinstance(device_type := fields.get("devicetype"), int) else None,
    }
    try:
        return msgspec.convert(given, _ChargerState, strict=False)
    except msgspec.ValidationError:
        return None


def _name(raw: str) -> str | None:
    """The canonical id; looked up by `read`, since a batch names few chargers many times."""
    if len(_names) >= _MOST_NAMES:
        _names.clear()
    return _names.setdefault(raw, canonical_uuid(raw))


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # within a day of year 1 or 9999, where the zone does not matter
        return instant.replace(tzinfo=UTC)
