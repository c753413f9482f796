"""What our handler costs on top of the worker: batches through Microsoft's library, storage stubbed, against a function
with the same binding that does nothing."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from bench.figures import Figure, Pairs, interleaved

_ROOT = Path(__file__).parent.parent
_BASELINE_APP = Path(__file__).parent / "stream_baseline_app"


async def handler_overhead(rounds: int, batch_size: int, batches: int, chargers: int) -> Figure:
    ours = await _start(_ROOT, "stream_bench", batch_size, batches, chargers)
    nothing = await _start(_BASELINE_APP, "nothing", batch_size, batches, chargers)
    count = batch_size * batches
    try:
        for process in (ours, nothing):
            await _per_second(process, count)
        pairs = await interleaved(rounds, lambda _: _per_second(ours, count), lambda _: _per_second(nothing, count))
    finally:
        for process in (ours, nothing):
            assert process.stdin
            process.stdin.close()
            await process.wait()
    name = f"stream messages per second through the worker, {chargers} chargers, storage stubbed"
    return Pairs(pairs).figure(f"{name}, against a function that does nothing (higher is better)", "1/s", digits=0)


async def _start(app: Path, function: str, *numbers: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.invoking", str(app), function, *map(str, numbers)),
        cwd=_ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )


async def _per_second(process: Process, count: int) -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"go\n")
    while line := await process.stdout.readline():
        try:
            return count / float(line)
        except ValueError:
            continue  # a line of the app's log
    raise AssertionError("the program ended; it has said why on standard error")
