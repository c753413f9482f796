"""An observation, the order of two of them, and the text that stands for one in a table.

The text begins with the instant, so that the order of texts is the order of observations: the greater one is the newer
one, and of two of the same instant the same one wins everywhere.
"""

import hashlib
import re
from datetime import datetime

import msgspec

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_INSTANT_CHARACTERS = len("2026-03-02T06:00:00.000000Z")
_CLOCK, _PLAIN, _ELSEWHERE = "!", " ", "^"
LONG_CHARACTERS = 2000
"""A longer value (in UTF-16, as Azure counts) is stored in a row of its own, and its digest stands for it; of 226
states of this length a row still holds all."""
MOST_CHARACTERS = 250_000
"""What a row can hold whatever the characters: each may take four of its 1,048,576 bytes."""


class Observation(msgspec.Struct, frozen=True, gc=False):
    """State `state_id` of a charger has had `value` (None: cleared) since `at`.

    `clock_at` is set where the charger's clock is wrong: it is what the charger said, and `at` is when its message was
    enqueued.
    """

    charger_id: str
    state_id: int
    at: datetime
    value: str | None = None
    device_id: str = ""
    device_type: int | None = None
    clock_at: datetime | None = None

    def is_after(self, other: "Observation") -> bool:
        """Whether this one is newer than another one of the same state; a total order, also at the same instant."""
        if self.at != other.at:
            return self.at > other.at
        return text_of(self) > text_of(other)

    @property
    def is_long(self) -> bool:
        value = self.value
        if value is None or len(value) <= LONG_CHARACTERS // 2:
            return False
        return len(value.encode("utf-16-le")) > 2 * LONG_CHARACTERS


def text_of(observation: Observation) -> str:
    """Instant; `!` and the charger's own instant where its clock is wrong; a space and the value unless cleared, or
    `^` and a digest where the value is long."""
    head = instant_text(observation.at)
    if observation.clock_at:
        head += _CLOCK + instant_text(observation.clock_at)
    if observation.value is None:
        return head
    if observation.is_long:
        return head + _ELSEWHERE + hashlib.sha256(observation.value.encode()).hexdigest()
    return head + _PLAIN + observation.value


def observation_from(charger_id: str, state_id: int, text: str, long_value: str | None = None) -> Observation:
    """The observation a text stands for; `long_value` is what the row of its own holds, where there is one."""
    at, rest = _split(text)
    clock_at = None
    if rest.startswith(_CLOCK):
        clock_at, rest = _split(rest[1:])
    value = long_value if rest.startswith(_ELSEWHERE) else rest[1:] if rest else None
    return Observation(charger_id, state_id, at, value, clock_at=clock_at)


def number_in(value: str | None) -> float | None:
    """The number a value is, as chargers write them (`14.7348`, `-70`); None where it is none."""
    return float(value) if value and _NUMBER.fullmatch(value) else None


def instant_text(instant: datetime) -> str:
    """An aware UTC instant in 27 characters that sort by time."""
    return instant.isoformat(timespec="microseconds")[: _INSTANT_CHARACTERS - 1] + "Z"


def _split(text: str) -> tuple[datetime, str]:
    return datetime.fromisoformat(text[:_INSTANT_CHARACTERS]), text[_INSTANT_CHARACTERS:]
