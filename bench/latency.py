"""How long a driver with a card waits for the answer while other chargers poll."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench.figures import Figure, interleaved, percentile
from bench.sides import Baseline, Bench, Side, poll_all

POLLERS = 50
POLL_EVERY_SECONDS = 1.0


async def starts_among_pollers(bench: Bench, baseline: Baseline, rounds: int, per_round: int) -> list[Figure]:
    """Session-starts one after another; the side being measured is polled by others meanwhile, the other rests."""
    chargers = await bench.chargers(POLLERS + (rounds + 1) * per_round)
    pollers, drivers = chargers[:POLLERS], chargers[POLLERS:]
    ours = bench.zapbridge()

    async def measured(side: Side, number: int) -> list[float]:
        mine = drivers[number * per_round : (number + 1) * per_round]
        await poll_all(side, [*pollers, *mine])
        async with polling(side, pollers):
            return [await _milliseconds(side, charger) for charger in mine]

    await measured(ours, rounds)
    await measured(baseline, rounds)
    pairs = await interleaved(rounds, lambda n: measured(ours, n), lambda n: measured(baseline, n))
    mine = list(itertools.chain.from_iterable(ours for ours, _ in pairs))
    theirs = list(itertools.chain.from_iterable(baseline for _, baseline in pairs))
    return [_figure(percent, percentile(mine, percent), percentile(theirs, percent)) for percent in (50, 95, 99)]


@asynccontextmanager
async def polling(side: Side, chargers: Sequence[str]) -> AsyncIterator[None]:
    """Each charger polls once per POLL_EVERY_SECONDS while the context is open, spread evenly over that time."""
    async with asyncio.TaskGroup() as group:
        gap = POLL_EVERY_SECONDS / len(chargers)
        tasks = [group.create_task(_poll_on(side, charger, gap * place)) for place, charger in enumerate(chargers)]
        yield
        for task in tasks:
            task.cancel()


async def _poll_on(side: Side, charger: str, offset_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time() + offset_seconds
    for number in itertools.count():
        await asyncio.sleep(began + number * POLL_EVERY_SECONDS - loop.time())
        await side.poll(charger)


async def _milliseconds(side: Side, charger: str) -> float:
    began = time.perf_counter()
    await side.start(charger)
    return (time.perf_counter() - began) * 1000


def _figure(percent: int, value: float, baseline: float) -> Figure:
    name = f"session-start with {POLLERS} chargers polling, p{percent} (lower is better)"
    return Figure(name, round(value, 2), "ms", round(baseline, 2), round(value / baseline, 3))
