"""A card that was handed on tells of each holder in their own time only: nobody gets or loses what is another's."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.access.card import token_id
from shared.observations.observation import Observation
from shared.privacy.identity import driver_id
from shared.sessions.flags import Flag
from shared.sessions.view import SessionView, Source
from shared.storage.drivers import Driver, Erasure
from shared.storage.former import Former, FormerHolders
from shared.storage.table import Tables
from shared.zapcloud.commit import Commit
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY
from tests.sessions.site import Site

KARI, OLA, PER = "Kari Nordmann", "Ola Hansen", "Per Berg"
DAY = 86400
NATIVE, OFFLINE, LATER = (f"20000000-0000-4000-8000-00000000000{number}" for number in range(1, 4))
HALF_AN_HOUR = timedelta(minutes=30)


async def says(site: Site, session_id: str, card: str, start: datetime, **said: Any) -> None:
    """The charger tells of a session that is over, and of its card."""
    times = {"StartDateTime": start.isoformat(), "EndDateTime": (start + HALF_AN_HOUR).isoformat()}
    told = {"SessionId": session_id, "Energy": 5.5, "ReliableClock": True, "AuthenticationCode": f"nfc-{card}"} | times
    completed = Observation(site.charger, 723, site.clock.now(), json.dumps(told | said))
    await site.services.streams.intake.keep_each([completed])
    await site.services.behind.settled()


async def lists(site: Site, session_id: str, start: datetime, **said: Any) -> None:
    """Charge history tells of a session that is over."""
    report = EndReport(session_id, start, start + HALF_AN_HOUR, 5.5, None)
    known = {"chargerId": site.charger} | said
    await site.services.end_hook.record(report, Source.CHARGE_HISTORY, site.id, known)


async def erase(site: Site, name: str) -> Erasure:
    identity = driver_id(IDENTITY_KEY, name)
    await site.services.erasures.erase(identity)
    site.clock.advance(61)
    await site.services.erasures.run()
    stored = await site.services.drivers.erasure(identity)
    assert stored
    assert stored.erasure.done_at
    return stored.erasure


async def exported(site: Site, name: str) -> set[str]:
    held = await site.services.person_export.of(driver_id(IDENTITY_KEY, name))
    return {view.session_id for view in held["sessions"]}


async def handed_on(site: Site, card: str) -> dict[str, SessionView]:
    """Kari charges, let in by us and by ZapCloud; her card becomes Ola's; and only then do chargers that were offline
    tell of two sessions of hers. Answers with all of them."""
    began = site.clock.now()
    await site.register(card, KARI)
    charged = await site.start(card)
    site.clock.advance(1800)
    await says(site, charged, card, began)
    await lists(site, NATIVE, began, userName="Kari Anne Nordmann", userEmail="kari@example.test")
    site.clock.advance(DAY)
    await site.register(card, OLA)
    site.clock.advance(60)
    await says(site, NATIVE, card, began)
    await says(site, OFFLINE, card, began - timedelta(hours=2))
    return {one: await site.view(one) for one in (charged, NATIVE, OFFLINE)}


async def test_the_export_of_a_cards_holder_shows_no_session_of_the_one_before(site: Site, card: str) -> None:
    await handed_on(site, card)
    assert await exported(site, OLA) == set()


async def test_erasing_a_cards_holder_leaves_the_sessions_of_the_one_before_as_they_were(site: Site, card: str) -> None:
    before = await handed_on(site, card)
    erasure = await erase(site, OLA)
    assert {one: await site.view(one) for one in before} == before
    assert (erasure.sessions, erasure.tokens) == (0, 1)


async def test_what_the_holder_charged_since_is_exported_and_erased(site: Site, card: str) -> None:
    await handed_on(site, card)
    await site.register(card, OLA, blocked=True)  # so that ZapCloud's session is not ours to attribute
    await says(site, LATER, card, site.clock.now() - HALF_AN_HOUR / 60)
    assert (await site.view(LATER)).driver is None
    assert await exported(site, OLA) == {LATER}
    erasure = await erase(site, OLA)
    assert (await site.view(LATER)).driver == erasure.pseudonym


async def test_a_session_from_before_that_is_heard_of_after_the_holder_was_erased_is_not_theirs(
    site: Site, card: str
) -> None:
    await handed_on(site, card)
    handed = site.clock.now() - timedelta(seconds=60)
    site.clock.advance(DAY)
    erasure = await erase(site, OLA)
    await says(site, LATER, card, handed - HALF_AN_HOUR)
    assert (await site.view(LATER)).driver is None
    own = "20000000-0000-4000-8000-00000000000a"
    await says(site, own, card, handed + HALF_AN_HOUR)
    assert (await site.view(own)).driver == erasure.pseudonym


async def test_a_session_of_which_nobody_knows_when_it_began_is_not_the_holders(site: Site, card: str) -> None:
    await handed_on(site, card)
    await says(site, LATER, card, site.clock.now(), ReliableClock=False)
    assert Flag.TIMES_UNRELIABLE in (await site.view(LATER)).flags
    assert await exported(site, OLA) == set()
    before = await site.view(LATER)
    await erase(site, OLA)
    assert await site.view(LATER) == before
    listed = "20000000-0000-4000-8000-00000000000b"
    card_id = token_id(IDENTITY_KEY, card)
    await lists(
        site, listed, site.clock.now() - timedelta(hours=1), tokenId=card_id, commitMetadata=int(Commit.OFFLINE)
    )
    assert (await site.view(listed)).driver is None


async def test_a_refusal_from_before_stays(site: Site, card: str) -> None:
    await site.register(card, KARI, blocked=True)
    await site.ask(card)
    await site.services.behind.settled()
    site.clock.advance(DAY)
    await site.register(card, OLA, blocked=True)
    await site.ask(card, site.other_charger)
    await site.services.behind.settled()
    await erase(site, OLA)
    refusals = await site.services.decisions.refusals(site.id, site.clock.now() - timedelta(days=2), 10)
    assert [one.charger_id for one in refusals] == [site.charger]


async def test_a_card_of_the_persons_sessions_that_another_had_since_is_not_theirs(site: Site, card: str) -> None:
    await handed_on(site, card)
    site.clock.advance(60)
    await site.services.tokens.delete(token_id(IDENTITY_KEY, card))
    await says(site, LATER, card, site.clock.now() - timedelta(seconds=30))
    before = await site.view(LATER)
    assert before.driver is None
    erasure = await erase(site, KARI)
    assert erasure.sessions == 1, "the one she was let in to"
    assert await site.view(LATER) == before


async def test_erased_again_a_person_gets_nothing_of_who_had_the_card_since(site: Site, card: str) -> None:
    await site.register(card, KARI)
    await site.end(await site.start(card))
    await erase(site, KARI)
    site.clock.advance(DAY)
    await site.register(card, OLA, blocked=True)
    site.clock.advance(DAY)
    await erase(site, KARI)
    await says(site, LATER, card, site.clock.now() - timedelta(hours=1))
    assert (await site.view(LATER)).driver is None
    assert await exported(site, OLA) == {LATER}
    assert await exported(site, KARI) == set()


async def test_a_card_that_came_back_to_the_person_is_theirs_from_then_on(site: Site, card: str) -> None:
    for name in (PER, KARI):
        await site.register(card, name)
        site.clock.advance(DAY)
    await site.services.tokens.delete(token_id(IDENTITY_KEY, card))
    await says(site, OFFLINE, card, site.clock.now() - timedelta(days=1, hours=1))
    await says(site, LATER, card, site.clock.now() - timedelta(hours=1))
    assert await exported(site, KARI) == {LATER}
    erasure = await erase(site, KARI)
    assert (await site.view(OFFLINE)).driver is None
    assert (await site.view(LATER)).driver == erasure.pseudonym


async def test_the_driver_of_the_card_goes_before_the_user_that_zapcloud_names(site: Site, card: str) -> None:
    await site.register(card, OLA, blocked=True)
    start = site.clock.now() - timedelta(hours=1)
    await lists(site, NATIVE, start, userName="ola.h", tokenId=token_id(IDENTITY_KEY, card))
    assert await exported(site, OLA) == {NATIVE}
    erasure = await erase(site, OLA)
    assert (await site.view(NATIVE)).driver == erasure.pseudonym


async def test_in_anothers_session_only_what_names_the_person_is_redacted(site: Site, card: str) -> None:
    await site.register(card, OLA)
    charged, start = await site.start(card), site.clock.now()
    await lists(site, charged, start, userEmail="kari@example.test")
    await says(site, charged, card, start)
    await site.services.drivers.put(Driver(id=driver_id(IDENTITY_KEY, KARI), driver=KARI, email="kari@example.test"))
    assert await exported(site, KARI) == {charged}
    await erase(site, KARI)
    view = await site.view(charged)
    assert (view.driver, view.token_id) == (OLA, token_id(IDENTITY_KEY, card))
    assert [fact.data.get("tokenId") for fact in view.timeline if fact.source == Source.COMPLETED_SESSION] == [
        view.token_id
    ]
    assert "kari@" not in repr(view)


async def test_a_card_whose_former_holder_was_erased_is_not_learnt_from_sessions(
    site: Site, card: str, tables: Tables
) -> None:
    identity = await site.register(card, KARI)
    charged = await site.start(card)
    await site.end(charged)
    await site.services.tokens.delete(identity)
    await FormerHolders(tables).put(identity, Former(holder=""))
    await says(site, LATER, card, site.clock.now())
    await erase(site, KARI)
    assert (await site.view(charged)).driver != KARI
    assert (await site.view(LATER)).driver is None


async def test_an_erasure_of_many_handed_on_cards_is_stored_and_read(site: Site) -> None:
    now = site.clock.now()
    marks = tuple(f"{number:032x}" for number in range(5000))
    since = dict.fromkeys(marks, now - timedelta(microseconds=1))
    erasure = Erasure(id="a" * 32, pseudonym="erased-1", erased_at=now, begun_at=now, marks=marks, since=since)
    assert await site.services.drivers.set_erasure(erasure, None)
    assert await site.services.drivers.erasures() == [erasure]


@pytest.mark.parametrize("properties", [{}, {"cards": '["04A1B2C3"]'}])
async def test_an_erasure_that_an_older_version_stored_is_read(
    site: Site, tables: Tables, properties: dict[str, str]
) -> None:
    now = site.clock.now()
    told = {"id": "a" * 32, "pseudonym": "erased-1", "erasedAt": now, "begunAt": now, "marks": '["m"]', "texts": "[]"}
    await tables["Drivers"].upsert("erasure", "a" * 32, told | properties)
    (erasure,) = await site.services.drivers.erasures()
    assert (erasure.marks, erasure.since) == (("m",), {})
