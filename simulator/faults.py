"""What can go wrong between ZapCloud and the app, seeded and switchable.

Whether a fault strikes depends only on the seed, its name, its subject (a charger, a path) and how often it was asked
about that subject before, so that it does not depend on who comes first.
"""

from collections import Counter
from random import Random
from typing import Any, Literal

import msgspec

type FaultName = Literal[
    "start-request-lost",
    "start-answer-lost",
    "start-duplicated",
    "start-delayed",
    "end-request-lost",
    "end-answer-lost",
    "end-duplicated",
    "end-delayed",
    "end-garbage-first",
    "rest-429",
    "rest-5xx",
    "rest-slow",
    "history-shifts",
    "history-late",
    "oauth-refused",
    "oauth-unavailable",
    "details-403",
    "details-204",
    "details-500",
    "state-duplicated",
    "readings-persist",
    "signature-broken",
    "signed-differs",
    "message-lost",
    "message-stolen",
    "message-late",
    "message-aged",
    "message-reordered",
    "message-duplicated",
    "message-repeated",
    "message-mangled",
    "message-garbage",
    "message-of-nobody",
    "message-foreign",
    "message-unknown-id",
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """Strikes the next `next` matching calls, and after them each with `probability`.

    `chargers`, if given, limits a fault of hooks, messages, states or sessions to those. `seconds` is the length of a
    delay
    (simulated, but real for `rest-slow`), `status` the answer of `rest-5xx`.
    """

    probability: float = 0.0
    next: int = 0
    chargers: list[str] | None = None
    seconds: float = 30.0
    status: int = 503
    hits: int = 0


class Faults:
    """All faults by name; one that is not there is off."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: Counter[tuple[str, str]] = Counter()
        self.active: dict[str, Fault] = {}

    def replace(self, body: dict[str, Any]) -> None:
        """Put these faults in the place of all others.

        Raises:
            msgspec.ValidationError: for an unknown name or a wrong type.
        """
        self.active = {**msgspec.convert(body, dict[FaultName, Fault])}

    def strikes(self, name: str, subject: str) -> Fault | None:
        """The fault, if it strikes this call."""
        self._asked[name, subject] += 1
        fault = self.active.get(name)
        if fault is None or (fault.chargers is not None and subject not in fault.chargers):
            return None
        if fault.next > 0:
            fault.next -= 1
        elif Random(f"{self._seed}/{name}/{subject}/{self._asked[name, subject]}").random() >= fault.probability:
            return None
        fault.hits += 1
        return fault
