"""Storage that refuses, freezes, answers nonsense or does not know our key: one error, in bounded time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.errors import ConfigurationError, StorageUnavailable
from shared.settings import Settings
from shared.storage.table import Change, Table, Tables
from tests.cable import cable_to

OPERATIONS: dict[str, Callable[[Table], Awaitable[object]]] = {
    "get": lambda table: table.get("p", "r"),
    "partition": lambda table: table.partition("p"),
    "scan": lambda table: table.scan(),
    "insert": lambda table: table.insert("p", "r", {}),
    "upsert": lambda table: table.upsert("p", "r", {}),
    "delete": lambda table: table.delete("p", "r"),
    "transact": lambda table: table.transact([Change("insert", "p", "r")]),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
HOOK_BUDGET_SECONDS = Settings(tables="", identity_key="").hook_budget_seconds


async def fails(operation: Callable[[Table], Awaitable[object]], tables: Tables) -> float:
    """How long it took, in seconds, to say that storage is not there."""
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await operation(tables["Things"])
    return time.monotonic() - began


@every_operation
async def test_a_refused_connection_is_an_outage(
    absent_tables: Tables, operation: Callable[[Table], Awaitable[object]]
) -> None:
    assert await fails(operation, absent_tables) < 1


async def test_a_frozen_account_is_an_outage_in_bounded_time(frozen_tables: Tables) -> None:
    """The fixture's patience is a tenth of the real one."""
    took = await asyncio.gather(*(fails(operation, frozen_tables) for operation in OPERATIONS.values()))

    assert max(took) < 2


async def test_a_frozen_account_leaves_the_hook_time_to_answer(frozen_tables: Tables) -> None:
    took = await asyncio.gather(*(fails(operation, frozen_tables) for operation in OPERATIONS.values()))

    assert max(took) * 10 < HOOK_BUDGET_SECONDS


@pytest.mark.parametrize("status", [404, 409, 412])
async def test_what_is_refused_by_something_else_than_the_table_service_is_an_outage(
    answering: Callable[[bytes], Any], status: int
) -> None:
    page = b"<!DOCTYPE html><html><title>Not here</title></html>"
    head = b"HTTP/1.1 %d No\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % (status, len(page))
    swallowed = {"delete"} if status == 404 else set()  # by the SDK: a row that is missing is deleted
    async with answering(head + page) as tables:
        await asyncio.gather(*(fails(OPERATIONS[name], tables) for name in OPERATIONS.keys() - swallowed))


@pytest.mark.parametrize("status", [500, 503, 429, 408, 403])
async def test_an_account_that_cannot_or_will_not_is_an_outage(answering: Callable[[bytes], Any], status: int) -> None:
    async with answering(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status) as tables:
        took = await asyncio.gather(*(fails(operation, tables) for operation in OPERATIONS.values()))

    assert max(took) < 2


@pytest.mark.parametrize("operation", [OPERATIONS["get"], OPERATIONS["partition"]], ids=["get", "partition"])
async def test_a_page_of_a_proxy_is_an_outage(
    answering: Callable[[bytes], Any], operation: Callable[[Table], Awaitable[object]]
) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    async with answering(page) as tables:
        await fails(operation, tables)


async def test_a_read_is_tried_twice_and_no_more(served: Callable[[Any], Any]) -> None:
    tries = 0

    async def unavailable(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        await reader.readuntil(b"\r\n\r\n")
        tries += 1
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with served(unavailable) as tables:
        await fails(OPERATIONS["get"], tables)

    assert tries == 2


@pytest.mark.parametrize(("kind", "times"), [("insert", 1), ("merge", 1), ("replace", 2), ("upsert", 2)])
async def test_a_change_whose_answer_is_lost_is_not_sent_again_but_by_aiohttp(
    served: Callable[[Any], Any], kind: str, times: int
) -> None:
    """It may have been made, and would be taken for somebody else's."""
    tries = 0

    async def lost(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        await reader.readuntil(b"\r\n\r\n")
        tries += 1
        writer.close()

    async with served(lost) as tables:
        await fails(lambda table: table.transact([Change(kind, "p", "r", etag="e")]), tables)  # type: ignore[arg-type]

    assert tries == times


HALF_AN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n{"


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "insert"])
async def test_an_answer_cut_in_the_middle_is_an_outage(answering: Callable[[bytes], Any], name: str) -> None:
    async with answering(HALF_AN_ANSWER) as tables:
        assert await fails(OPERATIONS[name], tables) < 2


async def test_the_answer_to_an_insert_cut_in_the_middle_is_an_outage(answering: Callable[[bytes], Any]) -> None:
    """Inserting the claim is the one point of decision: here the outage policy must get its turn."""
    async with answering(HALF_AN_ANSWER) as tables:
        assert await fails(OPERATIONS["insert"], tables) < 2


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
@every_operation
async def test_a_wrong_key_is_an_outage(
    connection_string: str, operation: Callable[[Table], Awaitable[object]]
) -> None:
    account, _, rest = connection_string.partition("AccountKey=")
    async with Tables(f"{account}AccountKey=AAAA;{rest.partition(';')[2]}") as tables:
        await fails(operation, tables)


async def test_a_key_that_is_no_key_is_said_to_be_refused(connection_string: str) -> None:
    account, _, rest = connection_string.partition("AccountKey=")
    async with Tables(f"{account}AccountKey=no key;{rest.partition(';')[2]}") as tables:
        with pytest.raises(StorageUnavailable, match="refused our credential"):
            await tables["Things"].get("p", "r")


@pytest.mark.parametrize("text", ["", "not a connection string", "AccountName=a"])
async def test_a_connection_string_that_is_none_is_one_of_our_errors(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ZAPBRIDGE_TABLES"):
        await Tables(text)["Things"].get("p", "r")


async def test_when_the_outage_is_over_the_same_client_works_again(connection_string: str) -> None:
    async with cable_to(connection_string) as cable, Tables(cable.connection_string) as tables:
        table = tables["Things"]
        assert await table.insert("p", "r", {})

        await cable.cut()
        await asyncio.gather(*(fails(operation, tables) for operation in OPERATIONS.values()))

        await cable.mend()
        assert await table.get("p", "r")
        assert not await table.insert("p", "r", {})
