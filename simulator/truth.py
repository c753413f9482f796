"""The record of truth about messages: what the app must know once it has had all of them.

Of each charger and state the newest timestamp wins, whatever the order of arrival. One that is more than five minutes
ahead of the instant its message was enqueued at comes from a clock that is wrong, and counts as that instant. At equal
instants the clock that is further ahead wins, then the larger value, and any value over a cleared one.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from simulator.messages import Message

MOST_AHEAD = timedelta(minutes=5)

type Count = Literal[
    "published",
    "late",
    "aged",
    "reordered",
    "duplicated",
    "repeated",
    "mangled",
    "garbage",
    "of_nobody",
    "foreign",
    "unknown_id",
    "lost",
    "stolen",
    "expired",
    "not_kept",
]
"""`published` counts messages that came to a topic, of whatever kind; one of an installation and its user group counts
twice. `expired` ones were older than their time to live when they came, `not_kept` came to a disabled subscription."""


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known of a state; `clock_at` is what the charger's clock said where that counts as wrong."""

    at: datetime
    value: str | None
    clock_at: datetime | None = None

    def is_after(self, other: "Known") -> bool:
        if self.at != other.at:
            return self.at > other.at
        if self.clock_at != other.clock_at:
            return other.clock_at is None or (self.clock_at is not None and self.clock_at > other.clock_at)
        return self.value is not None and (other.value is None or self.value > other.value)


class ObservationRecord(msgspec.Struct, frozen=True):
    """An observation whose message the app never got; `timestamp` as the message had it."""

    at: datetime
    charger_id: str
    state_id: int
    timestamp: datetime
    value: str | None
    topic: str | None = None


class StreamTruth:
    """What one message subscription has brought, by charger and state."""

    def __init__(self) -> None:
        self.newest: dict[str, dict[int, Known]] = {}

    def add(self, message: Message, enqueued_at: datetime) -> None:
        at = message.claimed_at
        ahead = at - enqueued_at > MOST_AHEAD
        known = Known(enqueued_at, message.value, at) if ahead else Known(at, message.value)
        states = self.newest.setdefault(message.charger_id, {})
        before = states.get(message.state_id)
        if before is None or known.is_after(before):
            states[message.state_id] = known


class Truth:
    """The truth by owner of a subscription: the id of an installation or of a user group."""

    def __init__(self) -> None:
        self.streams: dict[str, StreamTruth] = {}
        self.counts: Counter[Count] = Counter()
        self.lost: list[ObservationRecord] = []
        self.stolen: list[ObservationRecord] = []

    def stream(self, owner_id: str) -> StreamTruth:
        return self.streams.setdefault(owner_id, StreamTruth())

    def merged(self, owner_id: str | None) -> dict[str, dict[int, Known]]:
        """What one subscription has brought, or all of them together."""
        streams = self.streams.values() if owner_id is None else [self.stream(owner_id)]
        newest: dict[str, dict[int, Known]] = {}
        for stream in streams:
            for charger_id, states in stream.newest.items():
                mine = newest.setdefault(charger_id, {})
                for state_id, known in states.items():
                    if state_id not in mine or known.is_after(mine[state_id]):
                        mine[state_id] = known
        return newest


def record(message: Message, at: datetime, topic: str | None = None) -> ObservationRecord:
    return ObservationRecord(at, message.charger_id, message.state_id, message.claimed_at, message.value, topic)
