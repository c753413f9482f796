"""A session nobody asked us about is its card's driver's, and never a later owner's of the card."""

import json
from datetime import timedelta

import pytest

from shared.access.card import token_id
from shared.observations.observation import Observation
from shared.privacy.identity import driver_id
from shared.storage.former import Former, FormerHolders
from tests.conftest import IDENTITY_KEY
from tests.sessions.cloudsite import HOUR, CloudSite

CARD = "04A1B2C3000003"
CARD_ID = token_id(IDENTITY_KEY, CARD)
CHANGED_HANDS = "session.card_changed_hands"


@pytest.fixture
def site(cloud_site: CloudSite) -> CloudSite:
    return cloud_site


async def delete(site: CloudSite) -> None:
    await site.services.tokens.delete(CARD_ID)


async def erase(site: CloudSite, driver: str) -> None:
    identity = driver_id(IDENTITY_KEY, driver)
    await site.services.erasures.erase(identity)
    await site.client.advance(61)
    await site.services.erasures.run()
    stored = await site.services.drivers.erasure(identity)
    assert stored
    assert stored.erasure.done_at


async def test_a_card_that_zapcloud_names_by_its_number_is_that_cards_drivers_and_its_number_is_not_kept(
    site: CloudSite,
) -> None:
    await site.register(CARD, "Ola")
    await site.client.plug(site.chargers[0])
    session_id = await site.charge_offline(CARD)
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.driver, view.token_id, view.token_name) == ("Ola", CARD_ID, None)
    assert CARD not in str(view)


async def test_a_card_that_is_registered_for_the_first_time_gets_its_earlier_sessions_with_the_deep_reading(
    site: CloudSite,
) -> None:
    session_id = await site.charge_offline(CARD)
    await site.reconcile()
    assert (await site.view(session_id)).driver is None
    await site.register(CARD, "Ola")
    await site.read_deeply()
    assert (await site.listed())[session_id].driver == "Ola"


async def test_a_card_that_was_deleted_and_registered_to_another_does_not_get_the_former_owners_session(
    site: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    await site.register(CARD, "Kari")
    session_id = await site.charge_offline(CARD)
    await delete(site)
    await site.register(CARD, "Ola")
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.driver, view.token_id) == (None, CARD_ID)
    assert CHANGED_HANDS in caplog.text
    await site.read_deeply()
    assert (await site.listed())[session_id].driver is None


async def test_a_card_that_was_given_to_another_does_not_take_the_former_owners_session_along(
    site: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    await site.register(CARD, "Kari")
    before = await site.charge_offline(CARD)
    await site.register(CARD, "Ola")
    after = await site.charge_offline(CARD)
    await site.reconcile()
    assert ((await site.view(before)).driver, (await site.view(after)).driver) == (None, "Ola")
    assert CHANGED_HANDS in caplog.text


async def test_a_card_that_was_nobodys_in_between_is_a_later_drivers_from_then_on_only(site: CloudSite) -> None:
    await site.register(CARD, "Kari")
    before = await site.charge_offline(CARD)
    await site.register(CARD, None)
    await site.register(CARD, "Ola")
    after = await site.charge_offline(CARD)
    await site.reconcile()
    assert ((await site.view(before)).driver, (await site.view(after)).driver) == (None, "Ola")


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_driver_who_is_registered_again_keeps_the_sessions_of_the_card(
    site: CloudSite, caplog: pytest.LogCaptureFixture, *, deleted: bool
) -> None:
    await site.register(CARD, "Kari")
    session_id = await site.charge_offline(CARD)
    if deleted:
        await delete(site)
    await site.register(CARD, "Kari")
    await site.reconcile()
    assert (await site.view(session_id)).driver == "Kari"
    assert CHANGED_HANDS not in caplog.text


async def test_a_second_owner_who_is_registered_again_gets_no_more_than_before(site: CloudSite) -> None:
    await site.register(CARD, "Kari")
    karis = await site.charge_offline(CARD)
    await site.register(CARD, "Ola")
    olas = await site.charge_offline(CARD)
    await delete(site)
    await site.client.advance(HOUR)
    await site.register(CARD, "Ola")
    await site.reconcile()
    assert ((await site.view(karis)).driver, (await site.view(olas)).driver) == (None, "Ola")


async def test_a_session_whose_clock_was_wrong_is_nobodys_once_its_card_changed_hands(site: CloudSite) -> None:
    """By its own clock it began after the card was given away."""
    await site.register(CARD, "Kari")
    await site.client.set_clock_ahead(site.chargers[1], 86400)
    session_id = await site.charge_offline(CARD)
    await site.register(CARD, "Ola")
    await site.read_deeply()
    assert (await site.view(session_id)).driver is None


@pytest.mark.parametrize("held", ["registered", "deleted"])
async def test_an_erased_owners_session_is_no_later_owners_either(site: CloudSite, held: str) -> None:
    await site.register(CARD, "Kari")
    session_id = await site.charge_offline(CARD)
    if held == "deleted":
        await delete(site)
    await erase(site, "Kari")
    assert await FormerHolders(site.services.tables).of(CARD_ID) == Former(holder="")
    await site.register(CARD, "Ola")
    await site.read_deeply()
    assert (await site.view(session_id)).driver != "Ola"


async def test_who_had_a_card_is_kept_while_it_is_nobodys_and_not_for_longer(site: CloudSite) -> None:
    holders = FormerHolders(site.services.tables)
    await site.register(CARD, "Kari")
    assert await holders.of(CARD_ID) is None
    await delete(site)
    assert await holders.of(CARD_ID) == Former(holder=driver_id(IDENTITY_KEY, "Kari"))
    await site.register(CARD, "Ola")
    assert await holders.of(CARD_ID) is None


async def test_what_a_charger_says_of_a_session_long_after_it_is_no_later_owners(site: CloudSite) -> None:
    """Observation 723 of a charger that was offline while its card was given to another."""
    await site.services.directory.reload(site.installation)
    await site.register(CARD, "Kari")
    began = site.services.clock()
    await site.client.advance(HOUR)
    await site.register(CARD, "Ola")
    session_id = "20000000-0000-4000-8000-00000000000a"
    completed = {
        "SessionId": session_id,
        "StartDateTime": began.isoformat(),
        "EndDateTime": (began + timedelta(minutes=30)).isoformat(),
        "Energy": 5.5,
        "ReliableClock": True,
        "AuthenticationCode": f"nfc-{CARD}",
    }
    observation = Observation(site.chargers[1], 723, site.services.clock(), json.dumps(completed))
    await site.services.streams.intake.keep_each([observation])
    view = await site.view(session_id)
    assert (view.energy_kwh, view.driver, view.token_id) == (5.5, None, CARD_ID)
