"""What the log makes of what ZapCloud lists, whichever of it is heard of first."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.observations.observation import Observation
from shared.sessions.flags import Flag
from shared.sessions.view import Status
from shared.storage.chargers import Charger
from shared.storage.session_index import SessionEntry, SessionIndex
from shared.zapcloud.commit import Commit
from tests.conftest import HandClock
from tests.sessions.listed import CHARGER, START, Listed

CARD = "04A1B2C3"
KARI, OLA = "Kari", "Ola"
OFFLINE = Commit.OFFLINE | Commit.RELIABLE_CLOCK


@pytest.fixture
async def site(connection_string: str, clock: HandClock) -> AsyncIterator[Listed]:
    built = Listed(connection_string, clock, 1)
    yield built
    await built.services.close()


async def observe_completed(site: Listed, number: int) -> None:
    """The charger says what the session was begun with (723)."""
    end = START + timedelta(hours=1)
    completed = {"SessionId": site.session(number), "AuthenticationCode": f"nfc-{CARD}", "Energy": 5.5}
    times = {"StartDateTime": START.isoformat(), "EndDateTime": end.isoformat(), "ReliableClock": True}
    observation = Observation(CHARGER, 723, end, json.dumps(completed | times))
    await site.services.streams.intake.keep_each([observation])


async def test_a_card_that_only_the_charger_named_and_that_is_registered_later_is_found_by_the_daily_reading(
    site: Listed,
) -> None:
    await site.services.directory.register([Charger(id=CHARGER, installation_id=site.installation.id)])
    await observe_completed(site, 1)
    await site.read([site.item(1, commitmetadata=OFFLINE)])
    assert (await site.log())[1].driver is None
    await site.register(CARD, OLA)
    await site.read([site.item(1, commitmetadata=OFFLINE)])
    assert (await site.log())[1].driver is None, "the reading every ten minutes looks for nothing anew"
    await site.read([site.item(1, commitmetadata=OFFLINE)], anew=True)
    assert (await site.log())[1].driver == OLA


@pytest.mark.parametrize("first", ["charger", "list"])
async def test_a_charger_whose_installation_is_not_known_yet_names_the_card_all_the_same(
    site: Listed, first: str
) -> None:
    await site.register(CARD, OLA)
    if first == "charger":
        await observe_completed(site, 1)
    await site.read([site.item(1, commitmetadata=OFFLINE)])
    if first == "list":
        await observe_completed(site, 1)
    assert (await site.log())[1].driver == OLA


@pytest.mark.parametrize("first", ["old", "new"])
async def test_the_card_tells_whose_a_replacement_is_where_nobody_knows_who_was_let_in(
    site: Listed, first: str
) -> None:
    await site.let_in(1, None, await site.register(CARD, OLA))
    items = [site.voided(1, replaced_by=2), site.item(2, tokenname=CARD)]
    for one in items if first == "old" else reversed(items):
        await site.read([one])
    assert (await site.log())[2].driver == OLA


@pytest.mark.parametrize("first", ["closed", "committed"])
@pytest.mark.parametrize("bits", [None, 0, Commit.ONLINE])
async def test_what_the_charger_committed_stands_over_what_zapcloud_closed_before(
    site: Listed, first: str, bits: int | None
) -> None:
    closed = site.item(1, energy=3.0, enddatetime="2026-03-02T07:00:00", commitenddatetime=None, commitmetadata=bits)
    committed = site.item(1, energy=7.5, enddatetime="2026-03-02T07:00:00", commitenddatetime="2026-03-02T06:30:00")
    for one in [closed, committed] if first == "closed" else [committed, closed]:
        await site.read([one])
    entry = (await site.log())[1]
    assert (entry.energy_kwh, entry.flags) == (7.5, (Flag.NOT_OURS,))
    facts = len((await site.view(1)).timeline)
    await site.read([committed])
    assert len((await site.view(1)).timeline) == facts


async def test_a_session_that_was_taken_back_needs_no_end(site: Listed) -> None:
    await site.let_in(1, KARI)
    endless = {"enddatetime": None, "commitenddatetime": None}
    await site.read([site.voided(1, replaced_by=2, **endless), site.item(2)])
    log = await site.log()
    assert (log[1].status, log[1].billable, log[1].replaced_by) == (Status.ENDED, False, site.session(2))
    assert (log[2].driver, log[2].billable) == (KARI, True)


async def test_a_running_session_is_not_over(site: Listed) -> None:
    await site.read([site.item(1, enddatetime=None, commitenddatetime=None, commitmetadata=None)])
    assert await site.log() == {}


async def test_an_end_that_is_placed_while_it_is_listed_among_nobodys_is_listed_once(
    site: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The web hook looks at the session, charge history says where it was and lists it there, and only then the hook
    lists what it saw."""
    put = SessionIndex.put
    waiting = [site.item(1)]

    async def late(index: SessionIndex, entry: SessionEntry) -> None:
        if entry.installation_id is None and waiting:
            await site.read([waiting.pop()])
        await put(index, entry)

    monkeypatch.setattr(SessionIndex, "put", late)
    await site.end_hook(1, None)
    assert not waiting
    assert {number: entry.installation_id for number, entry in (await site.log()).items()} == {1: site.installation.id}
