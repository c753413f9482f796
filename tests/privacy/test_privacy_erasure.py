"""Whoever is erased is in no table any more, whatever came before or comes after, and not a watt-hour is lost."""

import json
from datetime import datetime, timedelta
from typing import Any

from azure.data.tables.aio import TableServiceClient

from functions.services import Services
from shared.access.card import token_id
from shared.observations.observation import Observation
from shared.privacy.identity import driver_id
from shared.sessions.view import Source
from shared.storage.drivers import Driver, Erasure
from shared.storage.session_index import SessionEntry
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY, HandClock
from tests.sessions.site import Site

NAME, FULL_NAME, EMAIL, PHONE = "Kari Nordmann", "Kari Anne Nordmann", "kari@example.test", "+47 912 34 567"
USER = "30000000-0000-4000-8000-000000000001"
ID = driver_id(IDENTITY_KEY, NAME)
OTHER = "Ola Hansen"


async def everything(connection_string: str) -> str:
    """All rows of all tables as one text, quarantined bodies decoded."""
    told = []
    async with TableServiceClient.from_connection_string(connection_string) as account:
        async for table in account.list_tables():
            async for entity in account.get_table_client(table.name).list_entities():
                values = {
                    name: value.decode(errors="replace") if isinstance(value, bytes) else value
                    for name, value in entity.items()
                }
                told.append(f"{table.name} {json.dumps(values, default=str, ensure_ascii=False)}")
    return "\n".join(told)


def assert_forgotten(told: str, card: str) -> None:
    for text in (NAME, FULL_NAME, EMAIL, PHONE, USER, card):
        found = [line[:300] for line in told.splitlines() if text.casefold() in line.casefold()]
        assert not found, f"{text}: {found}"
    rows = [line for line in told.splitlines() if token_id(IDENTITY_KEY, card) in line]
    assert all(row.startswith("Drivers ") for row in rows), rows


async def finish(site: Site) -> Erasure:
    """Erase, and let the timer see it through."""
    await site.services.erasures.erase(ID)
    return await see_through(site.services, site.clock)


async def see_through(services: Services, clock: HandClock) -> Erasure:
    clock.advance(61)
    await services.erasures.run()
    stored = await services.drivers.erasure(ID)
    assert stored
    assert stored.erasure.done_at, stored
    return stored.erasure


def history(session_id: str, site: Site, at: datetime, energy_kwh: float = 2.0, **changes: Any) -> tuple[Any, ...]:
    report = EndReport(session_id, at, at + timedelta(hours=1), energy_kwh, changes.pop("signed", None))
    said = {"chargerId": site.charger, "userName": NAME, "userEmail": EMAIL, "userId": USER, "tokenName": NAME}
    return report, Source.CHARGE_HISTORY, site.id, said | changes


async def known(site: Site, card: str) -> dict[str, str]:
    """Kari in every place there is: registered, charged, charging, granted, refused, observed, and misunderstood."""
    services, clock = site.services, site.clock
    await services.drivers.put(
        Driver(id=ID, driver=NAME, name=FULL_NAME, email=EMAIL, phone=PHONE, groups=("board",), zaptec_user_id=USER)
    )
    await site.register(card, NAME)
    charged = await site.start(card)
    await site.end(charged, 7.5)
    await services.end_hook.record(*history(charged, site, clock.now(), 7.5, signed=signed_by(card)))
    native = "20000000-0000-4000-8000-000000000002"
    await services.end_hook.record(*history(native, site, clock.now(), 3.25))
    clock.advance(600)
    charging = await site.start(card)
    await site.grant(NAME)
    await site.register(card, NAME, blocked=True)
    await site.ask(card, site.other_charger)
    await site.register(card, NAME)
    completed = json.dumps(
        {
            "SessionId": charged,
            "AuthenticationCode": f"nfc-{card}",
            "Energy": 7.5,
            "SignedSession": signed_by(card) * 40,
        }
    )
    await services.streams.intake.keep_each(
        [
            Observation(site.charger, 723, clock.now(), completed),
            Observation(site.charger, 722, clock.now(), USER),
            Observation(site.charger, 750, clock.now(), f"nfc-{card}"),
            Observation(site.charger, 710, clock.now(), "3"),
        ]
    )
    await services.quarantine.keep("session-end", "is no JSON", b'{"name": "KARI nordmann", ', clock.now())
    await services.quarantine.keep(
        "session-end", "is no JSON", f'{{"card": "{card[:4]}-{card[4:]}"'.encode(), clock.now()
    )
    await services.quarantine.keep("session-end", "is no JSON", b'{"name": "Karianne"', clock.now())
    await services.behind.settled()
    return {"charged": charged, "native": native, "charging": charging}


