"""Messages as ZapCloud writes them: the JSON of its model ChargerState, in its envelope.

Timestamps of what chargers observe have six digits and `Z`; those that ZapCloud makes have neither `Z` nor trailing
zeros; a cleared state has no ValueAsString; messages of 2021 named no device. All of it seen in messages of the live
service (custom-components/zaptec and its issues 212 and 189; stekker/zaptec).
"""

from datetime import datetime
from random import Random

import msgspec

from simulator.envelope import wrap
from simulator.models import CLOUD_MADE, Charger, Observation
from simulator.settings import Settings

MOST_DIGITS = 7
NOBODY = "00000000-0000-0000-0000-000000000000"

type Absent = msgspec.UnsetType


class ChargerState(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """The model on the wire; what is unset is left out."""

    charger_id: str
    state_id: int
    timestamp: str
    device_id: str | Absent = msgspec.UNSET
    device_type: int | Absent = msgspec.UNSET
    value_as_string: str | Absent | None = msgspec.UNSET


class Message(msgspec.Struct, frozen=True, gc=False):
    """A body, and what it says: the state has had `value` (None: cleared) since `claimed_at`."""

    installation_id: str
    charger_id: str
    state_id: int
    claimed_at: datetime
    value: str | None
    body: bytes


def write(charger: Charger, observation: Observation, settings: Settings, style: Random) -> Message:
    """The message that tells of an observation; `style` draws where the settings leave the form open."""
    at = charger.claimed_instant(observation)
    cloud_made = observation.state_id in CLOUD_MADE
    timestamp = mixed_text(at, style) if settings.timestamps == "mixed" else instant_text(at, cloud_made=cloud_made)
    value: str | Absent | None = observation.value
    if not value:
        form = settings.cleared_value
        if form == "mixed":
            form = style.choice(("absent", "null", "empty"))
        value = "" if form == "empty" else None if form == "null" else msgspec.UNSET
    state = ChargerState(
        charger.id,
        observation.state_id,
        timestamp,
        charger.device_id if settings.device_in_messages else msgspec.UNSET,
        charger.device_type if settings.device_in_messages else msgspec.UNSET,
        value,
    )
    said = None if value is msgspec.UNSET else value
    body = wrapped(msgspec.json.encode(state), settings, style)
    return Message(charger.installation_id, charger.id, observation.state_id, at, said, body)


def wrapped(text: bytes, settings: Settings, style: Random) -> bytes:
    folded = style.random() < 0.5 if settings.envelope == "mixed" else settings.envelope == "folded-end"
    return wrap(text, folded_end=folded)


def instant_text(at: datetime, *, cloud_made: bool) -> str:
    if not cloud_made:
        return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return trimmed(at)


def trimmed(at: datetime) -> str:
    """Without `Z` and without trailing zeros, as ZapCloud writes what it keeps."""
    text = at.replace(tzinfo=None).isoformat()
    return text.rstrip("0") if at.microsecond else text


def mixed_text(at: datetime, style: Random) -> str:
    """The instant unchanged, in any number of digits that can hold it, with or without `Z`."""
    needed = len(f"{at.microsecond:06}".rstrip("0"))
    digits = style.randint(needed, MOST_DIGITS)
    fraction = f".{at.microsecond:06}0"[: digits + 1] if digits else ""
    return at.replace(microsecond=0, tzinfo=None).isoformat() + fraction + style.choice(("", "Z"))


def mangled(body: bytes) -> bytes:
    """The body as a host leaves it that took bytes for text: what is no UTF-8 is replaced for good."""
    return body.decode(errors="replace").encode()


def garbage(message: Message, style: Random) -> bytes:
    """A body that nobody can read, in one of the ways in which bodies get broken."""
    text = message.body[message.body.index(b'{"') :]
    states = (
        b'{"ChargerId":17,"StateId":710,"Timestamp":"2026-03-02T06:00:00Z","ValueAsString":"1"}',
        b'{"ChargerId":"%b","StateId":"mode","Timestamp":"2026-03-02T06:00:00Z"}' % message.charger_id.encode(),
        b'{"ChargerId":"%b","StateId":710,"Timestamp":"yesterday"}' % message.charger_id.encode(),
        b'{"StateId":710,"Timestamp":"2026-03-02T06:00:00Z"}',
        b"[]",
        b"null",
    )
    return style.choice(
        (
            b"",
            message.body[: style.randrange(1, len(message.body) - len(text) + 20)],
            wrap(b"Zaptec"),
            wrap(text[: len(text) // 2]),
            wrap(text)[:-1].replace(b'{"', b"{"),
            style.randbytes(40),
            *(wrap(state) for state in states),
        )
    )
