"""What comes after a storm over sessions: days of simulated time, in which all that ZapCloud knows is read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from devhost.stack import Host, Ports, Stack

MINUTE_SECONDS = 60.0
DAY_SECONDS = 86400.0
_LONGEST_RUN_SECONDS = 600


async def restart_host(stack: Stack, settings: Mapping[str, str]) -> None:
    stack.host = await stack.start_host("host", stack.ports.host, dict(settings))
    await stack.simulator.attach_host(stack.host.url, stack.host.master_key)


async def days_later(
    stack: Stack, settings: Mapping[str, str], asleep: Sequence[str], say: Callable[[str], None]
) -> Host:
    """The chargers that slept come back after three days, and a day after that ZapCloud's lists were read again.
    Answers with a host that runs timers when asked to, since all of them, minute by minute for days, would find
    nothing."""
    host = await _silence_timers(stack, settings)
    await _read(stack, host, days=3, readings=1)
    say("the chargers that slept are back")
    for charger in asleep:
        await stack.simulator.go_online(charger)
    await _read(stack, host, days=1.5, readings=2)
    say("what ZapCloud never knew is asked for")
    for _ in range(62):
        await stack.simulator.advance(MINUTE_SECONDS)
        await host.run_timer("sweep")
    return host


async def log_of(host: Host) -> list[dict[str, Any]]:
    """The session log, as the API lists it: that of all installations, and what is of none that anybody knows."""
    entries: list[dict[str, Any]] = []
    asked = {"from": "2026-02-01T00:00:00Z", "limit": "1000"}
    async with host.management() as management:
        page = (await management.get("/sessions", params=asked)).json()
        while page["cursor"]:
            entries += page["items"]
            page = (await management.get("/sessions", params=asked | {"cursor": page["cursor"]})).json()
    return entries + page["items"]


async def _silence_timers(stack: Stack, settings: Mapping[str, str]) -> Host:
    host = await stack.start_host("late", Ports.free().host, dict(settings))
    async with httpx.AsyncClient(base_url=host.url, headers={"x-functions-key": host.master_key}) as admin:
        functions = (await admin.get("/admin/functions")).json()
    timers = [
        one["name"]
        for one in functions
        if any(binding["type"] == "timerTrigger" for binding in one["config"]["bindings"])
    ]
    await stack.host.process.stop()
    await restart_host(stack, {**settings, **{f"AzureWebJobs.{name}.Disabled": "true" for name in timers}})
    return host


async def _read(stack: Stack, host: Host, *, days: float, readings: int) -> None:
    for _ in range(readings):
        await stack.simulator.advance(days * DAY_SECONDS / readings)
        await host.run_timer("reconcile", _LONGEST_RUN_SECONDS)
