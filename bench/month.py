"""What chargers in ordinary use make the app do: the figures that docs/cost.md makes a bill of.

`python -m bench.month --chargers 10 --hours 6` runs the local stack with Azure's stand-ins for so many simulated hours
and prints one JSON object. Every charger has a session a day: the driver plugs in, two polls are told to wait, the card
is shown after twenty seconds, the car charges for three hours. Sessions are spread over the time; of six hours a
quarter of the chargers has one.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec

from bench.backed import BackedUp, latest_backup
from bench.meter import Meter, Passed
from bench.stored import stored_bytes
from devhost.stack import HOOK_CREDENTIAL, Group, Ports, Site, Stack, running_stack, storage_connection_string
from simulator.shapes import ChargerView
from simulator.visits import Plug, Visit

START = datetime(2026, 3, 16, 0, 0, tzinfo=UTC)
_WARM_UP_SECONDS = 660
"""Until every timer but the hourly ones has run, and what is read once has been."""
_STEP_SECONDS = 1800.0
_SESSIONS_A_DAY = 1
_CHARGE, _STAY_LONGER = timedelta(hours=3), timedelta(minutes=10)
_CARD_SHOWN_AFTER_SECONDS = 20
_FUNCTION = re.compile(r"^/(?:admin/functions|api/hooks)/([\w-]+)$")
_STREAM = "fleet"


class Size(msgspec.Struct, frozen=True):
    chargers: int
    installations: int
    hours: float
    seed: int


class Operations(msgspec.Struct):
    """Requests to the tables' account, by how they are written; a transaction counts as one."""

    reads: int = 0
    writes: int = 0
    transactions: int = 0

    @property
    def all(self) -> int:
        return self.reads + self.writes + self.transactions

    def count(self, request: Passed) -> None:
        if request.method == "GET":
            self.reads += 1
        elif request.path.endswith("$batch"):
            self.transactions += 1
        else:
            self.writes += 1


class Function(msgspec.Struct):
    """A function of the hooks site: how often it ran, how long on average, and what it asked of storage meanwhile."""

    runs: int
    mean_seconds: float
    storage: Operations


class Log(msgspec.Struct):
    """The JSON lines of events."""

    lines: int
    bytes: int


class Measured(msgspec.Struct):
    """What happened within the simulated hours; times are real ones of this machine."""

    size: Size
    sessions: int
    functions: dict[str, Function]
    behind: Operations
    """Of the hooks site while none of its functions was being waited for."""
    streams: Operations
    batches: int
    """Changes of ChargerStates, of which a batch makes one per installation and hundred chargers."""
    messages: int
    tables: dict[str, int]
    """Operations of both sites, by table."""
    logs: dict[str, Log]
    """By site."""
    events: dict[str, int]
    """Lines of both sites, by the event's name."""
    azure: dict[str, int]
    """Calls of the vault (get, set), of the resource manager and for identity tokens (token)."""
    zapcloud: dict[str, int]
    """Requests to ZapCloud: for chargers' states, and others."""
    stored_bytes: dict[str, int]
    """By how much each table grew, as Azure counts."""
    backed_up: dict[str, BackedUp]
    """What a backup after all of it holds, by table."""


class _Marks(msgspec.Struct):
    """How far everything that is counted had come."""

    logs: dict[str, int]
    azure: int
    zapcloud: int
    published: int
    calls: int
    hooks: int
    streams: int
    stored: dict[str, int]


async def measure(size: Size, folder: Path) -> Measured:
    ports = Ports.free()
    async with (
        Meter(ports.host) as calls,
        Meter(ports.table, lambda: _function(calls.under_way[0]) if calls.under_way else "") as hooks,
        Meter(ports.table) as streams,
        running_stack(
            folder,
            ports=ports,
            start=START,
            seed=size.seed,
            settings={
                "ZAPBRIDGE_TABLES": _through(hooks, ports),
                "ZAPBRIDGE_BACKUPS": storage_connection_string(ports),
            },
            streams={_STREAM: _source(size)},
            azure=True,
        ) as stack,
    ):
        await _through_meters(stack, calls, streams)
        await stack.simulator.advance(_WARM_UP_SECONDS)
        before = await _marks(stack, calls, hooks, streams)
        visits = await _visits(stack, size)
        await stack.simulator.schedule(*visits, together=False)
        left = size.hours * 3600
        while left > 0:
            await stack.simulator.advance(min(left, _STEP_SECONDS))
            left -= _STEP_SECONDS
            _say(f"{max(left, 0) / 3600:.1f} simulated hours left")
        if problems := await stack.simulator.problems():
            raise AssertionError(f"the simulator could not play it: {problems[0]}")
        after = await _marks(stack, calls, hooks, streams)
        requests = (await stack.simulator.requests())[before.zapcloud :]
        record = (await stack.azure_client.record()).calls[before.azure :]
        told = {name: _events(log, before.logs[name]) for name, log in _logs(stack).items()}
        of_hooks, of_streams = hooks.passed[before.hooks :], streams.passed[before.streams :]
        return Measured(
            size=size,
            sessions=len(visits),
            functions=_functions(calls.passed[before.calls :], of_hooks),
            behind=_operations(one for one in of_hooks if not one.during),
            streams=_operations(of_streams),
            batches=sum(one.table == "ChargerStates" and one.method != "GET" for one in of_streams),
            messages=after.published - before.published,
            tables=dict(Counter(one.table for one in (*of_hooks, *of_streams)).most_common()),
            logs={name: Log(len(lines), sum(map(len, lines))) for name, lines in told.items()},
            events=dict(Counter(_event(line) for lines in told.values() for line in lines).most_common()),
            azure=dict(Counter(call.operation for call in record)),
            zapcloud=dict(Counter("states" if one.path.endswith("/state") else "others" for one in requests)),
            stored_bytes={name: size - before.stored.get(name, 0) for name, size in after.stored.items()},
            backed_up=await _backed_up(stack),
        )


