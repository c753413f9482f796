"""A session that stands for one of somebody who was erased is the pseudonym's, too, whatever is heard of first."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.access.card import token_id
from shared.sessions.view import Source
from shared.storage.drivers import Driver
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY
from tests.privacy.test_privacy_erasure import ID, NAME, OTHER, assert_forgotten, everything
from tests.privacy.test_privacy_handed_on import erase, says
from tests.sessions.site import Site

NEW, NEWER, OFFLINE = (f"20000000-0000-4000-8000-0000000000a{number}" for number in range(3))
FULL_NAME, EMAIL = "K. A. Nordmann", "k.a.n@elsewhere.test"
"""As ZapCloud knows her, and nobody entered."""

type Step = Callable[[Site, str, datetime], Awaitable[object]]


async def listed(
    site: Site, session_id: str, start: datetime, source: Source = Source.CHARGE_HISTORY, **said: Any
) -> None:
    """ZapCloud tells of a session, and of its user."""
    report = EndReport(session_id, start, start + timedelta(minutes=30), 5.5, None)
    known = {"chargerId": site.charger, "userName": FULL_NAME, "userEmail": EMAIL} | said
    await site.services.end_hook.record(report, source, site.id, known)


async def replaced(site: Site, old: str, start: datetime) -> None:
    await site.services.ledger.replaced(old, NEW, start)


async def listed_new(site: Site, _: str, start: datetime) -> None:
    await listed(site, NEW, start)


async def archived_new(site: Site, _: str, start: datetime) -> None:
    await listed(site, NEW, start, Source.ARCHIVED_SESSIONS)


async def listed_old(site: Site, old: str, start: datetime) -> None:
    await listed(site, old, start, replacedBy=NEW)


@pytest.mark.parametrize("steps", list(itertools.permutations([replaced, listed_new, archived_new])))
async def test_it_is_the_pseudonyms_in_whatever_order_it_is_heard_of(
    site: Site, card: str, connection_string: str, steps: Sequence[Step]
) -> None:
    await site.register(card, NAME)
    old, start = await site.start(card), site.clock.now()
    site.clock.advance(1800)
    erasure = await erase(site, NAME)
    site.clock.advance(600)
    for step in steps:
        await step(site, old, start)
    await listed_old(site, old, start)
    for session_id in (old, NEW):
        assert (await site.view(session_id)).driver == erasure.pseudonym
        assert (await site.listed())[session_id].driver == erasure.pseudonym
    assert_nobody_is_named(await everything(connection_string), card)


def assert_nobody_is_named(told: str, card: str) -> None:
    assert_forgotten(told, card)
    assert FULL_NAME not in told
    assert EMAIL not in told


async def test_so_is_that_of_one_which_is_heard_of_only_now_itself(
    site: Site, card: str, connection_string: str
) -> None:
    """Charge history says what stands for a session before it says anything else of it."""
    await site.register(card, NAME)
    start = site.clock.now() - timedelta(hours=1)
    erasure = await erase(site, NAME)
    identity = token_id(IDENTITY_KEY, card)
    await listed(site, NEW, start)
    await listed(site, NEWER, start)
    await site.services.ledger.replaced(NEW, NEWER, start)
    await listed(site, NEW, start, replacedBy=NEWER)
    await site.services.ledger.replaced(OFFLINE, NEW, start)
    await listed(site, OFFLINE, start, replacedBy=NEW, tokenId=identity)
    for session_id in (OFFLINE, NEW, NEWER):
        assert (await site.view(session_id)).driver == erasure.pseudonym
    assert_nobody_is_named(await everything(connection_string), card)


async def test_one_that_somebody_else_was_let_in_to_stays_theirs(site: Site, card: str) -> None:
    await site.register(card, NAME)
    await site.register("04FFFFFF", OTHER)
    old, start = await site.start(card), site.clock.now()
    await erase(site, NAME)
    site.clock.advance(600)
    theirs = await site.start("04FFFFFF", site.other_charger)
    before = await site.view(theirs)
    await site.services.ledger.replaced(old, theirs, start)
    await site.end(theirs, 3.0)
    after = await site.view(theirs)
    assert (after.driver, after.token_id) == (OTHER, before.token_id)


async def test_what_names_an_erased_person_in_anothers_session_is_redacted_by_itself(
    site: Site, card: str, connection_string: str
) -> None:
    await site.register("04FFFFFF", OTHER)
    await site.services.drivers.put(Driver(id=ID, driver=NAME, email=EMAIL))
    charged, start = await site.start("04FFFFFF"), site.clock.now()
    site.clock.advance(1800)
    await erase(site, NAME)
    await listed(site, charged, start)
    await says(site, charged, "04FFFFFF", start)
    view = await site.view(charged)
    assert (view.driver, view.token_id) == (OTHER, token_id(IDENTITY_KEY, "04FFFFFF"))
    assert [fact.data.get("tokenId") for fact in view.timeline if fact.source == Source.COMPLETED_SESSION] == [
        view.token_id
    ]
    assert_nobody_is_named(await everything(connection_string), card)
