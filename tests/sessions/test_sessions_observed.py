"""What the message stream says of a charge moves the session log: began, energy so far, completed, cable out."""

import itertools
import json
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from functions.services import Services
from shared.observations.folding import fold
from shared.observations.observation import Observation
from shared.sessions.view import Event, Source, Status
from shared.streams.running import UnderWay, energy_so_far_kwh
from tests.conftest import HandClock
from tests.sessions.site import Site

MODE, SESSION, CARD, COMPLETED, ENERGY = 710, 721, 722, 723, 553
numbers = itertools.count(1)


class Stream:
    """The charger's observations, made at the clock's instant and stored as if the trigger had brought them."""

    def __init__(self, services: Services, clock: HandClock, site: Site) -> None:
        self.services = services
        self.clock = clock
        self.site = site

    def make(self, state: int, value: str, ago: float = 0.0) -> Observation:
        return Observation(self.site.charger, state, self.clock.now() - timedelta(seconds=ago), value)

    async def bring(self, *observations: Observation) -> None:
        await self.services.streams.intake.keep(fold(observations))

    async def say(self, state: int, value: str) -> None:
        await self.bring(self.make(state, value))

    def completed(self, session_id: str, card: str = "", energy_kwh: float = 7.5, **changes: Any) -> Observation:
        value = {
            "SessionId": session_id,
            "Energy": energy_kwh,
            "StartDateTime": (self.clock.now() - timedelta(hours=1)).isoformat(),
            "EndDateTime": self.clock.now().isoformat(),
            "ReliableClock": True,
            "StoppedByRFID": False,
            "AuthenticationCode": card,
        }
        return self.make(COMPLETED, json.dumps(value | changes))


@pytest.fixture
def stream(services: Services, clock: HandClock, site: Site) -> Stream:
    return Stream(services, clock, site)