def _source(size: Size) -> Site | Group:
    """One stream for all: of the installation, or of a user group of several."""
    each = [
        size.chargers // size.installations + (number < size.chargers % size.installations)
        for number in range(size.installations)
    ]
    sites = tuple(Site(f"Site {number}", chargers=count) for number, count in enumerate(each))
    return sites[0] if len(sites) == 1 else Group("Fleet", sites=sites)


async def _through_meters(stack: Stack, calls: Meter, streams: Meter) -> None:
    """Both sites reach their tables, and ZapCloud the hooks site, through the meters."""
    await stack.kill_streams_host()
    await stack.start_streams_host({"ZAPBRIDGE_TABLES": _through(streams, stack.ports)})
    await stack.wait_for_listeners()
    stack.host.url = calls.url
    await stack.simulator.attach_host(calls.url, stack.host.master_key)
    for view in stack.installations:
        await stack.use_web_hooks(view.id, {"username": HOOK_CREDENTIAL, "password": stack.hook_password})


def _through(meter: Meter, ports: Ports) -> str:
    return storage_connection_string(msgspec.structs.replace(ports, table=meter.port))


async def _visits(stack: Stack, size: Size) -> list[Visit]:
    chargers: list[ChargerView] = [charger for view in stack.installations for charger in view.chargers]
    count = max(1, round(len(chargers) * _SESSIONS_A_DAY * size.hours / 24))
    window = timedelta(hours=size.hours)
    charge = min(_CHARGE, window / 3)
    stay = min(_STAY_LONGER, window / 6)
    spread = (window - charge - stay) * 0.9
    visits = []
    async with stack.host.management() as management:
        for number, charger in enumerate(chargers[:: max(1, len(chargers) // count)][:count]):
            card = f"04C057{number:08X}"
            (await management.put("/tokens", json={"token": card, "driver": f"Driver {number}"})).raise_for_status()
            plug = Plug(
                token=card,
                scan_after_s=_CARD_SHOWN_AFTER_SECONDS,
                charge_s=charge.total_seconds(),
                idle_s=stay.total_seconds(),
            )
            visits.append(Visit(charger.id, after_s=(spread * number / count).total_seconds() + 1, plugs=[plug]))
    return visits


async def _marks(stack: Stack, calls: Meter, hooks: Meter, streams: Meter) -> _Marks:
    return _Marks(
        logs={name: log.stat().st_size for name, log in _logs(stack).items()},
        azure=len((await stack.azure_client.record()).calls),
        zapcloud=len(await stack.simulator.requests()),
        published=sum(item.counts.published for item in (await stack.simulator.service_bus()).items),
        calls=len(calls.passed),
        hooks=len(hooks.passed),
        streams=len(streams.passed),
        stored=await stored_bytes(stack.storage_connection_string),
    )


async def _backed_up(stack: Stack) -> dict[str, BackedUp]:
    """Of a backup made now, past the meters, which is none of those that the timer makes each night."""
    url = f"http://127.0.0.1:{stack.ports.host}/admin/functions/backup"
    async with httpx.AsyncClient(headers={"x-functions-key": stack.host.master_key}, timeout=600) as client:
        (await client.post(url, json={"input": ""})).raise_for_status()
    return await latest_backup(stack.storage_connection_string)


def _logs(stack: Stack) -> dict[str, Path]:
    assert stack.streams_host
    return {"hooks": stack.host.process.log, "streams": stack.streams_host.process.log}


def _events(log: Path, since: int) -> list[bytes]:
    return [line for line in log.read_bytes()[since:].splitlines() if line.startswith(b'{"event"')]


def _event(line: bytes) -> str:
    return str(msgspec.json.decode(line)["event"])


def _function(path: str) -> str:
    return match[1] if (match := _FUNCTION.match(path)) else ""


def _functions(calls: Iterable[Passed], storage: Iterable[Passed]) -> dict[str, Function]:
    seconds: dict[str, list[float]] = {}
    for call in calls:
        if call.method == "POST" and (name := _function(call.path)):
            seconds.setdefault(name, []).append(call.seconds)
    asked: dict[str, list[Passed]] = {}
    for request in storage:
        asked.setdefault(request.during, []).append(request)
    return {
        name: Function(len(some), round(sum(some) / len(some), 4), _operations(asked.get(name, ())))
        for name, some in sorted(seconds.items())
    }


def _operations(requests: Iterable[Passed]) -> Operations:
    operations = Operations()
    for request in requests:
        operations.count(request)
    return operations


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.month", description="Count what chargers in ordinary use cost.")
    parser.add_argument("--chargers", type=int, default=10)
    parser.add_argument("--installations", type=int, default=1, help="that share the chargers, and one stream")
    parser.add_argument("--hours", type=float, default=6, help="simulated ones")
    parser.add_argument("--seed", type=int, default=1)
    size = msgspec.convert(vars(parser.parse_args()), Size)
    with tempfile.TemporaryDirectory(prefix="zapbridge-month-") as folder:
        measured = asyncio.run(measure(size, Path(folder)))
    print(msgspec.json.encode(measured).decode())


if __name__ == "__main__":
    main()
