"""The tables of an account row by row, past the repositories: what a backup reads, and what a restored one writes.

Values keep the types they are stored with, which the repositories need not know.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.backup.contents import Kept
from shared.backup.entities import from_line, key_of, to_line
from shared.errors import StorageUnavailable

_PAGE = 1000
_ROWS = 100
_TRANSACTION_BYTES = 768 * 1024
"""Far below Azure's 4 MiB: each row gets a header of its own, and aiohttp keeps all else waiting while it sends what is
larger than 1 MiB."""
_ASCII = bytes(range(128))
_AT_ONCE = 16
_TRIES = 5


async def pages(service: TableServiceClient, kept: Kept) -> AsyncIterator[list[bytes]]:
    """The lines of a table's rows in order of their keys, a page at a time; none of a table that is not there."""
    client = service.get_table_client(kept.table)
    found = (
        client.query_entities(kept.where, results_per_page=_PAGE)
        if kept.where
        else client.list_entities(results_per_page=_PAGE)
    )
    try:
        async for page in found.by_page():
            yield [to_line(entity) async for entity in page]
    except ResourceNotFoundError:
        return
    except AzureError as error:
        raise StorageUnavailable(f"table {kept.table} could not be read on ({type(error).__name__})") from error


async def has_rows(service: TableServiceClient, kept: Kept) -> bool:
    async for page in pages(service, kept):
        if page:
            return True
    return False


async def make(service: TableServiceClient, tables: Iterable[str]) -> None:
    try:
        for table in tables:
            await service.create_table_if_not_exists(table)
    except AzureError as error:
        raise StorageUnavailable(f"the tables could not be made ({type(error).__name__})") from error


async def write(service: TableServiceClient, table: str, lines: Iterable[bytes]) -> None:
    """The rows of the lines are there afterwards, with these values and no others; several transactions at once."""
    slots = asyncio.Semaphore(_AT_ONCE)
    client = service.get_table_client(table)

    async def submit(batch: Sequence[bytes]) -> None:
        operations: list[Any] = [("upsert", from_line(line), {"mode": UpdateMode.REPLACE}) for line in batch]
        try:
            await _submit(client, operations)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            for batch in transactions(lines):
                await slots.acquire()
                group.create_task(submit(batch))
    except* StorageUnavailable as several:
        first = several.exceptions[0]
        raise first from first.__cause__


async def _submit(client: TableClient, operations: list[Any]) -> None:
    """Whole rows are put in the place of others, so that a transaction which was refused can be sent again."""
    for left in reversed(range(_TRIES)):
        try:
            await client.submit_transaction(operations)
        except AzureError as error:
            if not left:
                told = " ".join(filter(None, (type(error).__name__, getattr(error, "error_code", None))))
                raise StorageUnavailable(f"table {client.table_name} could not be written ({told})") from error
        else:
            return


def transactions(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in order, cut into what one transaction takes: one partition, 100 rows, 4 MiB."""
    for _, partition in groupby(lines, key=lambda line: key_of(line)[0]):
        batch: list[bytes] = []
        size = 0
        for line in partition:
            sent = _sent_bytes(line)
            if batch and (len(batch) == _ROWS or size + sent > _TRANSACTION_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += sent
        yield batch


def _sent_bytes(line: bytes) -> int:
    """At most. The SDK sends ASCII: two bytes of UTF-8 (`ø`) become six (`\\u00f8`), three six as well, four twelve."""
    return len(line) + 2 * len(line.translate(None, _ASCII))
