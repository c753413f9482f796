"""Timer triggers: runs them by the system's clock, or only when the admin endpoint says so."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from devhost.functions import Function
from devhost.protos import protos
from devhost.schedules import Schedule, parse
from devhost.worker import InvocationError, Worker

TRIGGER = "timerTrigger"
LONGEST_WAIT_SECONDS = 30.0
"""So that a system clock that is set, or a laptop that slept, delays a run by no more than this."""


def _now() -> datetime:
    return datetime.now(UTC)


class Timer:
    """One function and its schedule. Its runs never overlap, whoever asks for them."""

    def __init__(self, function: Function, worker: Worker) -> None:
        """Raises `ScheduleError` when the schedule is not valid."""
        self.function = function
        self.schedule: Schedule = parse(str(function.trigger["schedule"]))
        self.status: dict[str, str] | None = None
        """`ScheduleStatus` as the function sees it; unknown until the schedule has run it once."""
        self._worker = worker
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Run the function once, after a run under way has ended.

        Raises:
            InvocationError: the function raised.
        """
        async with self._turn:
            await self._worker.invoke(self.function, self._event())

    async def run_now(self, _input: str) -> None:
        """The admin endpoint's way in; a timer has no use for input."""
        await self.run()

    def _event(self) -> Any:
        event = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": self.status,
            "IsPastDue": False,
        }
        return protos.TypedData(json=json.dumps(event))


class Timers:
    """Runs timers by the system's clock, and at the start those with `runOnStartup`."""

    def __init__(self, timers: Iterable[Timer]) -> None:
        self._timers = list(timers)
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._follow(timer)) for timer in self._timers]

    def stop(self) -> None:
        """Fire no more; a run under way goes on."""
        self._stopping.set()

    async def _follow(self, timer: Timer) -> None:
        if timer.function.trigger.get("runOnStartup"):
            await self._fire(timer)
        while True:
            due = timer.schedule.next_after(_now())
            if not await self._reach(due):
                return
            await self._fire(timer)
            timer.status = {
                "Last": due.isoformat(),
                "LastUpdated": _now().isoformat(),
                "Next": timer.schedule.next_after(_now()).isoformat(),
            }

    async def _fire(self, timer: Timer) -> None:
        try:
            await timer.run()
        except InvocationError:
            return  # the worker logged it; the next occurrence is a new try, as in Azure

    async def _reach(self, instant: datetime) -> bool:
        """Wait until the instant; False when the host stops first."""
        while (left := (instant - _now()).total_seconds()) > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), min(left, LONGEST_WAIT_SECONDS))
            except TimeoutError:
                continue
            return False
        return not self._stopping.is_set()