def signed_by(card: str) -> str:
    reading = {"TM": "2026-03-02T06:00:00,000+0000 R", "TX": "B", "RV": 1.0, "RI": "1-0:1.8.0", "RU": "kWh", "ST": "G"}
    serial = {"GS": "ZAP000001", "MS": "ZAP000001"}
    payload = {"FV": "1.0", "PG": "T1", **serial, "IS": True, "IT": "ISO14443", "ID": card, "RD": [reading]}
    return f'OCMF|{json.dumps(payload)}|{{"SD": "00"}}'


async def test_nothing_in_any_table_tells_of_the_person_afterwards(
    site: Site, card: str, connection_string: str
) -> None:
    await known(site, card)
    before = await everything(connection_string)
    assert all(text in before for text in (NAME, FULL_NAME, EMAIL, PHONE, USER, card)), "the test would prove nothing"
    await finish(site)
    assert_forgotten(await everything(connection_string), card)


async def test_the_energy_stays_and_is_one_strangers(site: Site, card: str) -> None:
    sessions = await known(site, card)
    before = await site.listed()
    erasure = await finish(site)
    after = await site.listed()
    assert (erasure.sessions, erasure.tokens) == (3, 1)
    assert {one: _figures(entry) for one, entry in after.items()} == {
        one: _figures(entry) for one, entry in before.items()
    }
    for session_id in sessions.values():
        assert after[session_id].driver == erasure.pseudonym
        assert (await site.view(session_id)).driver == erasure.pseudonym
    assert erasure.pseudonym.startswith("erased-")


def _figures(entry: SessionEntry) -> tuple[Any, ...]:
    return (
        entry.energy_kwh,
        entry.start,
        entry.end,
        entry.status,
        entry.billable,
        entry.flags,
        entry.source,
        entry.history,
    )


async def test_what_tells_of_others_stays_as_it_was(site: Site, card: str) -> None:
    await site.register("04FFFFFF", OTHER)
    theirs = await site.start("04FFFFFF", site.other_charger)
    await site.end(theirs, 4.0)
    unread = await site.services.quarantine.keep("session-end", "is no JSON", b'{"name": "Karianne"', site.clock.now())
    await known(site, card)
    before = await site.view(theirs)
    await finish(site)
    assert await site.view(theirs) == before
    assert (await site.listed())[theirs].driver == OTHER
    assert await site.services.tokens.get(token_id(IDENTITY_KEY, "04FFFFFF"))
    quarantine = site.services.quarantine
    assert [item.id for item in await quarantine.newest() if await quarantine.body(item.id)] == [unread]


async def test_the_card_opens_nothing_any_more(site: Site, card: str) -> None:
    sessions = await known(site, card)
    await site.end(sessions["charging"])
    await site.services.erasures.erase(ID)
    assert (await site.ask(card, site.other_charger)).outcome != "authorized"


async def test_a_session_under_way_ends_as_any_other(site: Site, card: str, connection_string: str) -> None:
    sessions = await known(site, card)
    erasure = await finish(site)
    await site.end(sessions["charging"], 9.0)
    view = await site.view(sessions["charging"])
    assert (view.driver, view.energy_kwh, view.status) == (erasure.pseudonym, 9.0, "ended")
    assert_forgotten(await everything(connection_string), card)


async def test_reading_the_same_list_again_brings_nothing_back(site: Site, card: str, connection_string: str) -> None:
    sessions = await known(site, card)
    start = site.clock.now() - timedelta(seconds=600)
    await finish(site)
    before = await everything(connection_string)
    await site.services.end_hook.record(*history(sessions["native"], site, start, 3.25))
    assert await everything(connection_string) == before


async def test_a_changed_item_of_the_list_counts_and_brings_no_name_back(
    site: Site, card: str, connection_string: str
) -> None:
    sessions = await known(site, card)
    start = site.clock.now() - timedelta(seconds=600)
    erasure = await finish(site)
    await site.services.end_hook.record(*history(sessions["native"], site, start, 3.75))
    view = await site.view(sessions["native"])
    assert (view.energy_kwh, view.driver) == (3.75, erasure.pseudonym)
    assert_forgotten(await everything(connection_string), card)


