"""The SDK itself, past the guard, to show what Azurite takes; and accounts that answer in all the wrong ways."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient

from devhost.stack import ACCOUNT_KEY
from shared.storage.table import Tables
from tests.cable import Cable

type Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def unguarded(connection_string: str) -> AsyncIterator[TableClient]:
    """A table as the SDK gives it, without the guard."""
    service = TableServiceClient.from_connection_string(connection_string, retry_total=0)
    yield await service.create_table("Unguarded")
    await service.close()


@pytest.fixture
async def other_instance(connection_string: str) -> AsyncIterator[Tables]:
    """A second process's view of the account of `tables`."""
    async with Tables(connection_string) as opened:
        yield opened


def account_at(port: int) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName=test;AccountKey={ACCOUNT_KEY};"
        f"TableEndpoint=http://127.0.0.1:{port}/test;"
    )


@asynccontextmanager
async def tables_answering(answer: Answer, patience: timedelta = timedelta(seconds=2)) -> AsyncIterator[Tables]:
    """Tables of an account whose server does with each connection what `answer` does."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        async with Tables(account_at(server.sockets[0].getsockname()[1]), patience=patience) as opened:
            yield opened
    finally:
        server.close()


@pytest.fixture
async def frozen_tables() -> AsyncIterator[Tables]:
    """An account that takes every connection and never answers; our patience is a tenth of the real one."""
    thawed = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await thawed.wait()
        writer.close()

    async with tables_answering(never, timedelta(milliseconds=200)) as frozen:
        yield frozen
        thawed.set()


@pytest.fixture
async def absent_tables() -> AsyncIterator[Tables]:
    """An account where nothing listens: connections are refused."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Tables(account_at(port)) as opened:
        yield opened


class Scales(Cable):
    """A cable that weighs what goes through it, in bytes."""

    weight = 0

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.weight += len(data)
            target.write(data)
            await target.drain()
        target.close()


@pytest.fixture
async def weighed(connection_string: str) -> AsyncIterator[tuple[Scales, Tables]]:
    """The account behind scales, and tables that go over them."""
    scales = Scales(connection_string)
    await scales.open()
    async with Tables(scales.connection_string) as opened:
        yield scales, opened
    await scales.close()


@pytest.fixture
def answering() -> Callable[[bytes], object]:
    """Tables of an account that answers every request with the same bytes."""

    def make(response: bytes) -> object:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            await writer.drain()
            writer.close()

        return tables_answering(answer)

    return make


@pytest.fixture
def served() -> Callable[[Answer], object]:
    """Tables of an account that treats every connection as the given function does."""
    return tables_answering
