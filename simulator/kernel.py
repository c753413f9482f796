"""Time, and the activities that live in it.

An activity is a coroutine given to `Kernel.spawn`; it passes time only by `sleep`, `sleep_until` and `wait`. Two
kernels offer the same: `VirtualKernel` (virtual.py), where time is simulated, and `RealKernel`, where it is the
system's. An activity that fails is kept in `problems`, and the others go on.
"""

import asyncio
import itertools
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import msgspec

from simulator.errors import ConflictError

type Order = tuple[int, ...]
"""Who goes first among those due at one instant: an activity's number, below the number of the one that began it."""


class Problem(msgspec.Struct, frozen=True):
    """An activity that ended with an exception, which is always a fault of the simulator or of its use."""

    at: datetime
    activity: str
    error: str
    trace: str


class Signal:
    """Something that happens once and that activities can wait for with `Kernel.wait`."""

    def __init__(self) -> None:
        self.is_set = False
        self._waiters: list[Callable[[], None]] = []

    def set(self) -> None:
        if not self.is_set:
            self.is_set = True
            for wake in self._waiters:
                wake()
            self._waiters.clear()

    def on_set(self, wake: Callable[[], None]) -> None:
        self._waiters.append(wake)


class Activity:
    """A running coroutine with its place in the order.

    A daemon may live for ever. Activities that stand side by side, and what they spawn, do not take turns with each
    other: those due at one instant are in flight together.
    """

    def __init__(self, name: str, order: Order, *, daemon: bool, side_by_side: bool) -> None:
        self.name = name
        self.order = order
        self.daemon = daemon
        self.side_by_side = side_by_side
        self.started = False
        self.numbers = itertools.count()


current: ContextVar[Activity | None] = ContextVar("current", default=None)


class Kernel(ABC):
    """What both kernels share: who is alive, in which order they stand, and what went wrong."""

    mode: ClassVar[Literal["virtual", "real"]]

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.before_moving: list[Callable[[], Awaitable[None]]] = []
        """In virtual time, what the clock waits for whenever it is about to move, and whoever drives it as well."""
        self._alive: dict[asyncio.Task[Any], Activity] = {}
        self._numbers = itertools.count()
        self._closed = False

    @property
    def busy(self) -> int:
        """How many activities are not over; those that never end (daemons) do not count."""
        return sum(not activity.daemon for activity in self._alive.values())

    @abstractmethod
    def now(self) -> datetime:
        """The present instant."""

    @abstractmethod
    async def sleep_until(self, instant: datetime) -> None:
        """Pass time until `instant`; returns at once if it is past."""

    @abstractmethod
    async def wait(self, signal: Signal, seconds: float | None = None) -> bool:
        """Pass time until `signal` is set, at most so long; answers whether it is set."""

    @abstractmethod
    def spawn(
        self, coroutine: Coroutine[Any, Any, None], name: str, *, daemon: bool = False, side_by_side: bool = False
    ) -> Activity:
        """Begin an activity at the present instant."""

    @abstractmethod
    async def gather[T](self, *coroutines: Coroutine[Any, Any, T]) -> list[T]:
        """Run children side by side, all in flight at one instant, and return their results in order.

        Raises:
            ExceptionGroup: when all have ended and some failed.
        """

    @abstractmethod
    async def perform[T](self, action: Callable[[], T]) -> T:
        """Do `action` from outside, at rest between two activities; in virtual time also what it makes due now."""

    @abstractmethod
    async def advance(self, seconds: float) -> None:
        """Run all that is due within so many seconds and move the clock there.

        Raises:
            ConflictError: in real time, which nobody can move.
        """

    @abstractmethod
    async def run_until_idle(self, most_seconds: float) -> bool:
        """Run until only daemons are left, at most so long; answers whether that came true.

        If it did, the clock stands where the last of the others ended.
        """

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + timedelta(seconds=seconds))

    async def close(self) -> None:
        """Stop every activity where it stands."""
        self._closed = True
        tasks = list(self._alive)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str, *, daemon: bool, side_by_side: bool) -> Activity:
        parent = current.get()
        if parent is None:
            return Activity(name, (next(self._numbers),), daemon=daemon, side_by_side=side_by_side)
        order = (*parent.order, next(parent.numbers))
        return Activity(name, order, daemon=daemon, side_by_side=side_by_side or parent.side_by_side)

    def _end(self, task: asyncio.Task[Any]) -> None:
        activity = self._alive.pop(task)
        if not task.cancelled() and (error := task.exception()):
            trace = "".join(traceback.format_exception(error))
            self.problems.append(Problem(self.now(), activity.name, repr(error), trace))


def results[T](tasks: list[asyncio.Task[T]]) -> list[T]:
    """The results of tasks that have all ended; raises ExceptionGroup if some failed."""
    errors = [error for task in tasks if isinstance(error := task.exception(), Exception)]
    if errors:
        raise ExceptionGroup("activities that ran side by side failed", errors)
    return [task.result() for task in tasks]


class RealKernel(Kernel):
    """Activities in the system's time, side by side."""

    mode = "real"

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, instant: datetime) -> None:
        await asyncio.sleep(max(0.0, (instant - self.now()).total_seconds()))

    async def wait(self, signal: Signal, seconds: float | None = None) -> bool:
        if not signal.is_set:
            woken = asyncio.Event()
            signal.on_set(woken.set)
            try:
                await asyncio.wait_for(woken.wait(), seconds)
            except TimeoutError:
                return signal.is_set
        return True

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], name: str, *, daemon: bool = False, side_by_side: bool = False
    ) -> Activity:
        activity = self._begin(name, daemon=daemon, side_by_side=side_by_side)

        async def live() -> None:
            current.set(activity)
            await coroutine

        task = asyncio.create_task(live(), name=name)
        self._alive[task] = activity
        task.add_done_callback(self._end)
        task.add_done_callback(lambda _: coroutine.close())
        return activity

    async def gather[T](self, *coroutines: Coroutine[Any, Any, T]) -> list[T]:
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        return results(tasks)

    async def perform[T](self, action: Callable[[], T]) -> T:
        return action()

    async def advance(self, seconds: float) -> None:
        raise ConflictError(f"the clock is the system's; it cannot be advanced by {seconds:g} s. Use --mode virtual.")

    async def run_until_idle(self, most_seconds: float) -> bool:
        deadline = self.now() + timedelta(seconds=most_seconds)
        while self.busy and (left := (deadline - self.now()).total_seconds()) > 0:
            working = [task for task, activity in self._alive.items() if not activity.daemon]
            await asyncio.wait(working, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return not self.busy
