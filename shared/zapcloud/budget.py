"""How many requests ZapCloud takes of one user, shared by all that this process asks of it.

ZapCloud takes 10 requests a second, 15 at once, and answers 429 with Retry-After beyond that (docs.zaptec.com, "API
rate limiting"). What a driver waits for goes ahead at any time, and counts; whatever can wait takes what that leaves.
Other processes are not seen: where ZapCloud says that it is too much, or cannot answer, all that can wait does wait.
"""

import asyncio
from collections.abc import Callable

from shared.errors import ZapCloudUnavailable

PER_SECOND = 10.0
_AT_ONCE = 15.0
_KEPT_FOR_DRIVERS = 5.0
_LONGEST_WAIT_SECONDS = 5.0


class Budget:
    """`monotonic` tells seconds, as the event loop does; a bucket that fills by `PER_SECOND` of them."""

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic or _loop_time
        self._level = _AT_ONCE
        self._filled_at: float | None = None
        self._closed_until = 0.0
        self._queue = asyncio.Lock()

    def spend(self) -> None:
        """A request that nobody may keep waiting."""
        self._fill()
        self._level -= 1

    async def wait(self) -> None:
        """Until a request that can wait may go out; who came first goes first. Raises ZapCloudUnavailable where
        ZapCloud told us to stay away for longer than anybody should wait."""
        async with self._queue:
            if self._closed_until - self._monotonic() > _LONGEST_WAIT_SECONDS:
                raise ZapCloudUnavailable("ZapCloud wants no requests for a while")
            await asyncio.sleep(self._seconds_to_wait())
            self.spend()

    def stay_away(self, retry_after_seconds: float) -> None:
        """ZapCloud answered 429, or that it cannot answer now."""
        self._closed_until = max(self._closed_until, self._monotonic() + retry_after_seconds)

    def _seconds_to_wait(self) -> float:
        self._fill()
        missing = 1 + _KEPT_FOR_DRIVERS - self._level
        return max(0.0, missing / PER_SECOND, self._closed_until - self._monotonic())

    def _fill(self) -> None:
        now = self._monotonic()
        if self._filled_at is not None:
            self._level = min(_AT_ONCE, self._level + PER_SECOND * (now - self._filled_at))
        self._filled_at = now


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
