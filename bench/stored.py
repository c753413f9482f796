"""What the rows of tables take, as Azure bills it."""

from collections.abc import Mapping
from typing import Any

from azure.data.tables.aio import TableServiceClient


async def stored_bytes(connection_string: str) -> dict[str, int]:
    """What the rows of every table take."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        names = [table.name async for table in service.list_tables()]
        return {
            name: sum([row_bytes(row) async for row in service.get_table_client(name).list_entities()])
            for name in names
        }


def row_bytes(row: Mapping[str, Any]) -> int:
    """A row's size as Azure bills it ("Understanding Windows Azure Storage Billing", Azure Storage team blog, 2010)."""
    keys = len(row["PartitionKey"]) + len(row["RowKey"])
    own = {name: value for name, value in row.items() if name not in {"PartitionKey", "RowKey"}}
    return 4 + 2 * keys + sum(8 + 2 * len(name) + _value_bytes(value) for name, value in own.items())


def _value_bytes(value: object) -> int:
    match value:
        case str():
            return 4 + 2 * len(value)
        case bytes():
            return 4 + len(value)
        case bool():
            return 1
        case int():
            return 4
        case _:
            return 8
