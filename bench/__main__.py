"""`python -m bench [--quick]`: run all benchmarks; one JSON object per figure on stdout, progress on stderr."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from bench.decoding import decode_and_fold
from bench.exporting import exporting
from bench.figures import Figure
from bench.imports import import_time
from bench.latency import starts_among_pollers
from bench.listing import listing
from bench.overhead import handler_overhead
from bench.rates import session_starts, without_storage
from bench.reconciling import reconciling
from bench.roundtrips import storage_requests
from bench.sides import running_bench
from bench.storing import storing


class Size(msgspec.Struct, frozen=True):
    """How often things are repeated."""

    rounds: int
    starts_per_round: int
    latency_rounds: int
    latencies_per_round: int
    import_rounds: int
    samples: int
    stream_rounds: int
    stream_messages: int
    stream_chargers: tuple[int, ...]
    listed_sessions: int
    exported_sessions: tuple[int, int]
    reconciled_sessions: int


DEFAULT = Size(
    rounds=10,
    starts_per_round=24,
    latency_rounds=6,
    latencies_per_round=40,
    import_rounds=11,
    samples=3,
    stream_rounds=4,
    stream_messages=5120,
    stream_chargers=(100, 1000, 10_000),
    listed_sessions=100_000,
    exported_sessions=(2000, 20_000),
    reconciled_sessions=2000,
)
QUICK = Size(
    rounds=2,
    starts_per_round=4,
    latency_rounds=1,
    latencies_per_round=5,
    import_rounds=1,
    samples=1,
    stream_rounds=1,
    stream_messages=512,
    stream_chargers=(100,),
    listed_sessions=500,
    exported_sessions=(100, 500),
    reconciled_sessions=120,
)
_BATCH = 256


async def figures(size: Size) -> AsyncIterator[Figure]:
    say("import time")
    yield await import_time(size.import_rounds)
    for chargers in size.stream_chargers:
        say(f"decoding and folding, {chargers} chargers")
        yield decode_and_fold(size.stream_rounds, 4 * size.stream_messages, chargers)
    for chargers in size.stream_chargers:
        say(f"stream messages through the worker, {chargers} chargers")
        yield await handler_overhead(size.stream_rounds, _BATCH, size.stream_messages // _BATCH, chargers)
    say("storing stream messages")
    async for figure in storing(size.stream_rounds, size.stream_messages, size.stream_chargers):
        yield figure
    say(f"listing {size.listed_sessions:,} sessions")
    async for figure in listing(size.listed_sessions):
        yield figure
    say(f"reconciling {size.reconciled_sessions:,} sessions")
    async for figure in reconciling(size.reconciled_sessions):
        yield figure
    with tempfile.TemporaryDirectory(prefix="zapbridge-bench-") as folder:
        say("starting storage, simulator and app")
        async with running_bench(Path(folder)) as bench, bench.baseline() as baseline:
            for at_once in (1, 8):
                say(f"session-starts, {at_once} at a time")
                yield await session_starts(bench, baseline, at_once, size.rounds, size.starts_per_round)
            say("requests without storage")
            yield await without_storage(bench, baseline, size.rounds, 4 * size.starts_per_round)
            say("session-starts among polling chargers")
            for figure in await starts_among_pollers(bench, baseline, size.latency_rounds, size.latencies_per_round):
                yield figure
            say("requests to storage")
            async for figure in storage_requests(bench, size.samples):
                yield figure
            say("exporting sessions")
            async for figure in exporting(bench, *size.exported_sessions, Path(folder)):
                yield figure


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


async def main(size: Size) -> None:
    async for figure in figures(size):
        print(msgspec.json.encode(figure).decode(), flush=True)
    say("done")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench", description="Run the benchmarks.")
    parser.add_argument("--quick", action="store_true", help="a run that is too short to mean anything, for the tests")
    asyncio.run(main(QUICK if parser.parse_args().quick else DEFAULT))
