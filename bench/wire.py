"""A proxy in front of Table Storage that counts HTTP requests, and tells which of them an answer waits for.

Requests that write to a projection are held back until the caller has its answer, which proves that nobody waited for
them. All others that were seen by then count as waited for.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

import msgspec

_PATIENCE_SECONDS = 2.0
"""Where nothing else moves for so long, somebody does wait for what is held; less than the app waits for storage."""
_QUIET_SECONDS = 0.3
"""A call is over when no request came for so long after its answer."""


class Requests(msgspec.Struct, frozen=True):
    """Request lines seen on account of one call: those its answer waited for, and those it did not."""

    awaited: list[str]
    behind: list[str]


class _Request(msgspec.Struct, frozen=True, eq=False):
    line: str
    holdable: bool
    go: asyncio.Event


class Wire:
    """Listens on `port` of loopback while the context is open; `projection` names the table that may be late."""

    def __init__(self, storage_port: int, projection: str) -> None:
        self._storage_port = storage_port
        self._projection = f"/{projection}".encode()
        self._observed: asyncio.Queue[_Request] | None = None
        self._server: asyncio.Server
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._server.close_clients()

    async def observe[T](self, call: Coroutine[Any, Any, T]) -> tuple[T, Requests]:
        """Make a call, the only one under way, and say which requests came of it."""
        arrivals = self._observed = asyncio.Queue()
        requests, held = Requests([], []), list[_Request]()
        answer = asyncio.create_task(call)
        while not answer.done():
            arrival = asyncio.create_task(arrivals.get())
            patience = _PATIENCE_SECONDS if held else None
            await asyncio.wait({answer, arrival}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if arrival.done():
                request = arrival.result()
                if request.holdable or answer.done():
                    held.append(request)
                    continue
            else:
                arrival.cancel()
                if answer.done():
                    break
                request = held.pop(0)
            requests.awaited.append(request.line)
            request.go.set()
        with suppress(TimeoutError):
            while True:
                request = held.pop(0) if held else await asyncio.wait_for(arrivals.get(), _QUIET_SECONDS)
                requests.behind.append(request.line)
                request.go.set()
        self._observed = None
        return await answer, requests

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._storage_port)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(reader, far_writer))
                both.create_task(_answers(far_reader, writer))

    async def _requests(self, reader: asyncio.StreamReader, storage: asyncio.StreamWriter) -> None:
        """Forward requests whole; bodies have a Content-Length, which is all that the SDK sends."""
        while head := await _head(reader):
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            assert "transfer-encoding" not in headers, f"a request of unknown length: {line}"
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if self._observed is not None:
                request = _Request(line, self._projection in head + body, asyncio.Event())
                self._observed.put_nowait(request)
                await request.go.wait()
            storage.write(head + body)
            await storage.drain()
        storage.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The next request's head; empty where the caller has closed the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()
    writer.close()
