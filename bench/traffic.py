"""Messages as chargers send them, seeded: mostly power, currents, voltages and energy, rarely a mode."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from shared.observations.reading import Message

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
INSTALLATION = "70000000-0000-4000-8000-000000000001"
_HEADER = b"\x40\x06string\x08\x33http://schemas.microsoft.com/2003/10/Serialization/"
_STATES = (513, 513, 507, 508, 509, 553, 501, 502, 503, 201, 809)
_OPERATION_MODE, _MODES_PER_MESSAGE = 710, 0.005
_PER_SECOND = 50.0
"""How many messages the chargers send together, as their timestamps tell."""


def charger_ids(count: int) -> list[str]:
    return [f"71000000-0000-4000-8000-{number:012x}" for number in range(count)]


def messages(chargers: int, count: int, seed: int = 1, start: datetime = START) -> Iterator[Message]:
    """`count` messages of so many chargers, each of which speaks up in turn about a few of its states."""
    random = Random(seed)  # noqa: S311
    ids = charger_ids(chargers)
    for number in range(count):
        at = start + timedelta(seconds=number / _PER_SECOND)
        state = _OPERATION_MODE if random.random() < _MODES_PER_MESSAGE else random.choice(_STATES)
        value = random.choice("1235") if state == _OPERATION_MODE else f"{random.uniform(0, 7400):.3f}"
        yield enveloped(random.choice(ids), state, at, value), at


def enveloped(charger_id: str, state: int, at: datetime, value: str) -> bytes:
    content = {
        "DeviceId": f"ZAP{int(charger_id[-6:], 16):06}",
        "DeviceType": 4,
        "ChargerId": charger_id,
        "StateId": state,
        "Timestamp": at.isoformat().replace("+00:00", "") + "Z",
        "ValueAsString": value,
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    head = b"\x98" + bytes([len(text)]) if len(text) < 256 else b"\x9a" + len(text).to_bytes(2, "little")
    return _HEADER + head + text + b"\x01"


def in_batches(sent: Iterator[Message], size: int) -> list[list[Message]]:
    everything = list(sent)
    return [everything[at : at + size] for at in range(0, len(everything), size)]
