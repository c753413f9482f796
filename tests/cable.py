"""A cable between the app and its storage that a test can cut, freeze and mend."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PORT = re.compile(r"(TableEndpoint=http://127\.0\.0\.1:)(\d+)")


class Cable:
    """A TCP proxy on loopback to the table endpoint of a connection string."""

    def __init__(self, connection_string: str) -> None:
        match = _PORT.search(connection_string)
        assert match, "no table endpoint on loopback"
        self._target = int(match[2])
        self._original = connection_string
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._links: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def connection_string(self) -> str:
        return _PORT.sub(rf"\g<1>{self.port}", self._original)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        await self.cut()
        if self._server:
            self._server.close()

    async def mend(self) -> None:
        """Connections hold again, and what is frozen flows on."""
        self._is_cut = False
        self._flowing.set()

    async def cut(self) -> None:
        """Connections break, and new ones break as soon as they are made."""
        self._is_cut = True
        self._flowing.set()
        for writer in tuple(self._links):
            writer.transport.abort()

    def freeze(self) -> None:
        """Connections stay open, and nothing comes through."""
        self._flowing.clear()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._links |= {writer, there_writer}
        if not self._is_cut:
            with suppress(ConnectionError):
                await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        for one in (writer, there_writer):
            self._links.discard(one)
            one.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flowing.wait()
            target.write(data)
            await target.drain()
        target.close()


@asynccontextmanager
async def cable_to(connection_string: str) -> AsyncIterator[Cable]:
    cable = Cable(connection_string)
    await cable.open()
    try:
        yield cable
    finally:
        await cable.close()
