"""The facts of a session, and the index that lists sessions."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from shared.storage.session_index import SessionEntry, SessionIndex, instant_key, month_partition
from shared.storage.sessions import Fact, Sessions
from shared.storage.table import Tables
from tests.secrecy import WatchedTransport

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
INSTALLATION = "1b0d3c0e-0000-4000-8000-000000000001"


def fact_of(number: int, **changes: object) -> Fact:
    fact = Fact(at=NOW, source="end-hook", event="ended", data={"energyKwh": number})
    return msgspec.structs.replace(fact, **changes)


def entry_of(number: int, **changes: object) -> SessionEntry:
    entry = SessionEntry(
        session_id=f"session-{number:04}",
        listed_at=NOW + timedelta(seconds=number),
        facts=1,
        status="authorized",
        start_known=True,
        installation_id=INSTALLATION,
    )
    return msgspec.structs.replace(entry, **changes)


MARCH = month_partition(INSTALLATION, NOW)


async def test_a_session_is_new_once_and_keeps_the_instant_it_is_listed_under(tables: Tables) -> None:
    sessions = Sessions(tables)
    assert (await sessions.read("s")).facts == ()

    assert await sessions.add("s", fact_of(1), NOW)
    assert not await sessions.add("s", fact_of(2), NOW + timedelta(days=1))
    assert not await sessions.add("s", fact_of(1), NOW)

    record = await sessions.read("s")
    assert {fact.data["energyKwh"] for fact in record.facts} == {1, 2}
    assert record.listed_at == NOW


async def test_a_session_that_was_read_is_added_to_in_one_request(connection_string: str) -> None:
    transport = WatchedTransport([])
    async with Tables(connection_string, transport) as tables:
        await Sessions(tables).add("s", fact_of(1), NOW)
        sessions = Sessions(tables)
        await sessions.read("s")
        before = transport.requests

        assert not await sessions.add("s", fact_of(2), NOW)

        assert transport.requests == before + 1
        assert len((await sessions.read("s")).facts) == 2


async def test_the_same_statement_later_is_the_same_fact_first_heard_when_it_was(tables: Tables) -> None:
    sessions = Sessions(tables)
    await sessions.add("s", fact_of(1, data={"a": 1, "b": 2}), NOW)

    await sessions.add("s", fact_of(1, data={"b": 2, "a": 1}, at=NOW + timedelta(hours=1)), NOW)

    assert [fact.at for fact in (await sessions.read("s")).facts] == [NOW]


def test_another_source_event_or_figure_is_another_fact() -> None:
    facts = [fact_of(1), fact_of(2), fact_of(1, source="session-api"), fact_of(1, event="superseded")]

    assert len({fact.key for fact in facts}) == 4
    assert fact_of(1).key == fact_of(1, at=NOW + timedelta(hours=1)).key


async def test_facts_stated_at_once_by_many_are_all_kept_and_the_session_is_new_to_one(
    tables: Tables, other_instance: Tables
) -> None:
    facts = [fact_of(number) for number in range(10)]

    outcomes = await asyncio.gather(
        *(Sessions(where).add("s", fact, NOW) for fact in facts for where in (tables, other_instance))
    )

    assert sum(outcomes) == 1
    assert len((await Sessions(tables).read("s")).facts) == 10


async def test_the_newest_entry_wins_in_whatever_order_they_come(tables: Tables, other_instance: Tables) -> None:
    entries = [entry_of(1, facts=number, status=f"after {number}") for number in range(1, 9)]
    random.Random(1).shuffle(entries)

    await asyncio.gather(
        *(SessionIndex(where).put(entry) for entry, where in zip(entries, [tables, other_instance] * 4, strict=True))
    )

    (found,) = await SessionIndex(tables).page(MARCH, "", None, 10)
    assert (found.facts, found.status) == (8, "after 8")


async def test_an_older_entry_does_not_take_a_newer_ones_place(tables: Tables) -> None:
    index = SessionIndex(tables)
    await index.put(entry_of(1, facts=3, driver="Ada"))
    await index.put(entry_of(1, facts=2))
    await index.put_new([entry_of(1, facts=1)])

    assert [entry.driver for entry in await index.page(MARCH, "", None, 10)] == ["Ada"]


async def test_an_entry_drawn_again_leaves_nothing_of_the_one_before(tables: Tables) -> None:
    index = SessionIndex(tables)
    await index.put(entry_of(1, energy_kwh=7.5, driver="Ada"))
    await index.put(entry_of(1, facts=2))

    assert await index.page(MARCH, "", None, 10) == [entry_of(1, facts=2)]


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
async def test_new_entries_go_in_by_the_hundred(tables: Tables, count: int) -> None:
    index = SessionIndex(tables)
    entries = [entry_of(number) for number in range(count)]

    await index.put_new(random.Random(1).sample(entries, count))

    assert await index.page(MARCH, "", None, 1000) == entries


async def test_new_entries_of_several_places_and_months_some_of_them_listed_before(tables: Tables) -> None:
    index = SessionIndex(tables)
    april = NOW + timedelta(days=31)
    entries = [
        *(entry_of(number) for number in range(5)),
        entry_of(5, installation_id=None),
        entry_of(6, listed_at=april),
        entry_of(7, installation_id="another"),
    ]
    await index.put(entry_of(2, facts=4, status="ended"))

    await index.put_new(entries)

    statuses = [entry.status for entry in await index.page(MARCH, "", None, 100)]
    assert statuses == ["authorized", "authorized", "ended", "authorized", "authorized"]
    for place, month, number in ((None, NOW, 5), (INSTALLATION, april, 6), ("another", NOW, 7)):
        assert await index.page(month_partition(place, month), "", None, 10) == [entries[number]]


async def test_a_page_lies_between_its_bounds(tables: Tables) -> None:
    index = SessionIndex(tables)
    entries = [entry_of(number) for number in range(10)]
    await index.put_new(entries)

    assert await index.page(MARCH, "", None, 3) == entries[:3]
    assert await index.page(MARCH, entries[2].row_key, None, 3) == entries[3:6]
    assert (
        await index.page(MARCH, instant_key(entries[4].listed_at), instant_key(entries[7].listed_at), 9) == entries[4:7]
    )


async def test_what_is_unresolved_is_found(tables: Tables) -> None:
    index = SessionIndex(tables)
    await index.put_new([entry_of(1), entry_of(2, unresolved=True), entry_of(3, start_known=False)])

    assert await index.unresolved(MARCH) == [entry_of(2, unresolved=True)]


async def test_a_session_whose_place_becomes_known_is_no_longer_listed_without_one(tables: Tables) -> None:
    index = SessionIndex(tables)
    nowhere = month_partition(None, NOW)
    await index.put(entry_of(1, installation_id=None))
    await index.put(entry_of(2, installation_id=None))

    await index.forget(entry_of(1), None)
    await index.forget(entry_of(1), None)

    assert [entry.session_id for entry in await index.page(nowhere, "", None, 10)] == ["session-0002"]


def test_instants_sort_as_text_whatever_their_zone() -> None:
    instants = [NOW + timedelta(microseconds=step) for step in (0, 1, 10**6, 10**9, 10**12)]

    assert sorted(instant_key(instant) for instant in instants) == [instant_key(instant) for instant in instants]
    assert instant_key(datetime.fromisoformat("2026-03-02T07:00:00+01:00")) == instant_key(NOW)
    assert month_partition(None, datetime.fromisoformat("2026-04-01T00:30:00+02:00")) == "unknown|202603"
