"""Drivers come page by page, and an erasure's row is changed by one instance at a time."""

import msgspec

from shared.storage.codec import to_properties
from shared.storage.drivers import Driver, Drivers, Erasure
from shared.storage.table import Tables
from tests.conftest import MONDAY_MORNING

ERASURE = Erasure(
    id="e" * 32,
    pseudonym="erased-1",
    erased_at=MONDAY_MORNING,
    begun_at=MONDAY_MORNING,
    marks=("m",),
    reached=("a", "b"),
)


async def test_a_driver_comes_back_as_it_was_put(tables: Tables) -> None:
    drivers = Drivers(tables)
    driver = Driver(id="d" * 32, driver="Kari", name="Kari Nordmann", groups=("board", "floor 2"))
    await drivers.put(driver)
    assert await drivers.get(driver.id) == driver
    await drivers.delete(driver.id)
    await drivers.delete(driver.id)
    assert await drivers.get(driver.id) is None


async def test_a_group_is_found_among_many(tables: Tables) -> None:
    drivers = Drivers(tables)
    for number in range(450):
        groups = ("board",) if number % 200 == 7 else ()
        await drivers.put(Driver(id=f"{number:032x}", driver=f"{number}", groups=groups))
    assert [one.driver for one in await drivers.page("", 2, "board")] == ["7", "207"]
    assert [one.driver for one in await drivers.page(f"{207:032x}", 2, "board")] == ["407"]
    assert len(await drivers.page("", 450)) == 450


async def test_of_two_who_go_on_with_an_erasure_one_leaves_off(tables: Tables, other_instance: Tables) -> None:
    mine, theirs = Drivers(tables), Drivers(other_instance)
    stored = await mine.set_erasure(ERASURE, None)
    assert stored
    assert await theirs.set_erasure(ERASURE, None) is None
    further = msgspec.structs.replace(ERASURE, texts=("Kari",))
    assert await theirs.set_erasure(further, stored.etag)
    assert await mine.set_erasure(ERASURE, stored.etag) is None
    found = await mine.erasure(ERASURE.id)
    assert found
    assert found.erasure == further
    assert await mine.erasures() == [further]


async def test_an_erasure_may_have_thousands_of_cards(tables: Tables) -> None:
    drivers = Drivers(tables)
    fleet = msgspec.structs.replace(
        ERASURE,
        marks=tuple(f"{number:032x}" for number in range(5000)),
        texts=("Flåten",),
        since={f"{number:032x}": MONDAY_MORNING for number in range(5000)},
    )
    stored = await drivers.set_erasure(fleet, None)
    assert stored
    assert await drivers.erasures() == [fleet]
    done = msgspec.structs.replace(fleet, texts=(), done_at=MONDAY_MORNING)
    assert await drivers.set_erasure(done, stored.etag)
    found = await drivers.erasure(fleet.id)
    assert found
    assert found.erasure == done


async def test_an_erasure_that_an_older_version_stored_is_read(tables: Tables) -> None:
    await tables["Drivers"].insert("erasure", ERASURE.id, to_properties(ERASURE))
    assert await Drivers(tables).erasures() == [ERASURE]
