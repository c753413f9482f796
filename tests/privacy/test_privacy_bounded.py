"""A run ends in time however much there is to do, costs few requests, and trouble with one person holds up no other."""

import itertools
import json
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions import retention as timer
from functions import timed as timing
from functions.services import Services, build
from shared.access.card import token_id
from shared.privacy.erasure import Erasures
from shared.privacy.identity import driver_id
from shared.privacy.places import FORMER, Places
from shared.privacy.retention import Retention
from shared.sessions.view import Event
from shared.storage.codec import to_properties
from shared.storage.drivers import Erasure
from shared.storage.sessions import Fact, Sessions
from shared.storage.table import Change, Tables
from shared.storage.tokens import Token
from tests.conftest import IDENTITY_KEY, HandClock, settings_for
from tests.privacy.test_privacy_erasure import ID, NAME, assert_forgotten, everything, known, see_through
from tests.secrecy import WatchedTransport
from tests.sessions.site import Site

INSTALLATION = "10000000-0000-4000-8000-000000000001"
CHARGER = "10000000-0000-4000-9000-000000000001"


def leaping(seconds: float) -> Callable[[], float]:
    """A clock by which so many seconds pass whenever somebody looks."""
    return itertools.count(step=seconds).__next__


async def sessions_of(services: Services, tables: Tables, number: int, sources: Sequence[str]) -> None:
    """Sessions of Kari that begin now, of each a fact from every source, which names her."""
    log, now = Sessions(tables), services.clock()
    told = {"driver": NAME, "installationId": INSTALLATION, "chargerId": CHARGER, "energyKwh": 1.0}
    for session in range(number):
        session_id = f"20000000-0000-4000-8000-{session:012x}"
        for source in sources:
            await log.add(session_id, Fact(at=now, source=source, event=Event.ENDED, data=told), now)
        await services.ledger.project(session_id)


async def cards_of(tables: Tables, driver: str, number: int, first: int = 0) -> None:
    """So many cards of a driver, registered many at once."""
    cards = [f"04A1B2FF{card:06X}" for card in range(first, first + number)]
    tokens = sorted(
        (Token(id=token_id(IDENTITY_KEY, card), token=card, driver=driver) for card in cards), key=_partition
    )
    for partition, members in itertools.groupby(tokens, _partition):
        changes = [Change("insert", partition, token.id, to_properties(token)) for token in members]
        for batch in itertools.batched(changes, 100, strict=False):
            await tables["Tokens"].transact(batch)


def _partition(token: Token) -> str:
    return token.id[:2]


def retention_of(services: Services, clock: HandClock, tables: Tables, monotonic: Callable[[], float]) -> Retention:
    kept_days = {"sessions": 30, "decisions": 0, "history": 0, "quarantine": 0}
    log = Sessions(tables)
    return Retention(
        clock.now, tables, services.drivers, log, services.quarantine, services.ledger, kept_days, monotonic
    )


def erasures_of(services: Services, clock: HandClock, tables: Tables, monotonic: Callable[[], float]) -> Erasures:
    log, tokens = Sessions(tables), services.tokens
    places = Places(IDENTITY_KEY, tables, log, tokens)
    parts = (tables, services.drivers, log, tokens, services.quarantine, services.ledger, places)
    return Erasures(clock.now, IDENTITY_KEY, *parts, monotonic)


async def named(services: Services, number: int) -> int:
    """How many of the sessions have a driver's name."""
    views = [await services.ledger.view(f"20000000-0000-4000-8000-{session:012x}") for session in range(number)]
    return sum(view is not None and view.driver == NAME for view in views)


async def test_a_run_of_retention_stops_after_four_minutes_and_the_next_goes_on(
    services: Services, tables: Tables, clock: HandClock
) -> None:
    await sessions_of(services, tables, 101, ["end-hook"])
    clock.advance(31 * 86400)
    await retention_of(services, clock, tables, leaping(130)).run()
    assert await named(services, 101) == 1
    assert (await services.drivers.retention()).stage == "sessions"
    await retention_of(services, clock, tables, leaping(130)).run()
    assert await named(services, 101) == 0
    assert (await services.drivers.retention()).stage == ""


