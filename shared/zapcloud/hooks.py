"""The bodies ZapCloud posts to the web hooks, read tolerantly.

The names of the start request's fields are not published. The end request is, by the guide ("returns the same data as
provided to the session end web hook"), the model `SessionEndData` of ZapCloud's own API description: energy in kWh,
sessionEnd, sessionId, sessionStart, signedSession. Letter case differs between documents, so it is not looked at.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.errors import InvalidInput
from shared.identifiers import canonical_uuid

TOKEN_NAMES = ("tokenCode", "tokenId", "token", "rfid", "rfidToken", "rfidTokenCode", "authenticationCode", "idTag")
CHARGER_NAMES = ("chargerId", "charger", "deviceId", "chargerUuid", "serialNo")
INSTALLATION_NAMES = ("installationId", "installation")
_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_BODY_BYTES = 256 * 1024
_MAX_FIELD_CHARACTERS = 200


class StartFields(msgspec.Struct, frozen=True):
    """A start request as far as it could be read; `unreadable` names fields that were there but made no sense."""

    token: str | None
    charger: str | None
    """As sent: a UUID in canonical form, or else the text, which may be a serial."""
    installation_id: str | None
    unreadable: dict[str, str]
    strings: tuple[str, ...]
    """Every string value at the top level, among which a known charger may be found under a name nobody told us."""


class Aliases(msgspec.Struct, frozen=True):
    """Lower-case names under which each field is looked for, the most likely first."""

    token: tuple[str, ...]
    charger: tuple[str, ...]
    installation: tuple[str, ...]


def aliases_with(token: str = "", charger: str = "", installation: str = "") -> Aliases:
    """The built-in names, and before them the operator's own (comma-separated)."""

    def names(own: str, built_in: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.strip().lower() for name in (*own.split(","), *built_in) if name.strip())

    return Aliases(names(token, TOKEN_NAMES), names(charger, CHARGER_NAMES), names(installation, INSTALLATION_NAMES))


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; raises InvalidInput where it is none, or unreasonably large."""
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput(f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are read")
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the body is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidInput("the body is not a JSON object")
    return value


def read_start(body: dict[str, Any], aliases: Aliases) -> StartFields:
    """What a start request says; never raises, since what to do about a strange one depends on the installation."""
    fields = {name.lower(): value for name, value in reversed(body.items())}
    unreadable: dict[str, str] = {}
    token = _text(fields, aliases.token, "token", unreadable)
    charger = _text(fields, aliases.charger, "charger", unreadable)
    installation = _text(fields, aliases.installation, "installation", unreadable)
    installation_id = canonical_uuid(installation)
    if installation and not installation_id:
        unreadable["installation"] = "is not a UUID"
    return StartFields(
        token=token,
        charger=canonical_uuid(charger) or charger,
        installation_id=installation_id,
        unreadable=unreadable,
        strings=tuple(value for value in body.values() if isinstance(value, str) and len(value) <= 64),
    )


class EndReport(msgspec.Struct, frozen=True):
    """A session end as ZapCloud reports it; instants in UTC, energy in kWh, `signed_session` an OCMF document."""

    session_id: str
    start: datetime | None
    end: datetime | None
    energy_kwh: float | None
    signed_session: str | None


def read_end(body: dict[str, Any]) -> EndReport:
    """What an end request (or the session API's answer) says; raises InvalidInput naming each field that is wrong."""
    fields = {name.lower(): value for name, value in reversed(body.items())}
    faults: dict[str, str] = {}
    session_id = canonical_uuid(fields.get("sessionid"))
    if session_id is None:
        faults["SessionId"] = "must be a hyphenated UUID"
    start = _instant(fields, "SessionStart", faults)
    end = _instant(fields, "SessionEnd", faults)
    energy = fields.get("energy")
    if energy is not None and not is_energy(energy):
        faults["Energy"] = "must be a number of kWh, not negative"
    signed = fields.get("signedsession")
    if signed is not None and not is_storable_text(signed):
        faults["SignedSession"] = "must be text"
    if faults or session_id is None:
        raise InvalidInput("the session end cannot be understood", faults)
    return EndReport(session_id, start, end, float(energy) if energy is not None else None, signed or None)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant in UTC; ZapCloud leaves the Z out in places, and writes up to seven decimals.

    Raises ValueError where it is none.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the instant has no year in UTC") from error


def _text(fields: Mapping[str, Any], names: tuple[str, ...], meaning: str, unreadable: dict[str, str]) -> str | None:
    """The first of the named fields that holds usable text; blank text and null are nothing."""
    for name in names:
        value = fields.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if isinstance(value, str) and len(value) <= _MAX_FIELD_CHARACTERS:
            unreadable.pop(meaning, None)
            return value.strip()
        unreadable[meaning] = "is not text" if not isinstance(value, str) else "is too long"
    return None


def _instant(fields: Mapping[str, Any], name: str, faults: dict[str, str]) -> datetime | None:
    value = fields.get(name.lower())
    if value is None or value == "":
        return None
    try:
        instant = parse_instant(value if isinstance(value, str) else "")
    except ValueError:
        faults[name] = "must be an ISO 8601 instant such as 2017-02-06T09:56:25Z"
        return None
    if instant.year < 1970:
        faults[name] = "lies before 1970"
    return instant


def is_storable_text(value: object) -> bool:
    """JSON can spell half a surrogate pair, which no UTF-8 can."""
    return isinstance(value, str) and not _SURROGATE.search(value)


def is_energy(value: object) -> bool:
    """Whether it may be a number of kWh."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < 1e9
        and math.isfinite(value)
        and value >= 0
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
