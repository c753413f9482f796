"""In what chargers observed and what nobody could read, whoever is erased is found, and nobody else loses anything."""

import json

import pytest

from shared.access.card import token_id
from shared.observations.observation import Observation
from shared.privacy.identity import driver_id
from shared.storage.drivers import Driver
from tests.conftest import IDENTITY_KEY
from tests.privacy.test_privacy_erasure import (
    EMAIL,
    FULL_NAME,
    ID,
    NAME,
    OTHER,
    PHONE,
    assert_forgotten,
    everything,
    finish,
    known,
    signed_by,
)
from tests.privacy.test_privacy_handed_on import erase, exported, says
from tests.sessions.site import Site

UNKNOWN_STATE = 70_001


async def observed(site: Site, *states: tuple[int, str]) -> None:
    now = site.clock.now()
    await site.services.streams.intake.keep_each([Observation(site.charger, one, now, value) for one, value in states])


async def shown(site: Site) -> dict[int, str | None]:
    reading = await site.services.streams.reader.now(site.charger, site.id)
    assert reading
    return {state_id: one.value for state_id, one in reading.observations.items()}


async def body(site: Site, text: str) -> str:
    return await site.services.quarantine.keep("session-end", "is no JSON", text.encode(), site.clock.now())


async def test_the_number_of_a_card_that_was_deleted_before_is_in_no_table_afterwards(
    site: Site, card: str, connection_string: str
) -> None:
    await site.register(card, NAME)
    charged = await site.start(card)
    await says(site, charged, card, site.clock.now(), SignedSession=signed_by(card) * 40)
    await observed(site, (722, f"nfc-{card}"), (750, ":".join(card[at : at + 2] for at in range(0, 14, 2))))
    await body(site, f'{{"card":"nfc-{card}"')
    await site.services.tokens.delete(token_id(IDENTITY_KEY, card))
    assert card in await everything(connection_string)
    held = await site.services.person_export.of(ID)
    assert {state["stateId"] for state in held["chargerStates"]} == {722, 723, 750}
    assert len(held["quarantine"]) == 1
    await finish(site)
    assert_forgotten(await everything(connection_string), card)
    assert (await shown(site))[750] is None


async def test_erased_again_by_the_id_it_finds_what_came_in_since(
    site: Site, card: str, connection_string: str
) -> None:
    await known(site, card)
    await finish(site)
    site.clock.advance(60)
    await body(site, json.dumps({"useremail": EMAIL, "id": "?"}))
    await body(site, json.dumps({"tokenname": NAME}))
    await body(site, f"{card} was shown")
    await observed(site, (750, f"nfc-{card}"))
    assert card in await everything(connection_string)
    site.clock.advance(3600)
    await finish(site)
    assert_forgotten(await everything(connection_string), card)


async def test_a_full_name_that_came_in_since_is_found_once_it_is_entered_again(
    site: Site, card: str, connection_string: str
) -> None:
    await known(site, card)
    await finish(site)
    await body(site, f"{FULL_NAME}, {PHONE}")
    await site.services.drivers.put(Driver(id=ID, driver=NAME, name=FULL_NAME, phone=PHONE))
    await finish(site)
    assert_forgotten(await everything(connection_string), card)


@pytest.mark.parametrize("name", ["2026", "3000", "energy", "20260302"])
async def test_a_driver_called_by_a_figure_or_a_common_word_costs_nobody_anything(
    site: Site, card: str, name: str
) -> None:
    await site.register(card, name)
    states = {710: "3", 513: "3000", 981: "energy", 808: "energy 3000 in 2026", 722: "someone", UNKNOWN_STATE: "3000"}
    await observed(site, *states.items())
    told = {"SessionId": "?", "SessionEnd": "2026-03-02T06:00:00Z", "energy": "12,3", "2026": 3000}
    kept = await body(site, json.dumps(told))
    held = await site.services.person_export.of(driver_id(IDENTITY_KEY, name))
    assert (held["chargerStates"], held["quarantine"]) == ([], [])
    await erase(site, name)
    assert (await shown(site)).items() >= states.items()
    assert await site.services.quarantine.body(kept) == json.dumps(told).encode()


async def test_such_a_driver_is_found_where_a_state_or_a_string_is_the_name(site: Site, card: str) -> None:
    await site.register(card, "3000")
    await observed(site, (722, "3000"), (513, "3000"))
    named = await body(site, '{"user": "3000"')
    await erase(site, "3000")
    assert (await shown(site))[722] is None
    assert (await shown(site))[513] == "3000"
    assert await site.services.quarantine.body(named) == b""


async def test_a_state_the_catalogue_does_not_know_is_cleared_where_it_names_the_person(site: Site, card: str) -> None:
    await site.register(card, NAME)
    await observed(site, (UNKNOWN_STATE, f"hello {NAME}"), (UNKNOWN_STATE + 1, "hello"))
    await erase(site, NAME)
    states = await shown(site)
    assert (states[UNKNOWN_STATE], states[UNKNOWN_STATE + 1]) == (None, "hello")


async def test_the_export_shows_of_a_charger_only_what_tells_of_the_person(site: Site, card: str) -> None:
    await site.register(card, NAME)
    await observed(site, (750, f"nfc-{card}"), (722, OTHER), (710, "3"))
    at = site.clock.now()
    assert (await site.services.person_export.of(ID))["chargerStates"] == [
        {"installationId": site.id, "chargerId": site.charger, "stateId": 750, "at": at, "value": f"nfc-{card}"}
    ]


async def test_what_a_charger_observed_of_a_card_before_it_was_handed_on_is_not_the_holders(
    site: Site, card: str
) -> None:
    await site.register(card, NAME)
    await says(site, "20000000-0000-4000-8000-000000000001", card, site.clock.now())
    await observed(site, (750, f"nfc-{card}"))
    site.clock.advance(60)
    await site.register(card, OTHER)
    assert (await site.services.person_export.of(driver_id(IDENTITY_KEY, OTHER)))["chargerStates"] == []
    assert await exported(site, OTHER) == set()
    before = await shown(site)
    await erase(site, OTHER)
    assert await shown(site) == before
