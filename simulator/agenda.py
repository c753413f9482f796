"""What is to happen by itself at known instants: reports of chargers, late messages, credentials that die.

One daemon carries out all of it, so that thousands of chargers do not need thousands of activities.
"""

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

from simulator.kernel import Kernel, Signal

type Action = Callable[[], None]


class Agenda:
    """Actions by their instants; those of one instant are done in the order in which they were entered."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._entries: list[tuple[datetime, int, Action]] = []
        self._numbers = itertools.count()
        self._sooner = Signal()
        kernel.spawn(self._carry_out(), "agenda", daemon=True)

    def at(self, instant: datetime, action: Action) -> None:
        if not self._entries or instant < self._entries[0][0]:
            self._sooner.set()
        heapq.heappush(self._entries, (instant, next(self._numbers), action))

    def after(self, seconds: float, action: Action) -> None:
        self.at(self._kernel.now() + timedelta(seconds=seconds), action)

    async def _carry_out(self) -> None:
        while True:
            self._sooner = Signal()
            if not self._entries:
                await self._kernel.wait(self._sooner)
            elif (left_s := (self._entries[0][0] - self._kernel.now()).total_seconds()) > 0:
                await self._kernel.wait(self._sooner, left_s)
            else:
                _, _, action = heapq.heappop(self._entries)
                action()
