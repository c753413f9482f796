"""Values that may be a little old: read again when due, and kept when storage is down."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import StorageUnavailable

_MAX_REMEMBERED = 100_000
_ASK_AGAIN_AFTER = timedelta(seconds=5)
"""How long a value is served on without asking, after storage failed to answer."""


class Cache[K, V]:
    """Remembers what `load` gave for `maximum_age`; past that it loads again, or serves the last known value if it
    cannot.
    """

    def __init__(self, clock: Clock, maximum_age: timedelta, load: Callable[[K], Awaitable[V]]) -> None:
        self._clock = clock
        self._maximum_age = maximum_age
        self._load = load
        self._known: dict[K, tuple[datetime, V]] = {}

    async def get(self, key: K) -> V:
        """Raises StorageUnavailable only where storage is down and nothing was ever known."""
        known = self._known.get(key)
        now = self._clock()
        if known and now - known[0] < self._maximum_age:
            return known[1]
        try:
            value = await self._load(key)
        except StorageUnavailable:
            if known is None:
                raise
            self._known[key] = (now - self._maximum_age + _ASK_AGAIN_AFTER, known[1])
            return known[1]
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (now, value)
        return value

    def last_known(self, key: K) -> V | None:
        """Whatever was loaded last, however old; None if nothing was."""
        known = self._known.get(key)
        return known[1] if known else None

    def put(self, key: K, value: V) -> None:
        """The value was just stored, and is as good as loaded."""
        self._known[key] = (self._clock(), value)

    def expire(self, key: K) -> None:
        """Load it again when next asked for; what is known serves on if that fails."""
        if known := self._known.get(key):
            self._known[key] = (known[0] - self._maximum_age, known[1])

    def forget(self, key: K) -> None:
        self._known.pop(key, None)
