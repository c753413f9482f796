"""How many requests to storage a web hook's answer waits for, counted on the wire; settings and credentials known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from bench.figures import Figure
from bench.sides import BLOCKED_CARD, CARD, LIMITED_CARD, NO_TIMERS, UNKNOWN_CARD, Baseline, Bench
from bench.wire import Requests, Wire
from devhost.stack import Host, Ports, storage_connection_string

_PROJECTION = "SessionIndex"


class Kind(msgspec.Struct, frozen=True):
    """A kind of start request, and the most storage requests its answer may wait for (None: nothing is promised)."""

    name: str
    promised: int | None
    status: int
    card: str | None = None
    granted: bool = False


_CARD_KIND = Kind("authorized with card", 3, 200, CARD)
_KINDS = (
    Kind("pending poll", 1, 401),
    Kind("refused, card unknown", 2, 401, UNKNOWN_CARD),
    Kind("refused, card blocked", 2, 401, BLOCKED_CARD),
    _CARD_KIND,
    Kind("authorized with the first use of a card with maxConcurrent", 3, 200, LIMITED_CARD),
    Kind("authorized by grant", 3, 200, granted=True),
)


async def storage_requests(bench: Bench, samples: int) -> AsyncIterator[Figure]:
    """The most any of `samples` requests of a kind needed, after one of the kind that does not count."""
    counted: dict[Kind, Requests] = {}
    async with _behind_wire(bench) as (wire, host):
        for kind in _KINDS:
            chargers = await bench.chargers(samples + 1)
            seen = [await _count(wire, bench, host, kind, charger) for charger in chargers]
            counted[kind] = _most(seen[1:])
            yield _figure(
                f"storage requests awaited, {kind.name} (lower is better)", counted[kind].awaited, kind.promised
            )
        yield _figure("storage requests behind the answer, authorized with card", counted[_CARD_KIND].behind, None)
    async with _baseline_behind_wire(bench) as (wire, baseline):
        chargers = await bench.chargers(samples + 1)
        seen = [(await wire.observe(baseline.start(charger)))[1] for charger in chargers]
        same, most = counted[_CARD_KIND], _most(seen[1:])
        yield _figure("storage requests awaited, baseline against zapbridge", most.awaited, len(same.awaited))
        yield _figure("storage requests behind the answer, baseline against zapbridge", most.behind, len(same.behind))


async def _count(wire: Wire, bench: Bench, host: Host, kind: Kind, charger: str) -> Requests:
    side = bench.zapbridge(host)
    await side.poll(charger)
    async with host.management() as management:
        if kind.granted:
            (await management.post(f"/chargers/{charger}/grants", json={"driver": "Grace"})).raise_for_status()
        if kind.card == LIMITED_CARD:
            await bench.register_cards()
    card = {"tokenCode": kind.card} if kind.card else {}
    _, requests = await wire.observe(side.ask(kind.status, chargerId=charger, **card))
    return requests


def _most(seen: list[Requests]) -> Requests:
    return max(seen, key=lambda requests: (len(requests.awaited), len(requests.behind)))


def _figure(name: str, lines: list[str], promised: int | None) -> Figure:
    return Figure(name, len(lines), "requests", promised, round(len(lines) / promised, 3) if promised else None)


@asynccontextmanager
async def _behind_wire(bench: Bench) -> AsyncIterator[tuple[Wire, Host]]:
    """One more host of zapbridge, whose tables lie behind the wire."""
    async with Wire(bench.stack.ports.table, _PROJECTION) as wire:
        settings = NO_TIMERS | {"ZAPBRIDGE_TABLES": _through(wire, bench)}
        host = await bench.stack.start_host("counted", Ports.free().host, settings)
        yield wire, host
        await host.process.stop()


@asynccontextmanager
async def _baseline_behind_wire(
    bench: Bench,
) -> AsyncIterator[tuple[Wire, Baseline]]:
    async with Wire(bench.stack.ports.table, _PROJECTION) as wire, bench.baseline(_through(wire, bench)) as baseline:
        yield wire, baseline


def _through(wire: Wire, bench: Bench) -> str:
    return storage_connection_string(msgspec.structs.replace(bench.stack.ports, table=wire.port))
