"""Azure's limits, met on the way through a Table; most of them are such that Azurite would not have told us."""

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from azure.data.tables.aio import TableClient
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import LimitExceeded
from shared.storage import guard
from shared.storage.installations import Installation, Installations
from shared.storage.quarantine import Quarantine
from shared.storage.sessions import Fact, Sessions
from shared.storage.table import Change, Tables

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=150)
NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
ASTRAL = "\U0001f50c"
"""One character, two UTF-16 units."""

WITHIN: dict[str, dict[str, Any]] = {
    "252 properties": {f"p{number}": number for number in range(252)},
    "a name of 255 characters": {"n" * 255: 1},
    "a name that begins with an underscore": {"_9": 1},
    "text of 32 Ki": {"text": "x" * 32768},
    "text of 32 Ki units in 16 Ki characters": {"text": ASTRAL * 16384},
    "64 KiB": {"body": bytes(65536)},
    "the smallest integer": {"count": -(2**63)},
    "the largest integer": {"count": 2**63 - 1},
    "the first instant": {"at": datetime(1601, 1, 1, tzinfo=UTC)},
    "the last instant": {"at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
    "an instant elsewhere": {"at": datetime(2026, 3, 2, 6, tzinfo=timezone(timedelta(hours=-9)))},
}

BEYOND: dict[str, dict[str, Any]] = {
    "253 properties": {f"p{number}": number for number in range(253)},
    "a name of 256 characters": {"n" * 256: 1},
    "a name that begins with a digit": {"9lives": 1},
    "a name with a hyphen": {"-2": 1},
    "a name with a space": {"a b": 1},
    "a name with a letter outside ASCII": {"größe": 1},
    "an empty name": {"": 1},
    "text of one more than 32 Ki": {"text": "x" * 32769},
    "text of 32 Ki units and one more": {"text": ASTRAL * 16384 + "x"},
    "half of a surrogate pair": {"text": "\ud83d"},
    "one byte more than 64 KiB": {"body": bytes(65537)},
    "an integer below 64 bits": {"count": -(2**63) - 1},
    "an integer above 64 bits": {"count": 2**63},
    "not a number": {"energy": float("nan")},
    "infinity": {"energy": float("inf")},
    "an instant without a time zone": {"at": datetime(2026, 3, 2, 6)},  # noqa: DTZ001
    "an instant before 1601": {"at": datetime(1600, 12, 31, tzinfo=UTC)},
    "1 MiB and more": {f"p{number}": "x" * 32768 for number in range(16)},
    "a list": {"ids": ["a"]},
    "nothing": {"driver": None},
}

AZURITE_TAKES = (
    "253 properties",
    "a name of 256 characters",
    "a name that begins with a digit",
    "a name with a hyphen",
    "a name with a space",
    "half of a surrogate pair",
    "not a number",
    "infinity",
    "an instant without a time zone",
    "an instant before 1601",
    "1 MiB and more",
)


@pytest.mark.parametrize("properties", WITHIN.values(), ids=WITHIN)
async def test_what_azure_takes_is_stored_as_it_is(tables: Tables, properties: dict[str, Any]) -> None:
    table = tables["Things"]

    assert await table.insert("p", "r", properties)

    row = await table.get("p", "r")
    assert row is not None
    assert row.properties == properties


@pytest.mark.parametrize("properties", BEYOND.values(), ids=BEYOND)
async def test_what_azure_refuses_never_leaves_whichever_way_it_is_written(
    tables: Tables, properties: dict[str, Any]
) -> None:
    table = tables["Things"]
    writes = [
        table.insert("p", "r", properties),
        table.upsert("p", "r", properties),
        *(table.transact([Change(kind, "p", "r", properties)]) for kind in ("insert", "replace", "upsert", "merge")),
    ]

    for write in writes:
        with pytest.raises(LimitExceeded):
            await write

    assert await table.scan() == []


@pytest.mark.parametrize("name", AZURITE_TAKES)
async def test_the_guard_stands_where_azurite_would_not(unguarded: TableClient, name: str) -> None:
    await unguarded.create_entity({"PartitionKey": "p", "RowKey": "r", **BEYOND[name]})


KEYS_BEYOND = ["a/b", "a\\b", "a#b", "a?b", "a\tb", "a\nb", "\x00", "\x7f", "\x9f", "k" * 513, ASTRAL * 257, "\ud83d"]
KEYS_WITHIN = ["", "k" * 512, ASTRAL * 256, "it's", "100%", "a%2Fb", "a+b & c=d;e:f@g,h", "größe", "\xa0", "|"]


@pytest.mark.parametrize("key", KEYS_BEYOND, ids=ascii)
async def test_a_key_azure_refuses_is_refused_in_both_places_and_by_every_method(tables: Tables, key: str) -> None:
    table = tables["Things"]
    for partition, row in ((key, "r"), ("p", key)):
        for call in (
            table.get(partition, row),
            table.delete(partition, row),
            table.insert(partition, row, {}),
            table.upsert(partition, row, {}),
            table.transact([Change("delete", partition, row)]),
        ):
            with pytest.raises(LimitExceeded):
                await call


@pytest.mark.parametrize("key", KEYS_WITHIN, ids=ascii)
async def test_a_key_azure_takes_finds_its_row_again(tables: Tables, key: str) -> None:
    table = tables["Things"]

    for partition, row in ((key, "r"), ("p", key)):
        assert await table.insert(partition, row, {"n": 1})
        assert await table.get(partition, row)
        assert [found.key for found in await table.partition(partition)] == [row]
        await table.delete(partition, row)
        assert await table.get(partition, row) is None


async def test_a_key_must_be_text(tables: Tables) -> None:
    with pytest.raises(LimitExceeded, match="must be a string, not int"):
        await tables["Things"].insert("p", 7, {})  # type: ignore[arg-type]


async def test_a_transaction_takes_100_rows_and_no_more(tables: Tables) -> None:
    table = tables["Things"]
    rows = [Change("insert", "p", f"{number:03}", {"n": number}) for number in range(101)]

    with pytest.raises(LimitExceeded, match="100 rows, not 101"):
        await table.transact(rows)
    with pytest.raises(LimitExceeded, match="not 0"):
        await table.transact([])
    assert await table.partition("p") == []

    await table.transact(rows[:100])
    assert len(await table.partition("p")) == 100


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_transaction_takes_4_mib_although_azurite_takes_more(tables: Tables, unguarded: TableClient) -> None:
    large = {f"p{number}": "x" * 32000 for number in range(10)}
    rows = [Change("upsert", "p", str(number), large) for number in range(7)]

    with pytest.raises(LimitExceeded, match="4 MiB"):
        await tables["Things"].transact(rows)
    await tables["Things"].transact(rows[:6])

    await unguarded.submit_transaction(
        [("upsert", {"PartitionKey": "p", "RowKey": row.key, **row.properties}) for row in rows]
    )


async def test_a_transaction_stays_in_one_partition_and_touches_a_row_once(tables: Tables) -> None:
    table = tables["Things"]

    with pytest.raises(LimitExceeded, match="one partition"):
        await table.transact([Change("insert", "p", "r"), Change("insert", "q", "s")])
    with pytest.raises(LimitExceeded, match="only once"):
        await table.transact([Change("insert", "p", "r"), Change("delete", "p", "r")])


async def test_a_property_called_timestamp_is_refused(tables: Tables) -> None:
    with pytest.raises(LimitExceeded):
        await tables["Things"].insert("p", "r", {"Timestamp": NOW})


async def test_an_instant_that_has_no_utc_year_is_refused(tables: Tables) -> None:
    west = timezone(timedelta(hours=-5))
    with pytest.raises(LimitExceeded):
        await tables["Things"].insert("p", "r", {"at": datetime(9999, 12, 31, 23, 59, tzinfo=west)})


async def test_a_query_for_half_a_surrogate_pair_is_refused_too(tables: Tables) -> None:
    with pytest.raises(LimitExceeded):
        await tables["Things"].partition("\ud83d")


async def test_the_repositories_are_behind_the_guard(tables: Tables) -> None:
    with pytest.raises(LimitExceeded):
        await Installations(tables).put(Installation(id="a/b"))
    with pytest.raises(LimitExceeded):
        await Installations(tables).put(Installation(id="a", name="x" * 32769))
    with pytest.raises(LimitExceeded):
        await Quarantine(tables).keep("k", "\ud83d", b"", NOW)
    huge = Fact(at=NOW, source="s", event="e", data={"text": "x" * (17 * 32768)})
    with pytest.raises(LimitExceeded, match="1 MiB"):
        await Sessions(tables).add("s", huge, NOW)


def takes(properties: dict[str, Any]) -> bool:
    try:
        guard.check_entity({"PartitionKey": "p", "RowKey": "r", **properties})
    except LimitExceeded:
        return False
    return True


AZURES_OWN = {"PartitionKey", "RowKey", "Timestamp"}
"""Hypothesis tries the names it finds in our own source, these among them."""


@given(st.text(string.ascii_letters + string.digits + "_- .", max_size=40))
@EXAMPLES
def test_a_name_is_an_identifier_or_refused(name: str) -> None:
    assert takes({name: 1}) == (name.isidentifier() and name not in AZURES_OWN)


@given(st.integers(0, 40000), st.integers(0, 20000))
@EXAMPLES
def test_text_is_counted_in_utf_16_units(plain: int, astral: int) -> None:
    assert takes({"text": "x" * plain + ASTRAL * astral}) == (plain + 2 * astral <= 32768)


@given(st.integers(250, 255))
@EXAMPLES
def test_properties_are_counted_without_the_keys(count: int) -> None:
    assert takes({f"p{number}": 1 for number in range(count)}) == (count <= 252)


@given(st.integers(-(2**65), 2**65))
@EXAMPLES
def test_integers_fit_64_bits(number: int) -> None:
    assert takes({"n": number}) == (number.bit_length() < 64 or number == -(2**63))


@given(st.text(alphabet=st.characters() | st.sampled_from("/\\#?\x00\x1f\x7f\x80\x9f\xa0 "), max_size=8))
@EXAMPLES
def test_a_key_is_refused_exactly_for_what_azure_forbids(key: str) -> None:
    forbidden = any(c in "/\\#?" or ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in key)
    try:
        guard.check_key("RowKey", key)
    except LimitExceeded:
        assert forbidden or any(0xD800 <= ord(c) <= 0xDFFF for c in key)
    else:
        assert not forbidden


ENTITIES = st.dictionaries(
    st.text(string.ascii_letters, min_size=1, max_size=20).filter(lambda name: name not in AZURES_OWN),
    st.text(max_size=50).filter(lambda text: text.isprintable())
    | st.binary(max_size=50)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    max_size=10,
)


@given(ENTITIES)
@EXAMPLES
def test_the_size_is_azures_formula(properties: dict[str, Any]) -> None:
    """4 + keys + for each property 8 + name + value; text has 4 more for its length, a name two bytes per character."""

    def bytes_of(value: object) -> int:
        match value:
            case bool():
                return 1
            case str():
                return 4 + len(value.encode("utf-16-le"))
            case bytes():
                return 4 + len(value)
        return 8

    expected = 4 + 2 * len("pr") + sum(8 + 2 * len(name) + bytes_of(value) for name, value in properties.items())
    assert guard.check_entity({"PartitionKey": "p", "RowKey": "r", **properties}) == expected


def test_the_size_counts_keys_in_utf_16_units() -> None:
    assert guard.check_entity({"PartitionKey": ASTRAL, "RowKey": "r"}) == 4 + 2 * 2 + 2
