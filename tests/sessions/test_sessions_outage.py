"""Storage is cut off in the middle: hooks answer by the installation's policy, what was acknowledged is not lost, and
the rows are there afterwards.
"""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from functions.services import Services, build
from shared.errors import StorageUnavailable
from shared.sessions.start import Outcome
from shared.sessions.view import Status
from tests.cable import Cable, cable_to
from tests.conftest import HandClock, settings_for
from tests.sessions.site import Site

KARI, NOBODYS = "04A1B2AAAA0001", "04A1B2CCCC0003"


@pytest.fixture
async def cable(connection_string: str) -> AsyncIterator[Cable]:
    async with cable_to(connection_string) as cable:
        yield cable


@asynccontextmanager
async def instance(cable: Cable, clock: HandClock, **settings: object) -> AsyncIterator[Services]:
    """One process of the app behind the cable."""
    services = build(settings_for(cable.connection_string, clock, hook_budget_seconds=2.0, **settings))
    try:
        yield services
    finally:
        await services.close()


@asynccontextmanager
async def marked_site(cable: Cable, clock: HandClock) -> AsyncIterator[Site]:
    """An installation that lets drivers with a card in during an outage, and whose settings are known to the app."""
    async with instance(cable, clock) as services:
        site = Site(services, clock)
        await site.set_up(outagePolicy="allow-and-mark")
        await site.register(KARI, "Kari")
        await site.ask()
        yield site


async def test_without_a_card_the_polling_goes_on(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        await cable.cut()
        assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED


async def test_the_policy_refuse_refuses(cable: Cable, clock: HandClock) -> None:
    async with instance(cable, clock) as services:
        site = Site(services, clock)
        await site.set_up()
        await site.ask()
        await cable.cut()
        assert (await site.ask(KARI)).outcome is Outcome.UNAVAILABLE


async def test_an_allowed_session_is_written_down_when_storage_is_back(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        await cable.cut()
        first = await site.start(KARI)
        clock.advance(10)
        assert await site.start(KARI) == first, "asked again, the same id"
        await cable.mend()
        await site.services.sweep.run()
        view = await site.view(first)
        assert (view.driver, view.outage, view.status) == ("Kari", True, Status.AUTHORIZED)
        assert uuid.UUID(first).version == 5
        clock.advance(3600)
        await site.end(first, 7.0)
        listed = await site.listed()
        assert [(entry.driver, entry.energy_kwh) for entry in listed.values()] == [("Kari", 7.0)]


async def test_a_card_that_was_given_to_another_before_its_session_is_written_down_takes_none_along(
    cable: Cable, clock: HandClock
) -> None:
    async with marked_site(cable, clock) as site:
        await cable.cut()
        first = await site.start(KARI)
        await cable.mend()
        clock.advance(10)
        identity = await site.register(KARI, "Ola")
        await site.services.sweep.run()
        view = await site.view(first)
        assert (view.driver, view.token_id, view.outage) == (None, identity, True)


async def test_a_frozen_storage_is_an_outage_too(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        cable.freeze()
        first = await site.start(KARI)
        await cable.mend()
        await site.services.sweep.run()
        assert (await site.view(first)).driver == "Kari"


async def test_a_card_nobody_knows_is_marked_and_listed_as_seen(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        await cable.cut()
        first = await site.start(NOBODYS)
        await cable.mend()
        await site.services.sweep.run()
        view = await site.view(first)
        assert (view.driver, view.verdict, view.outage) == (None, "unknown-card", True)
        assert [seen.token for seen in await site.services.decisions.seen_tokens(site.id)] == [NOBODYS]


async def test_an_end_is_acknowledged_only_when_it_is_stored(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        session_id = await site.start(KARI)
        await cable.cut()
        with pytest.raises(StorageUnavailable):
            await site.end(session_id, 2.0)
        await cable.mend()
        await site.end(session_id, 2.0)
        assert (await site.view(session_id)).energy_kwh == 2.0


async def test_two_instances_that_cannot_see_each_other_give_one_id(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site, instance(cable, clock) as other:
        twin = Site(other, clock)
        twin.id, twin.charger = site.id, site.charger
        await twin.ask()
        await cable.cut()
        first = await site.start(KARI)
        assert await twin.start(KARI) == first
        await cable.mend()
        await site.services.sweep.run()
        await other.sweep.run()
        assert list(await site.listed()) == [first]


async def test_asked_again_across_the_bucket_the_id_stays(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        clock.set(clock.now().replace(minute=9, second=55))
        await cable.cut()
        first = await site.start(KARI)
        clock.advance(10)
        assert await site.start(KARI) == first


async def test_a_process_that_died_during_the_outage_loses_nobodys_session(cable: Cable, clock: HandClock) -> None:
    """All that is left is the id ZapCloud reports the end under; the driver is found from it."""
    async with marked_site(cable, clock) as site:
        await cable.cut()
        first = await site.start(KARI)
    await cable.mend()
    async with instance(cable, clock) as reborn:
        clock.advance(3600)
        again = Site(reborn, clock)
        again.id, again.charger = site.id, site.charger
        started = (clock.now() - timedelta(hours=1)).isoformat()
        await again.end(first, 11.0, SessionStart=started)
        assert not (await again.view(first)).start_known
        await reborn.sweep.run()
        view = await again.view(first)
        assert (view.driver, view.charger_id, view.energy_kwh) == ("Kari", site.charger, 11.0)
        entry = (await again.listed())[first]
        assert (entry.driver, entry.status) == ("Kari", Status.ENDED)


async def test_the_claim_of_an_outage_answers_the_retry_after_it(cable: Cable, clock: HandClock) -> None:
    """The answer given during the outage was lost, and storage is back when ZapCloud asks again."""
    async with marked_site(cable, clock) as site:
        await cable.cut()
        first = await site.start(KARI)
        await cable.mend()
        clock.advance(10)
        assert await site.start(KARI) == first


async def test_a_process_born_into_the_outage_follows_the_default_policy(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        await cable.cut()
        async with instance(cable, clock, default_outage_policy="allow-and-mark") as newborn:
            twin = Site(newborn, clock)
            twin.id, twin.charger = site.id, site.charger
            await twin.start(KARI)
        async with instance(cable, clock) as newborn:
            twin = Site(newborn, clock)
            twin.id, twin.charger = site.id, site.charger
            assert (await twin.ask(KARI)).outcome is Outcome.UNAVAILABLE
        async with instance(cable, clock, outage_policies=json.dumps({site.id: "allow-and-mark"})) as newborn:
            twin = Site(newborn, clock)
            twin.id, twin.charger = site.id, site.charger
            await twin.start(KARI)


async def test_a_second_outage_in_the_same_ten_minutes_is_another_session(cable: Cable, clock: HandClock) -> None:
    async with marked_site(cable, clock) as site:
        await cable.cut()
        first = await site.start(KARI)
        await cable.mend()
        clock.advance(120)
        await site.end(first, 5.0)
        await site.ask()
        await cable.cut()
        clock.advance(120)
        assert await site.start(KARI) != first
