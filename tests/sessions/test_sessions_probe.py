"""Where our own rows cannot tell a repetition from a new request, ZapCloud can: it is asked before a replay."""

from collections.abc import AsyncIterator

import pytest

from shared.sessions.view import Status
from tests.conftest import HandClock
from tests.sessions.machine import Driver, World

KARI = Driver("Kari", "04A1B2AAAA0001")
GUEST = Driver("Guest by grant", None)
OLA = Driver("Ola", "04A1B2BBBB0002")
STRANGER = Driver("Stranger", None)


@pytest.fixture
async def world(connection_string: str, clock: HandClock) -> AsyncIterator[World]:
    world = World(connection_string, clock, [KARI, OLA])
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def poll(world: World, *, answer_arrives: bool = True) -> None:
    await world.ask(reaches_app=True, answer_arrives=answer_arrives, twice=False)


async def test_a_stranger_does_not_get_the_session_whose_answer_was_lost(world: World, clock: HandClock) -> None:
    world.plug(GUEST)
    await world.grant(GUEST)
    await poll(world, answer_arrives=False)
    clock.advance(15)
    await world.unplug(0.0)
    clock.advance(10)
    world.plug(STRANGER)
    await poll(world)
    assert not world.true_driver, "nobody was let in"


async def test_a_lost_answer_to_a_grant_still_reaches_the_same_car(world: World, clock: HandClock) -> None:
    world.plug(GUEST)
    clock.advance(2)
    await world.grant(GUEST)
    await poll(world, answer_arrives=False)
    clock.advance(10)
    await poll(world)
    assert list(world.true_driver.values()) == [GUEST.name]
    assert len(world.answered) == 1


async def test_the_same_card_again_after_its_session_began_is_a_new_session(world: World, clock: HandClock) -> None:
    world.plug(KARI)
    assert world.vehicle
    world.vehicle.shown = True
    await poll(world)
    clock.advance(20)
    await world.unplug(0.1)
    clock.advance(20)
    world.plug(KARI)
    world.vehicle.shown = True
    await poll(world)
    assert list(world.true_driver.values()) == [KARI.name, KARI.name]


async def test_the_sweep_asks_for_the_figures_of_superseded_sessions_each_in_its_turn(
    world: World, clock: HandClock
) -> None:
    """More of them than are asked about in one run, and none but the last ever began."""
    for number in range(60):
        driver = (KARI, OLA)[number % 2]
        world.plug(driver)
        assert world.vehicle
        world.vehicle.shown = True
        await poll(world, answer_arrives=number == 59)
        clock.advance(100)
        await world.unplug(4.5)
    (began,) = world.true_driver
    world.ends_due.clear()
    world.plug(KARI)
    assert world.vehicle
    world.vehicle.shown = True
    await poll(world)
    clock.advance(600)
    for _ in range(2):
        await world.sweep()
        clock.advance(60)
    view = await world.services.ledger.view(began)
    assert view
    assert (view.status, view.energy_kwh, view.driver) == (Status.ENDED, 4.5, OLA.name)
    clock.advance(24 * 3600)
    for _ in range(2):
        await world.sweep()
        clock.advance(60)
    lost = [await world.services.ledger.view(session_id) for session_id in world.answered]
    assert sum(view is not None and view.status is Status.NEVER_BEGAN for view in lost) == 59