async def test_a_session_from_before_that_is_heard_of_only_now_is_the_strangers(
    site: Site, card: str, connection_string: str
) -> None:
    await known(site, card)
    start = site.clock.now() - timedelta(days=3)
    erasure = await finish(site)
    offline = "20000000-0000-4000-8000-000000000003"
    await site.services.end_hook.record(*history(offline, site, start, 5.0, tokenName=None, userName=None))
    assert (await site.view(offline)).driver == erasure.pseudonym
    assert_forgotten(await everything(connection_string), card)


async def test_states_read_again_from_zapcloud_bring_no_card_back(
    site: Site, card: str, connection_string: str
) -> None:
    await known(site, card)
    at = site.clock.now()
    await finish(site)
    again = [Observation(site.charger, 750, at, f"nfc-{card}"), Observation(site.charger, 722, at, USER)]
    await site.services.streams.intake.keep_each(again)
    assert_forgotten(await everything(connection_string), card)


async def test_whoever_registers_again_is_a_driver_like_any_other(site: Site, card: str) -> None:
    sessions = await known(site, card)
    await site.end(sessions["charging"])
    erasure = await finish(site)
    await site.register(card, NAME)
    anew = await site.start(card)
    await site.end(anew, 2.0)
    assert (await site.view(anew)).driver == NAME
    assert (await site.view(sessions["charged"])).driver == erasure.pseudonym


async def test_a_driver_nobody_entered_is_erased_by_the_id_alone(site: Site, card: str, connection_string: str) -> None:
    await site.register(card, NAME)
    charged = await site.start(card)
    await site.end(charged, 1.0)
    await site.services.tokens.delete(token_id(IDENTITY_KEY, card))
    await site.ask(card)
    await site.services.behind.settled()
    assert card in await everything(connection_string), "a deleted card that was shown is listed as unknown"
    erasure = await finish(site)
    assert (await site.view(charged)).driver == erasure.pseudonym
    assert_forgotten(await everything(connection_string), card)


async def test_a_session_under_way_counts_once_however_long_it_has_been(site: Site, card: str) -> None:
    """Half a minute after a start every instance looks at the erasures before it writes the start down again."""
    await site.register(card, NAME)
    charging = await site.start(card)
    site.clock.advance(31)
    assert (await site.services.erasures.erase(ID)).sessions == 1
    erasure = await see_through(site.services, site.clock)
    assert (erasure.sessions, (await site.view(charging)).driver) == (1, erasure.pseudonym)


async def test_asked_again_within_the_hour_it_says_that_it_is_done(site: Site, card: str) -> None:
    await known(site, card)
    done = await finish(site)
    site.clock.advance(3599)
    assert await site.services.erasures.erase(ID) == done
    assert (done.sessions, done.tokens) == (3, 1)


async def test_asked_again_later_it_looks_for_the_person_anew(site: Site, card: str, connection_string: str) -> None:
    """Who charges again while ZapCloud decides needs no token, and is named by charge history."""
    await known(site, card)
    first = await finish(site)
    site.clock.advance(1800)
    again = "20000000-0000-4000-8000-000000000004"
    await site.services.end_hook.record(*history(again, site, site.clock.now(), 1.5))
    assert (await site.view(again)).driver == NAME
    site.clock.advance(1800)
    second = await finish(site)
    assert (second.pseudonym, second.sessions) == (first.pseudonym, 1)
    assert_forgotten(await everything(connection_string), card)


async def test_whoever_got_a_card_since_is_erased_anew_at_once(site: Site, card: str, connection_string: str) -> None:
    await known(site, card)
    first = await finish(site)
    await site.register(card, NAME)
    second = await finish(site)
    assert (second.pseudonym, second.tokens) == (first.pseudonym, 1)
    assert_forgotten(await everything(connection_string), card)


async def test_whoever_was_entered_since_is_erased_anew_at_once(site: Site, card: str, connection_string: str) -> None:
    await known(site, card)
    first = await finish(site)
    await site.services.drivers.put(Driver(id=ID, driver=NAME, email=EMAIL))
    assert (await finish(site)).erased_at > first.erased_at
    assert_forgotten(await everything(connection_string), card)


async def test_erasing_again_is_erasing_once(site: Site, card: str, connection_string: str) -> None:
    await known(site, card)
    first = await finish(site)
    listed = await site.listed()
    site.clock.advance(3600)
    second = await finish(site)
    assert second.pseudonym == first.pseudonym
    assert (second.sessions, second.tokens) == (0, 0)
    assert await site.listed() == listed
    assert_forgotten(await everything(connection_string), card)
