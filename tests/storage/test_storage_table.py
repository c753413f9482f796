"""A table as the repositories use it: outcomes, conflicts, order, and values that are never taken for a filter."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Conflict
from shared.storage.table import Change, Tables

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
STALE = "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""


async def test_a_table_that_is_missing_reads_as_empty_and_is_made_by_the_first_write(tables: Tables) -> None:
    table = tables["Things"]

    assert await table.get("p", "r") is None
    assert await table.partition("p") == []
    assert await table.scan(key="r") == []
    await table.delete("p", "r")

    assert await table.insert("p", "r", {})
    assert await table.get("p", "r")


@pytest.mark.parametrize("kind", ["insert", "upsert"])
async def test_a_transaction_makes_the_table_too(tables: Tables, kind: str) -> None:
    await tables["Things"].transact([Change(kind, "p", "r", {"n": 1})])  # type: ignore[arg-type]

    assert await tables["Things"].get("p", "r")


async def test_a_transaction_on_what_is_not_there_is_a_conflict_even_without_the_table(tables: Tables) -> None:
    for kind in ("replace", "merge", "delete"):
        with pytest.raises(Conflict):
            await tables["Things"].transact([Change(kind, "p", "r", {}, STALE)])  # type: ignore[arg-type]


async def test_many_instances_may_make_the_table_at_once(tables: Tables, other_instance: Tables) -> None:
    made = await asyncio.gather(
        *(who["Things"].insert("p", f"{number:02}", {}) for number in range(10) for who in (tables, other_instance))
    )

    assert sum(made) == 10
    assert len(await tables["Things"].partition("p")) == 10


async def test_inserting_twice_keeps_the_first(tables: Tables) -> None:
    table = tables["Things"]

    assert await table.insert("p", "r", {"n": 1})
    assert not await table.insert("p", "r", {"n": 2, "m": 3})

    row = await table.get("p", "r")
    assert row is not None
    assert row.properties == {"n": 1}


async def test_an_upsert_replaces_and_a_merge_adds(tables: Tables) -> None:
    table = tables["Things"]
    await table.upsert("p", "r", {"a": 1, "b": 1})

    await table.transact([Change("merge", "p", "r", {"b": 2})])
    row = await table.get("p", "r")
    assert row is not None
    assert row.properties == {"a": 1, "b": 2}

    await table.upsert("p", "r", {"c": 3})
    row = await table.get("p", "r")
    assert row is not None
    assert row.properties == {"c": 3}


async def test_values_keep_their_types(tables: Tables) -> None:
    given = {"small": 1, "large": 2**40, "yes": True, "no": False, "energy": 7.0, "text": "", "raw": b"\x00", "at": NOW}
    await tables["Things"].insert("p", "r", given)

    row = await tables["Things"].get("p", "r")

    assert row is not None
    assert row.properties == given
    assert {name: type(value) for name, value in row.properties.items()} == {
        name: type(value) for name, value in given.items()
    }


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(Change("insert", "p", "there", {"n": 9}), id="inserts what is there"),
        pytest.param(Change("replace", "p", "missing", {"n": 9}), id="replaces what is missing"),
        pytest.param(Change("merge", "p", "missing", {"n": 9}), id="merges into what is missing"),
        pytest.param(Change("delete", "p", "missing"), id="deletes what is missing"),
        pytest.param(Change("replace", "p", "there", {"n": 9}, STALE), id="replaces what changed"),
        pytest.param(Change("merge", "p", "there", {"n": 9}, STALE), id="merges into what changed"),
        pytest.param(Change("delete", "p", "there", {}, STALE), id="deletes what changed"),
    ],
)
async def test_a_conflict_leaves_everything_as_it_was(tables: Tables, refused: Change) -> None:
    table = tables["Things"]
    await table.insert("p", "there", {"n": 1})
    await table.insert("p", "beside", {"n": 2})
    before = await table.partition("p")
    others = [Change("insert", "p", "new", {"n": 3}), Change("upsert", "p", "beside", {"n": 4})]

    for changes in ([*others, refused], [refused, *others]):
        with pytest.raises(Conflict, match="read again"):
            await table.transact(changes)

    assert await table.partition("p") == before


async def test_of_many_who_change_the_same_row_as_read_one_wins(tables: Tables, other_instance: Tables) -> None:
    await tables["Things"].insert("p", "r", {"n": 0})
    row = await tables["Things"].get("p", "r")
    assert row is not None

    outcomes = await asyncio.gather(
        *(
            who["Things"].transact([Change("replace", "p", "r", {"n": number}, row.etag)])
            for number, who in enumerate([tables, other_instance] * 5)
        ),
        return_exceptions=True,
    )

    (etags,) = [outcome for outcome in outcomes if isinstance(outcome, list)]
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9
    changed = await tables["Things"].get("p", "r")
    assert changed is not None
    assert etags == [changed.etag]


async def test_rows_come_in_order_between_bounds_and_no_more_than_asked_for(tables: Tables) -> None:
    table = tables["Things"]
    for key in ("c", "a", "e", "b", "d"):
        await table.insert("p", key, {"even": key in "bd"})
        await table.insert("q", key, {"even": False})

    async def keys(**options: object) -> str:
        return "".join(row.key for row in await table.partition("p", **options))  # type: ignore[arg-type]

    assert await keys() == "abcde"
    assert await keys(limit=2) == "ab"
    assert await keys(after="b") == "cde"
    assert await keys(after="b", before="e") == "cd"
    assert await keys(after="b", before="e", limit=1) == "c"
    assert await keys(where=("even", True)) == "bd"
    assert await keys(where=("even", True), after="b") == "d"


async def test_a_scan_goes_by_partition_and_key_and_finds_a_key_everywhere(tables: Tables) -> None:
    table = tables["Things"]
    for partition in "pqr":
        for key in ("x", "y"):
            await table.insert(partition, key, {"at": NOW + timedelta(hours=ord(partition) - ord("p"))})

    everything = [(row.partition, row.key) for row in await table.scan()]
    assert everything == [("p", "x"), ("p", "y"), ("q", "x"), ("q", "y"), ("r", "x"), ("r", "y")]
    assert [row.partition for row in await table.scan(key="y")] == ["p", "q", "r"]
    assert [row.partition for row in await table.scan(key="y", since=("at", NOW + timedelta(hours=1)))] == ["q", "r"]
    assert len(await table.scan(limit=3)) == 3


async def test_a_page_goes_on_after_a_row_and_into_the_next_partition(tables: Tables) -> None:
    table = tables["Things"]
    for partition in "pq":
        for key in ("x", "y"):
            await table.insert(partition, key, {})

    async def page(after: tuple[str, str] | None, limit: int) -> list[str]:
        return [row.partition + row.key for row in await table.page(after, limit)]

    assert await page(None, 3) == ["px", "py", "qx"]
    assert await page(("p", "x"), 1) == ["py"]
    assert await page(("p", "x"), 2) == ["py", "qx"]
    assert await page(("p", "z"), 5) == ["qx", "qy"], "the row that was reached may be gone by now"
    assert await page(("q", "y"), 5) == []


async def test_more_rows_than_a_page_of_the_service_are_read_to_the_end(tables: Tables) -> None:
    table = tables["Things"]
    for start in range(0, 1100, 100):
        await table.transact([Change("insert", "p", f"{number:04}") for number in range(start, start + 100)])

    assert [row.key for row in await table.partition("p")] == [f"{number:04}" for number in range(1100)]
    assert len(await table.partition("p", limit=1050)) == 1050


async def test_the_transport_sees_every_request(connection_string: str) -> None:
    """Tests that count calls or break them stand on it."""

    class Counting(AioHttpTransport):
        requests = 0

        async def send(self, *arguments: Any, **options: Any) -> Any:
            self.requests += 1
            return await super().send(*arguments, **options)

    counting = Counting()
    async with Tables(connection_string, counting) as tables:
        table = tables["Things"]
        assert await table.insert("p", "r", {})
        after_insert = counting.requests
        await table.get("p", "r")
        await table.partition("p")
        await table.transact([Change("upsert", "p", "r")])

    assert after_insert == 3, "the insert, making the table, the insert again"
    assert counting.requests == after_insert + 3


async def test_of_the_rows_asked_for_no_other_properties_come(tables: Tables) -> None:
    table = tables["Things"]
    await table.insert("p", "r", {"n": 1, "at": NOW, "text": "long"})

    (row,) = await table.partition("p", select=["n", "absent"])

    assert (row.partition, row.key, dict(row.properties)) == ("p", "r", {"n": 1})
    assert row.etag


HOSTILE = [
    "' or PartitionKey ne '",
    "'' or ''",
    "x' or true or RowKey eq 'x",
    "@partition",
    "@after",
    "@value @key",
    "p or PartitionKey eq q",
    "%27 or 1 eq 1",
    "(",
    ")) or ((",
    "datetime'2020-01-01T00:00:00Z'",
    "true",
    "1L",
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_nothing_a_caller_sends_becomes_a_filter(tables: Tables, value: str) -> None:
    table = tables["Things"]
    await table.insert("p", "row", {"status": "secret"})
    await table.insert(value, value, {"status": value})
    own = await table.get(value, value)
    assert own is not None

    assert await table.partition(value) == [own]
    assert await table.partition(value, before=value + "~") == [own]
    assert await table.partition(value, where=("status", value)) == [own]
    assert await table.partition("p", where=("status", value)) == []
    assert await table.scan(key=value) == [own]
    assert all(row.key > value for row in await table.partition("p", after=value))
    await table.delete(value, value)
    assert [row.key for row in await table.scan()] == ["row"]


@given(st.text(st.sampled_from("'\"@ ()=aor1ne$_%&+"), min_size=1, max_size=20))
@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_a_made_up_filter_finds_no_more_than_its_own_text(tables: Tables, value: str) -> None:
    table = tables["Things"]
    await table.upsert("p", "row", {"status": "secret"})

    assert await table.partition(value) == []
    assert await table.partition("p", where=("status", value)) == []
    assert await table.scan(key=value) == []
    assert await table.get(value, value) is None
