"""How many requests a host answers per second."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from bench.figures import Figure, Pairs, interleaved
from bench.sides import Baseline, Bench, Side, poll_all


async def session_starts(bench: Bench, baseline: Baseline, at_once: int, rounds: int, per_round: int) -> Figure:
    """Authorized session-starts, each at a charger that was polling and is free."""
    chargers = await bench.chargers((rounds + 1) * per_round)
    ours = bench.zapbridge()

    async def measured(side: Side, number: int) -> float:
        mine = chargers[number * per_round : (number + 1) * per_round]
        await poll_all(side, mine)
        return await per_second(side.start, mine, at_once)

    await measured(ours, rounds)
    await measured(baseline, rounds)
    pairs = await interleaved(rounds, lambda n: measured(ours, n), lambda n: measured(baseline, n))
    return Pairs(pairs).figure(f"session-starts per second, {at_once} at a time (higher is better)", "1/s")


async def without_storage(bench: Bench, baseline: Baseline, rounds: int, per_round: int) -> Figure:
    """Session-starts of a place nobody knows: read, authenticated, placed and refused from memory alone."""
    ours = bench.zapbridge()

    async def measured(side: Side) -> float:
        return await per_second(lambda _: side.turn_away(), [""] * per_round, at_once=1)

    await measured(ours)
    await measured(baseline)
    pairs = await interleaved(rounds, lambda _: measured(ours), lambda _: measured(baseline))
    return Pairs(pairs).figure(
        "session-starts per second that need no storage, against an empty function (higher is better)", "1/s"
    )


async def per_second(request: Callable[[str], Awaitable[None]], chargers: Sequence[str], at_once: int) -> float:
    waiting: Iterator[str] = iter(chargers)

    async def work() -> None:
        for charger in waiting:
            await request(charger)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return len(chargers) / (time.perf_counter() - began)
