"""The simulator as a process of its own, as tests and the local stack use it."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from simulator.client import SimulatorClient

ROOT = Path(__file__).parent.parent
READY = re.compile(r"simulator ready at (\S+)")


@asynccontextmanager
async def running_simulator(
    *,
    start: datetime | None = None,
    clock_file: Path | None = None,
    seed: int = 1,
    port: int = 0,
    service_bus_port: int = 0,
) -> AsyncIterator[SimulatorClient]:
    """A client of a simulator that runs until the context ends; with `start` its time is virtual.

    `clock_file` must be an absolute path.

    Raises:
        RuntimeError: the simulator did not start; it has said why on standard error.
    """
    arguments = ["--port", str(port), "--service-bus-port", str(service_bus_port), "--seed", str(seed)]
    arguments += ["--mode", "virtual" if start else "real"]
    if start:
        arguments += ["--start", start.isoformat()]
    if clock_file:
        arguments += ["--clock-file", str(clock_file)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        url = await _url(process)
        async with SimulatorClient(url) as client:
            yield client
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout  # noqa: S101 - it was asked for as a pipe
    line = (await process.stdout.readline()).decode()
    match = READY.search(line)
    if not match:
        raise RuntimeError(f"the simulator did not start: {line.strip() or 'it said nothing'}")
    return match[1]
