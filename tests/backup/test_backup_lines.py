"""A row comes back from its line as it was stored, each value with its type."""

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty
from azure.data.tables.aio import TableServiceClient

from shared.backup.account import pages, transactions, write
from shared.backup.contents import Kept
from shared.backup.entities import from_line, key_of, to_line

VALUES: dict[str, Any] = {
    "small": 5,
    "negative": -(2**31),
    "smallAsLong": EntityProperty(5, EdmType.INT64),
    "large": EntityProperty(2**63 - 1, EdmType.INT64),
    "largeNegative": EntityProperty(-(2**63), EdmType.INT64),
    "whole": 7.0,
    "tiny": 5e-324,
    "third": 1 / 3,
    "yes": True,
    "no": False,
    "empty": "",
    "text": 'Blåbær \u2028 "quoted" \\ \U0001f50c\n',
    "number": "5",
    "noBytes": b"",
    "bytes": bytes(range(256)),
    "instant": datetime(2026, 3, 2, 6, 0, tzinfo=UTC),
    "microseconds": datetime(2026, 3, 2, 6, 0, 0, 1, tzinfo=UTC),
    "elsewhere": datetime(2026, 3, 2, 7, 30, 0, 120000, tzinfo=timezone(timedelta(hours=1, minutes=30))),
    "ticks": EntityProperty("2026-03-02T06:00:00.1234567Z", EdmType.DATETIME),
    "guid": uuid.UUID("6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"),
}


async def stored_lines(service: TableServiceClient) -> list[bytes]:
    return [line async for page in pages(service, Kept("Values")) for line in page]


async def test_every_type_of_value_comes_back_as_it_was(connection_string: str) -> None:
    async with TableServiceClient.from_connection_string(connection_string) as service:
        table = await service.create_table("Values")
        await table.create_entity({"PartitionKey": "a b", "RowKey": "", **VALUES})
        (line,) = await stored_lines(service)
        before = dict(await table.get_entity("a b", ""))
        await table.delete_entity("a b", "")

        await write(service, "Values", [line])

        after = dict(await table.get_entity("a b", ""))
        assert {name: type(value) for name, value in after.items()} == {
            name: type(value) for name, value in before.items()
        }
        assert after == before
        assert after.keys() == {"PartitionKey", "RowKey", *VALUES}
        assert after["ticks"].tables_service_value == "2026-03-02T06:00:00.1234567Z"
        assert after["smallAsLong"] == EntityProperty(5, EdmType.INT64)
        assert await stored_lines(service) == [line]


@pytest.mark.parametrize("letter", ["x", "ø", "Ω", "\u2028", "\U0001f50c", "\x1f", '"'])
async def test_rows_full_of_any_letters_fit_the_transactions_they_are_written_in(
    connection_string: str, letter: str
) -> None:
    lines = [
        to_line({"PartitionKey": "a", "RowKey": f"{number:02}", "text": letter * (28_000 // len(letter.encode()))})
        for number in range(100)
    ]
    async with TableServiceClient.from_connection_string(connection_string) as service:
        await service.create_table("Values")
        await write(service, "Values", lines)
        assert await stored_lines(service) == lines


async def test_the_spelling_of_an_instant_does_not_make_another_row() -> None:
    spellings = ("2026-03-02T06:00:00Z", "2026-03-02T06:00:00.0000000Z", "2026-03-02T06:00:00.000Z")
    entities = [{"PartitionKey": "a", "RowKey": "b", "at": _as_the_sdk_gives(text)} for text in spellings]
    assert len({to_line(entity) for entity in entities}) == 1
    assert json.loads(to_line(entities[0]))["at"] == "2026-03-02T06:00:00Z"


def _as_the_sdk_gives(text: str) -> datetime:
    from azure.data.tables._deserialize import _from_entity_datetime

    return _from_entity_datetime(text)


def test_a_value_that_cannot_be_kept_is_not_dropped_silently() -> None:
    with pytest.raises(TypeError, match="cannot be backed up"):
        to_line({"PartitionKey": "a", "RowKey": "b", "odd": object()})


def test_lines_are_cut_into_what_azure_takes_in_one_transaction() -> None:
    def line(partition: str, number: int, length: int = 10) -> bytes:
        return to_line({"PartitionKey": partition, "RowKey": f"{number:04}", "text": "x" * length})

    lines = [line("a", number) for number in range(250)] + [line("b", 0)]
    assert [len(batch) for batch in transactions(lines)] == [100, 100, 50, 1]

    heavy = [line("c", number, 30_000 * 20) for number in range(8)]
    batches = list(transactions(heavy))
    assert [one for batch in batches for one in batch] == heavy
    assert all(sum(map(len, batch)) < 1024 * 1024 for batch in batches)
    assert key_of(heavy[0]) == ("c", "0000")
    assert from_line(heavy[0])["text"] == "x" * 600_000
