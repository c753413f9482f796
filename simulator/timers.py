"""The host's timers in simulated time.

On the accelerated stack the host does not fire timer triggers by itself. The simulator reads them from the host's admin
endpoint (Microsoft Learn, "Manually run a non HTTP-triggered function") and fires each at its simulated instants; time
waits for the run to be answered, at once or, as `timers_for_s` says, after a while. No run of a timer begins before its
last one is over.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec

from devhost.schedules import Schedule, ScheduleError, parse
from simulator.errors import ConflictError, SimulatorError
from simulator.kernel import Kernel
from simulator.models import TimerRun
from simulator.world import World

ANSWER_WITHIN_S = 300


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the Functions host listens, and its master key."""

    url: str
    master_key: str


class HostTimers:
    """Fires the timer triggers of one host."""

    def __init__(self, kernel: Kernel, world: World, http: aiohttp.ClientSession) -> None:
        self._kernel = kernel
        self._world = world
        self._http = http
        self._host: Host | None = None
        self._under_way: dict[str, tuple[TimerRun, asyncio.Task[None]]] = {}

    async def attach(self, host: Host) -> list[str]:
        """Fire this host's timers from now on, in place of any other's; answers with their functions' names.

        Raises:
            ConflictError: in real time, where the host fires them itself.
            SimulatorError: the host cannot be reached, refuses, or has a schedule that cannot be read.
        """
        if self._kernel.mode == "real":
            raise ConflictError("in real time the host fires its timers itself")
        host = Host(host.url.rstrip("/"), host.master_key)
        schedules = await self._schedules(host)
        self._host = host
        await self._kernel.perform(lambda: self._begin(host, schedules))
        return sorted(schedules)

    def _begin(self, host: Host, schedules: Mapping[str, Schedule]) -> None:
        for name, schedule in sorted(schedules.items()):
            self._kernel.spawn(self._fire(host, name, schedule), f"timer {name}", daemon=True)

    async def _fire(self, host: Host, name: str, schedule: Schedule) -> None:
        while True:
            await self._kernel.sleep_until(schedule.next_after(self._kernel.now()))
            if self._host is not host:
                return
            await self._answered(name)
            run = TimerRun(self._kernel.now(), name)
            self._world.timer_runs.append(run)
            self._under_way[name] = run, asyncio.create_task(self._run(host, run))
            if not self._world.settings.timers_for_s:
                await self._answered(name)

    async def settle(self) -> None:
        """Wait for the runs that time may not leave behind."""
        longest, now = timedelta(seconds=self._world.settings.timers_for_s), self._kernel.now()
        for name, (run, _) in list(self._under_way.items()):
            if now - run.at >= longest:
                await self._answered(name)

    async def close(self) -> None:
        """Wait for no run any more."""
        tasks = [task for _, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answered(self, name: str) -> None:
        """Until the timer's last run, if one is under way, is answered."""
        if name in self._under_way:
            await self._under_way[name][1]
            self._under_way.pop(name, None)

    async def _run(self, host: Host, run: TimerRun) -> None:
        try:
            async with self._http.post(
                f"{host.url}/admin/functions/{run.function}", json={"input": ""}, **_options(host)
            ) as response:
                run.status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            run.error = type(error).__name__

    async def _schedules(self, host: Host) -> dict[str, Schedule]:
        try:
            async with self._http.get(f"{host.url}/admin/functions", **_options(host)) as response:
                if response.status != 200:
                    raise SimulatorError(f"the host answered {response.status} to the list of its functions")
                functions: list[dict[str, Any]] = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SimulatorError(f"the host gave no list of its functions: {type(error).__name__}") from error
        return {
            function["name"]: _schedule(function["name"], binding)
            for function in functions
            if not function.get("isDisabled")
            for binding in function.get("config", {}).get("bindings", [])
            if str(binding.get("type", "")).lower() == "timertrigger"
        }


def _schedule(name: str, binding: Mapping[str, Any]) -> Schedule:
    try:
        return parse(str(binding.get("schedule", "")))
    except ScheduleError as error:
        raise SimulatorError(f"timer {name}: {error}") from error


def _options(host: Host) -> dict[str, Any]:
    return {
        "headers": {"x-functions-key": host.master_key},
        "timeout": aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
    }