async def test_a_charge_is_seen_from_its_beginning_to_the_cable(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    assert (await site.view(session)).status is Status.AUTHORIZED

    clock.advance(4)
    await stream.bring(stream.make(SESSION, session), stream.make(MODE, "3"))
    view = await site.view(session)
    assert view.status is Status.CHARGING
    assert [fact.event for fact in view.timeline] == [Event.AUTHORIZED, Event.CHARGING]

    clock.advance(1800)
    await stream.say(ENERGY, "5.500")
    under_way = UnderWay(session, site.charger, site.id)
    assert await energy_so_far_kwh(stream.services.streams.reader, [under_way]) == {session: 5.5}

    clock.advance(1800)
    await stream.say(MODE, "1")
    assert (await site.view(session)).status is Status.DISCONNECTED

    await stream.bring(stream.completed(session, f"nfc-{card}"))
    view = await site.view(session)
    assert (view.status, view.energy_kwh, view.source) == (Status.ENDED, 7.5, Source.COMPLETED_SESSION)
    assert view.driver == "Kari"

    await site.end(session, energy_kwh=7.504, SessionStart=(clock.now() - timedelta(hours=1)).isoformat())
    view = await site.view(session)
    assert (view.energy_kwh, view.source) == (7.504, Source.END_HOOK)
    assert not view.contradicted


async def test_the_energy_of_another_session_at_the_charger_is_not_taken_for_this_ones(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    await stream.say(ENERGY, "31.000")
    clock.advance(60)
    session = await site.start(card)
    clock.advance(2)
    under_way = UnderWay(session, site.charger, site.id)
    assert await energy_so_far_kwh(stream.services.streams.reader, [under_way]) == {}
    await stream.say(SESSION, session)
    assert await energy_so_far_kwh(stream.services.streams.reader, [under_way]) == {}


async def test_any_order_and_repetition_of_observations_gives_one_session(
    site: Site, stream: Stream, clock: HandClock, card: str, seed: int
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    clock.advance(5)
    said = [stream.make(SESSION, session), stream.make(MODE, "3")]
    clock.advance(3600)
    said += [stream.make(MODE, "5"), stream.make(MODE, "1"), stream.completed(session, f"nfc-{card}")]
    shuffled = said * 3
    Random(seed).shuffle(shuffled)
    for observation in shuffled:
        await stream.bring(observation)

    view = await site.view(session)
    assert (view.status, view.energy_kwh, view.driver) == (Status.ENDED, 7.5, "Kari")
    assert sum(fact.event == Event.ENDED for fact in view.timeline) == 1
    assert (await site.listed())[session].status == Status.ENDED


async def test_a_car_that_pauses_and_goes_on_began_once(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    for mode in ("3", "5", "3", "5", "3"):
        clock.advance(60)
        await stream.say(MODE, mode)
    view = await site.view(session)
    assert [fact.event for fact in view.timeline] == [Event.AUTHORIZED, Event.CHARGING]
    assert view.timeline[1].at == clock.now() - timedelta(seconds=240)


async def test_a_completed_session_frees_the_charger_and_its_driver_even_if_the_hook_never_comes(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari", max_concurrent=1)
    session = await site.start(card)
    clock.advance(3600)
    await stream.bring(stream.completed(session, f"nfc-{card}"))
    again = await site.start(card, site.other_charger)
    assert again != session
    assert (await site.view(session)).status is Status.ENDED


async def test_a_session_begun_offline_belongs_to_the_driver_of_its_card(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    offline = "50000000-0000-4000-8000-000000000001"
    await stream.bring(stream.completed(offline, f"nfc-{card}", energy_kwh=3.25))
    view = await site.view(offline)
    assert (view.driver, view.installation_id, view.charger_id) == ("Kari", site.id, site.charger)
    assert (view.status, view.energy_kwh) == (Status.ENDED, 3.25)
    assert offline in await site.listed()


async def test_an_offline_session_with_an_unknown_card_is_kept_without_a_driver(
    site: Site, stream: Stream, card: str
) -> None:
    offline = "50000000-0000-4000-8000-000000000002"
    await stream.bring(stream.completed(offline, f"nfc-{card}", ReliableClock=False, EndDateTime=None))
    view = await site.view(offline)
    assert (view.driver, view.status) == (None, Status.ENDED)
    assert view.token_id is not None
    assert view.timeline[0].data["reliableClock"] is False


async def test_no_card_number_stands_in_what_is_stored_of_a_session(site: Site, stream: Stream, card: str) -> None:
    offline = "50000000-0000-4000-8000-000000000003"
    await stream.bring(stream.completed(offline, f"nfc-{card}"))
    view = await site.view(offline)
    assert card not in json.dumps([fact.data for fact in view.timeline])


async def test_figures_that_differ_are_said_to_contradict_each_other(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    clock.advance(3600)
    await stream.bring(stream.completed(session, energy_kwh=7.5))
    start = (clock.now() - timedelta(hours=1)).isoformat()
    await site.end(session, energy_kwh=9.0, SessionStart=start)
    view = await site.view(session)
    assert view.contradicted
    assert view.energy_kwh == 9.0


@pytest.mark.parametrize("value", ["", "not JSON", "{}", '{"SessionId": "x"}', '{"SessionId": 7, "Energy": -1}', "[1]"])
async def test_a_completed_session_that_makes_no_sense_stops_nothing(
    site: Site, stream: Stream, card: str, value: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    await stream.bring(stream.make(COMPLETED, value), stream.make(SESSION, session))
    standing = await stream.services.authorizations.read(site.charger)
    assert standing.evidence.running_session_id == session


async def test_a_cable_that_was_out_before_the_claim_says_nothing_of_its_session(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    before = stream.make(MODE, "1")
    clock.advance(30)
    session = await site.start(card)
    await stream.bring(before)
    assert (await site.view(session)).status is Status.AUTHORIZED


async def test_the_sweep_asks_for_the_figures_of_a_session_whose_cable_is_out(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    clock.advance(60)
    await stream.say(MODE, "1")
    entry = (await site.listed())[session]
    waiting = await stream.services.sweep._index.unresolved(entry.partition)
    assert [(one.session_id, one.status) for one in waiting] == [(session, Status.DISCONNECTED)]


async def test_the_last_cars_departure_at_a_charger_whose_clock_is_ahead_does_not_end_the_next_cars_session(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    await site.register(card, "Kari")
    departure = stream.make(MODE, "1", ago=-120)
    await stream.bring(departure)
    clock.advance(60)
    session = await site.start(card)
    await stream.bring(msgspec.structs.replace(departure))
    assert await site.start(card) == session
    clock.advance(10)
    assert await site.start(card) == session
    assert (await site.view(session)).status is Status.AUTHORIZED


async def test_a_card_that_was_handed_over_gives_its_new_driver_none_of_the_old_sessions(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    offline = "50000000-0000-4000-8000-000000000004"
    completed = stream.completed(offline, f"nfc-{card}")
    clock.advance(30 * 86400)
    await site.register(card, "Ola", valid_from=clock.now() - timedelta(days=1))
    await stream.bring(completed)
    view = await site.view(offline)
    assert (view.driver, view.status) == (None, Status.ENDED)


@pytest.mark.parametrize("limits", [{"blocked": True}, {"installations": ("99999999-0000-4000-8000-000000000001",)}])
async def test_an_offline_session_is_not_put_down_to_a_card_that_may_not_charge_there(
    site: Site, stream: Stream, card: str, limits: dict[str, Any]
) -> None:
    offline = "50000000-0000-4000-8000-000000000005"
    await site.register(card, "Kari", **limits)
    await stream.bring(stream.completed(offline, f"nfc-{card}"))
    view = await site.view(offline)
    assert (view.driver, view.status) == (None, Status.ENDED)


async def test_a_session_that_ended_before_we_were_told_of_its_installation_is_not_logged(
    site: Site, stream: Stream, clock: HandClock, card: str
) -> None:
    """Which is what the first back-fill reads of every charger."""
    await site.register(card, "Kari")
    before, after = "50000000-0000-4000-8000-000000000006", "50000000-0000-4000-8000-000000000007"
    last_one = stream.completed(before, f"nfc-{card}")
    clock.advance(20 * 86400)
    await site.set_up(since=clock.now())
    clock.advance(60)
    await stream.bring(last_one)
    await stream.bring(stream.completed(after, f"nfc-{card}"))
    assert await stream.services.ledger.view(before) is None
    assert (await site.view(after)).driver == "Kari"
    assert set(await site.listed()) == {after}


async def test_of_two_sessions_open_at_a_charger_the_one_it_runs_is_told_its_energy(
    site: Site, stream: Stream, clock: HandClock
) -> None:
    running, stale = "50000000-0000-4000-8000-000000000008", "50000000-0000-4000-8000-000000000009"
    await stream.say(SESSION, running)
    clock.advance(60)
    await stream.say(ENERGY, "3.5")
    both = [UnderWay(session, site.charger, site.id) for session in (running, stale)]
    for sessions in (both, both[::-1]):
        assert await energy_so_far_kwh(stream.services.streams.reader, sessions) == {running: 3.5}
