"""`python -m simulator`: serve a ZapCloud on 127.0.0.1 until SIGINT or SIGTERM."""

import argparse
import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

from simulator.app import Options, serve

DEFAULT_START = "2026-03-02T06:00:00Z"
AMQP_PORT = 5672


def options_from(arguments: list[str] | None = None) -> Options:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A ZapCloud to talk to.")
    parser.add_argument("--port", type=int, default=defaults.port, help="0 takes a free one")
    parser.add_argument("--service-bus-port", type=int, default=AMQP_PORT, help="0 takes a free one")
    parser.add_argument("--mode", choices=["real", "virtual"], default="real")
    parser.add_argument("--clock-file", type=Path, help="where virtual time is written for other processes")
    parser.add_argument("--start", type=instant, default=instant(DEFAULT_START), help="first instant of virtual time")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--username", default=defaults.username, help="user of the simulated REST API")
    parser.add_argument("--password", default=defaults.password)
    found = parser.parse_args(arguments)
    virtual = found.mode == "virtual"
    if found.clock_file and not virtual:
        parser.error("--clock-file needs --mode virtual")
    return Options(
        port=found.port,
        service_bus_port=found.service_bus_port,
        seed=found.seed,
        start=found.start if virtual else None,
        clock_file=found.clock_file,
        username=found.username,
        password=found.password,
    )


def instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


async def main(options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(options) as simulator:
        kernel = simulator.kernel
        print(
            f"simulator ready at {simulator.url} ({kernel.mode} time, {kernel.now().isoformat()}),"
            f" Service Bus at sb://127.0.0.1:{simulator.service_bus_port}",
            flush=True,
        )
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(options_from()))
