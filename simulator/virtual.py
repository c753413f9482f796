"""Simulated time: one activity runs at a time, and the clock moves only while none runs.

Whoever waits for an answer over HTTP counts as running, so the speed of the program under test never changes an
outcome. Those due at one instant run in their `Order`, which does not depend on the order of answers either.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from simulator.clockfile import ClockFile
from simulator.kernel import Activity, Kernel, Order, Signal, current, results

type Wake = asyncio.Future[None]


class VirtualKernel(Kernel):
    """Time moves by `advance` and `run_until_idle` only; the instant is written to the clock file, if there is one."""

    mode = "virtual"

    def __init__(self, start: datetime, clock_file: ClockFile | None = None) -> None:
        super().__init__()
        self._clock_file = clock_file
        self._queue: list[tuple[datetime, Order, int, Wake, Activity]] = []
        self._tickets = itertools.count()
        self._running = 0
        self._quiet = asyncio.Event()
        self._driving = asyncio.Lock()
        self._move_to(start)

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, instant: datetime) -> None:
        await self._rest_until(self._wake_at(instant, self._me()))

    async def wait(self, signal: Signal, seconds: float | None = None) -> bool:
        if signal.is_set:
            return True
        me = self._me()
        wake: Wake = asyncio.get_running_loop().create_future()
        if seconds is not None:
            self._enqueue(self._now + timedelta(seconds=seconds), me, wake)
        signal.on_set(lambda: self._enqueue(self._now, me, wake))
        await self._rest_until(wake)
        return signal.is_set

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], name: str, *, daemon: bool = False, side_by_side: bool = False
    ) -> Activity:
        activity = self._begin(name, daemon=daemon, side_by_side=side_by_side)
        start = self._wake_at(self._now, activity)

        async def live() -> None:
            current.set(activity)
            await start
            activity.started = True
            await coroutine

        def end(task: asyncio.Task[None]) -> None:
            coroutine.close()
            self._end(task)
            if activity.started:
                self._rest()

        task = asyncio.create_task(live(), name=name)
        self._alive[task] = activity
        task.add_done_callback(end)
        return activity

    async def gather[T](self, *coroutines: Coroutine[Any, Any, T]) -> list[T]:
        parent = self._me()
        if not coroutines:
            return []
        together: Wake = asyncio.get_running_loop().create_future()
        missing = len(coroutines)

        async def live(child: Activity, coroutine: Coroutine[Any, Any, T]) -> T:
            current.set(child)
            return await coroutine

        def end(task: asyncio.Task[T]) -> None:
            nonlocal missing
            missing -= 1
            del self._alive[task]
            if not missing and not together.done():
                self._resume(together)
            self._rest()

        tasks = []
        for coroutine in coroutines:
            child = self._begin(parent.name, daemon=parent.daemon, side_by_side=parent.side_by_side)
            self._running += 1
            task = asyncio.create_task(live(child, coroutine), name=parent.name)
            self._alive[task] = child
            task.add_done_callback(end)
            tasks.append(task)
        await self._rest_until(together)
        return results(tasks)

    async def perform[T](self, action: Callable[[], T]) -> T:
        async with self._driving:
            result = action()
            await self._run_due(self._now)
            await self._catch_up()
            return result

    async def advance(self, seconds: float) -> None:
        async with self._driving:
            until = self._now + timedelta(seconds=seconds)
            await self._run_due(until)
            await self._catch_up()
            self._move_to(until)

    async def run_until_idle(self, most_seconds: float) -> bool:
        async with self._driving:
            until = self._now + timedelta(seconds=most_seconds)
            while self.busy and await self._step(until):
                pass
            await self._catch_up()
            if self.busy:
                self._move_to(until)
            return not self.busy

    async def close(self) -> None:
        await super().close()
        if self._clock_file:
            self._clock_file.close()
            self._clock_file = None

    async def _run_due(self, until: datetime) -> None:
        while await self._step(until):
            pass

    async def _step(self, until: datetime) -> bool:
        """Wake who is next, if due by `until`, and return when nobody runs any more.

        Those that stand side by side at that instant, with nobody else between them, are woken together.
        """
        caught_up = False
        while self._queue and self._queue[0][0] <= until and not self._closed:
            instant, _, _, wake, activity = self._queue[0]
            if not (caught_up or wake.done() or instant == self._now):
                await self._catch_up()
                caught_up = True
                continue
            heapq.heappop(self._queue)
            if wake.done():
                continue
            self._move_to(instant)
            self._resume(wake)
            while activity.side_by_side and self._queue and self._queue[0][0] == instant:
                _, _, _, wake, activity = self._queue[0]
                if activity.side_by_side:
                    heapq.heappop(self._queue)
                    if not wake.done():
                        self._resume(wake)
            await self._quiet.wait()
            return True
        return False

    async def _catch_up(self) -> None:
        for wait in self.before_moving:
            await wait()

    def _move_to(self, instant: datetime) -> None:
        self._now = instant
        if self._clock_file:
            self._clock_file.write(instant)

    def _me(self) -> Activity:
        activity = current.get()
        if activity is None:
            raise RuntimeError("simulated time passes for activities only: spawn this coroutine on the kernel")
        return activity

    def _wake_at(self, instant: datetime, activity: Activity) -> Wake:
        wake: Wake = asyncio.get_running_loop().create_future()
        self._enqueue(instant, activity, wake)
        return wake

    def _enqueue(self, instant: datetime, activity: Activity, wake: Wake) -> None:
        entry = (max(instant, self._now), activity.order, next(self._tickets), wake, activity)
        heapq.heappush(self._queue, entry)

    def _resume(self, wake: Wake) -> None:
        self._running += 1
        self._quiet.clear()
        wake.set_result(None)

    def _rest(self) -> None:
        self._running -= 1
        if not self._running:
            self._quiet.set()

    async def _rest_until(self, wake: Wake) -> None:
        self._rest()
        await wake
