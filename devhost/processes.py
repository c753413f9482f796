"""The processes of the local stack, and where they listen."""

import asyncio
import fcntl
import os
import random
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

ROOT = Path(__file__).parent.parent
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.05
_TOLD_CHARACTERS = 3000


_FIRST_PORT, _LAST_PORT = 20000, 32000


class StackError(Exception):
    """A part of the stack did not get ready; the message says which, and where its log is."""


class Ports(msgspec.Struct, frozen=True):
    host: int = 7071
    simulator: int = 7080
    blob: int = 10000
    queue: int = 10001
    table: int = 10002
    streams: int = 7072
    service_bus: int = 5672
    azure: int = 7090

    def taken(self) -> dict[str, int]:
        """Those, by their names, on which something listens already."""
        return {name: port for name in self.__struct_fields__ if _listens(port := getattr(self, name))}

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing listens on, and that no other process which asks here gets until this one ends.

        They are below those that the system itself gives to connections and listeners (from 32768 on Linux, 49152
        elsewhere). Raises StackError where none is left.
        """
        count = len(cls.__struct_fields__)
        firsts = list(range(_FIRST_PORT, _LAST_PORT - count, count))
        random.shuffle(firsts)
        for first in firsts:
            if _is_ours(first) and not (ports := cls(*range(first, first + count))).taken():
                return ports
        raise StackError("no free ports are left; does something keep many of those from 20000 to 32000?")


def _is_ours(first: int) -> bool:
    """Whether the ports from this one on are this process's now, by a lock that it holds until it ends."""
    lock = os.open(
        Path(tempfile.gettempdir()) / f"zapbridge-{os.getuid()}-ports-{first}", os.O_CREAT | os.O_RDWR, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    return True


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, name: str, log: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.log = log
        self.process = process

    def send(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        self.send(number)
        await self.process.wait()

    async def wait_for(self, url: str, status_below: int = 500) -> None:
        """Until an HTTP server answers; raises StackError as `wait_until` does."""

        async def answers(client: httpx.AsyncClient) -> bool:
            return (await client.get(url)).status_code < status_below

        await self.wait_until(answers)

    async def wait_until(self, ready: Callable[[httpx.AsyncClient], Awaitable[bool]]) -> None:
        """Until `ready` is true, asked again and again, and no answer is none; raises StackError where the process
        ends, or a minute passes, before."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_SECONDS
        ended = asyncio.ensure_future(self.process.wait())
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                while not ended.done() and loop.time() < deadline:
                    with suppress(httpx.TransportError):
                        if await ready(client):
                            return
                    await asyncio.wait([ended], timeout=_POLL_SECONDS)
        finally:
            ended.cancel()
        raise self.failed(f"{self.name} did not get ready")

    def failed(self, what: str) -> StackError:
        """Tells what went wrong, and the end of the log."""
        return StackError(f"{what}; see {self.log}:\n{self.log.read_text()[-_TOLD_CHARACTERS:]}")


async def spawn(name: str, command: list[str], log_folder: Path, environment: dict[str, str] | None = None) -> Process:
    log = log_folder / f"{name}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
    return Process(name, log, process)
