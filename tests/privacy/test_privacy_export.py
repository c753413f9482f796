"""Whoever asks gets all that is held about them, and nothing of anybody else."""

import msgspec

from shared.access.card import token_id
from tests.conftest import IDENTITY_KEY
from tests.privacy.test_privacy_erasure import EMAIL, FULL_NAME, ID, NAME, OTHER, PHONE, USER, finish, known
from tests.sessions.site import Site


async def test_the_export_holds_what_an_erasure_takes_away(site: Site, card: str) -> None:
    sessions = await known(site, card)
    held = await site.services.person_export.of(ID)
    assert held["driver"] == await site.services.drivers.get(ID)
    assert [token.token for token in held["tokens"]] == [card]
    assert {view.session_id for view in held["sessions"]} == set(sessions.values())
    assert [row["driver"] for row in held["authorizations"]] == [NAME, NAME]  # the grant and the claim
    assert [row["reason"] for row in held["decisions"]] == ["blocked"]
    assert {row["chargerId"] for row in held["chargerStates"]} == {site.charger}
    assert len(held["quarantine"]) == 2
    text = msgspec.json.encode(held).decode()
    assert all(one in text for one in (NAME, FULL_NAME, EMAIL, PHONE, USER, card, token_id(IDENTITY_KEY, card)))


async def test_after_the_erasure_it_is_empty(site: Site, card: str) -> None:
    await known(site, card)
    await finish(site)
    held = await site.services.person_export.of(ID)
    assert {name: part for name, part in held.items() if part and name != "exportedAt"} == {}


async def test_a_deleted_card_is_the_persons_until_it_is_anothers_or_they_are_erased(site: Site) -> None:
    cards = [await site.register(f"04DDDDD{number}", NAME) for number in range(3)]
    for card in cards:
        await site.services.tokens.delete(card)
    await site.register("04DDDDD0", OTHER)
    assert (await site.services.person_export.of(ID))["formerTokens"] == sorted(cards[1:])
    await finish(site)
    assert (await site.services.person_export.of(ID))["formerTokens"] == []


async def test_it_tells_nothing_of_others(site: Site, card: str) -> None:
    await site.register("04EEEEEE", OTHER)
    await site.end(await site.start("04EEEEEE", site.other_charger))
    await site.services.behind.settled()
    await known(site, card)
    text = msgspec.json.encode(await site.services.person_export.of(ID)).decode()
    assert OTHER not in text
    assert token_id(IDENTITY_KEY, "04EEEEEE") not in text