async def test_erasures_share_four_minutes_and_the_next_run_goes_on(
    services: Services, tables: Tables, clock: HandClock
) -> None:
    people = [driver_id(IDENTITY_KEY, name) for name in (NAME, "Ola Hansen")]
    for person in people:
        begun = await erasures_of(services, clock, tables, leaping(15)).erase(person)
        assert begun.stage == FORMER, "a request takes one piece, since twenty seconds are over then"
    clock.advance(61)
    runs = 0
    while not all(one.done_at for one in await services.drivers.erasures()):
        await erasures_of(services, clock, tables, leaping(50)).run()
        runs += 1
    assert 5 < runs < 15


async def test_letting_go_of_a_driver_takes_few_requests(
    services: Services, connection_string: str, tables: Tables, clock: HandClock
) -> None:
    await sessions_of(services, tables, 20, ["completed-session", "end-hook", "charge-history"])
    clock.advance(31 * 86400)
    transport = WatchedTransport([])
    counted = build(
        settings_for(connection_string, clock, retention_sessions_days=30), Tables(connection_string, transport)
    )
    await counted.retention.run()
    await counted.close()
    assert await named(services, 20) == 0
    assert transport.requests <= 6 * 20 + 15


async def test_an_export_reads_a_thousand_rows_at_a_time(
    connection_string: str, tables: Tables, clock: HandClock
) -> None:
    async def requests() -> int:
        transport = WatchedTransport([])
        counted = build(settings_for(connection_string, clock), Tables(connection_string, transport))
        await counted.person_export.of(ID)
        await counted.close()
        return transport.requests

    await cards_of(tables, "Ola Hansen", 10)
    few = await requests()
    await cards_of(tables, "Ola Hansen", 990, first=10)
    assert await requests() - few == 2, "one look beyond the thousandth"


async def test_a_driver_of_a_thousand_cards_is_erased(
    site: Site, card: str, connection_string: str, tables: Tables, clock: HandClock
) -> None:
    await known(site, card)
    await cards_of(tables, NAME, 1000)
    await site.services.erasures.erase(ID)
    erasure = await see_through(site.services, clock)
    assert erasure.tokens == 1001
    assert_forgotten(await everything(connection_string), card)
    assert "04A1B2FF" not in await everything(connection_string)


async def test_an_erasure_that_fails_holds_up_no_other(
    site: Site, card: str, connection_string: str, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    await known(site, card)
    await site.services.erasures.erase(ID)
    too_many = await one_that_cannot_be_stored(site.services, tables, before=ID)
    with caplog.at_level(logging.WARNING, "zapbridge"):
        await see_through(site.services, site.clock)
    assert_forgotten(await everything(connection_string), card)
    said = [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]
    failed = [event for event in said if event["event"] == "driver.erasure_failed"]
    assert [event["driverId"] for event in failed] == [too_many]


async def one_that_cannot_be_stored(services: Services, tables: Tables, before: str) -> str:
    """The id, less than that of another, of a person whose row has no more room for what their cards teach."""
    fleet = next(name for name in map("Fleet {}".format, itertools.count()) if driver_id(IDENTITY_KEY, name) < before)
    await cards_of(tables, fleet, 100)
    now = services.clock()
    identity = driver_id(IDENTITY_KEY, fleet)
    full = Erasure(
        id=identity,
        pseudonym="erased-0",
        erased_at=now,
        begun_at=now,
        marks=(identity,),
        texts=("x" * 522_000,),
        stage="Tokens",
    )
    assert await services.drivers.set_erasure(full, None)
    return identity


async def test_retention_runs_though_no_erasure_can_be_read(
    site: Site, card: str, tables: Tables, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await site.ask("04DEADBEEF")
    await site.services.behind.settled()
    site.clock.advance(91 * 86400)
    await tables["Drivers"].insert("erasure", "f" * 32, {"marks": "of a newer version"})
    for module in (timer, timing):
        monkeypatch.setattr(module, "services", lambda: site.services)
    with caplog.at_level(logging.INFO, "zapbridge"):
        await timer.retain.build().get_user_function()(None)
    said: list[dict[str, Any]] = [json.loads(one.getMessage()) for one in caplog.records if one.name == "zapbridge"]
    assert [event["event"] for event in said[-2:]] == ["retention.applied", "upkeep.failed"]
    start = site.clock.now() - timedelta(days=100)
    assert await site.services.decisions.refusals(site.id, start, 1000) == []
