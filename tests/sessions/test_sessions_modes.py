"""What the three modes promise, above all the one to go live with: nobody is locked out, everything is noted."""

import msgspec
import pytest

from functions.services import Services
from shared.access.verdict import Verdict
from shared.errors import StorageUnavailable
from shared.sessions.start import Outcome, StartAnswer
from tests.conftest import HandClock
from tests.sessions.site import ZAPCLOUD, Site

KARI, BLOCKED = "04A1B2AAAA0001", "04A1B2DDDD0004"


@pytest.fixture
async def observed(services: Services, clock: HandClock) -> Site:
    site = Site(services, clock)
    await site.set_up(mode="observe")
    return site


async def send(site: Site, body: object) -> StartAnswer:
    return await site.services.start_hook.answer(ZAPCLOUD, msgspec.json.encode(body))


async def test_observe_lets_a_driver_without_a_card_in_after_the_grace_time(observed: Site) -> None:
    for _ in range(6):
        assert (await observed.ask()).outcome is Outcome.NOT_AUTHORIZED
        observed.clock.advance(10)
    view = await observed.view(await observed.start())
    assert (view.driver, view.verdict) == (None, Verdict.NO_CARD)


async def test_observe_gives_the_next_driver_the_grace_time_anew(observed: Site) -> None:
    for _ in range(6):
        await observed.ask()
        await observed.services.behind.settled()
        observed.clock.advance(10)
    first = await observed.start()
    observed.clock.advance(20)
    await observed.end(first)
    observed.clock.advance(5)
    assert (await observed.ask()).outcome is Outcome.NOT_AUTHORIZED


async def test_observe_forgets_a_driver_who_left_while_waiting(observed: Site) -> None:
    await observed.ask()
    observed.clock.advance(300)
    assert (await observed.ask()).outcome is Outcome.NOT_AUTHORIZED


@pytest.mark.parametrize("grace_s", [0, 60, 85, 120, 240])
async def test_observe_lets_everybody_in_within_the_five_minutes_of_polling(
    services: Services, clock: HandClock, grace_s: int
) -> None:
    site = Site(services, clock)
    await site.set_up(mode="observe", cardGraceSeconds=grace_s)
    outcomes = []
    for _ in range(30):
        outcomes.append((await site.ask()).outcome)
        await services.behind.settled()
        clock.advance(10)
    assert outcomes.index(Outcome.AUTHORIZED) == max(1, -(-grace_s // 10))


async def test_observe_gives_the_driver_after_one_who_left_time_to_find_the_card(observed: Site) -> None:
    await observed.register(KARI, "Kari")
    for _ in range(5):
        await observed.ask()
        await observed.services.behind.settled()
        observed.clock.advance(10)
    observed.clock.advance(20)
    assert (await observed.ask()).outcome is Outcome.NOT_AUTHORIZED, "another car: the grace time begins anew"
    observed.clock.advance(8)
    assert (await observed.view(await observed.start(KARI))).driver == "Kari"


async def test_an_unreadable_card_does_not_get_the_session_of_a_grant(observed: Site) -> None:
    await observed.grant("Guest")
    guests = await observed.start()
    observed.clock.advance(15)
    unreadable = {"chargerId": observed.charger, "installationId": observed.id, "tokenCode": {"odd": 1}}
    first, again = await send(observed, unreadable), await send(observed, unreadable)
    assert first.session_id != guests
    assert first.session_id == again.session_id, "the same body again is the same request"


async def test_a_blocked_card_is_refused_even_if_that_cannot_be_recorded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage fails between the verdict and its record; no real outage can be timed that finely."""
    await site.register(BLOCKED, "Per", blocked=True)

    async def fail(*_: object) -> None:
        raise StorageUnavailable("just now")

    monkeypatch.setattr(site.services.decisions, "refused", fail)
    assert (await site.ask(BLOCKED)).outcome is Outcome.NOT_AUTHORIZED


async def test_observe_lets_a_card_in_at_once_with_the_verdict_enforce_would_give(observed: Site) -> None:
    await observed.register(KARI, "Kari")
    await observed.register(BLOCKED, "Per", blocked=True)
    verdicts = {}
    for card in (KARI, BLOCKED, "04A1B2EEEE0005"):
        view = await observed.view(await observed.start(card))
        verdicts[view.verdict] = view.driver
        await observed.end(view.session_id)
    assert verdicts == {Verdict.ALLOWED: "Kari", Verdict.BLOCKED: "Per", Verdict.UNKNOWN: None}


async def test_after_a_day_of_observing_the_list_of_unknown_cards_is_complete(observed: Site) -> None:
    await observed.register(KARI, "Kari")
    unknown = {f"04A1B2{number:08X}" for number in range(25)}
    for card in [KARI, *sorted(unknown), *sorted(unknown)[:5]]:
        observed.clock.advance(600)
        await observed.end(await observed.start(card))
    assert {seen.token for seen in await observed.services.decisions.seen_tokens(observed.id)} == unknown


async def test_observe_lets_in_what_it_cannot_understand(observed: Site) -> None:
    for body in (
        {"chargerId": observed.charger, "installationId": observed.id, "tokenCode": {"odd": 1}},
        {"installationId": observed.id, "something": "else"},
    ):
        answer = await send(observed, body)
        assert answer.outcome is Outcome.AUTHORIZED
        assert (await observed.view(answer.session_id)).verdict == "not-understood"
    assert len(await observed.services.quarantine.newest()) == 2


async def test_enforce_refuses_what_it_cannot_understand_and_names_the_field(site: Site) -> None:
    answer = await send(site, {"chargerId": site.charger, "installationId": site.id, "tokenCode": ["odd"]})
    assert answer.outcome is Outcome.NOT_AUTHORIZED
    assert "token" in answer.message
    assert len(await site.services.quarantine.newest()) == 1


async def test_enforce_refuses_unknown_places(site: Site) -> None:
    strange = "30000000-0000-4000-8000-000000000001"
    await site.register(KARI, "Kari")
    for place in ({"chargerId": strange, "installationId": site.id}, {"chargerId": strange, "installationId": strange}):
        assert (await send(site, place | {"tokenCode": KARI})).outcome is Outcome.NOT_AUTHORIZED


async def test_a_refused_card_is_recorded_with_its_reason(site: Site) -> None:
    await site.register(BLOCKED, "Per", blocked=True)
    assert (await site.ask(BLOCKED)).outcome is Outcome.NOT_AUTHORIZED
    (refusal,) = await site.services.decisions.refusals(site.id, site.clock.now(), 10)
    assert (refusal.reason, refusal.charger_id) == (Verdict.BLOCKED, site.charger)


async def test_open_lets_everybody_in_at_once(services: Services, clock: HandClock) -> None:
    site = Site(services, clock)
    await site.set_up(mode="open")
    await site.register(KARI, "Kari")
    assert (await site.view(await site.start())).driver is None
    assert (await site.view(await site.start(KARI, site.other_charger))).driver == "Kari"


async def test_a_charger_is_found_by_its_serial_under_any_name(site: Site) -> None:
    await site.register(KARI, "Kari")
    charger = await site.services.directory.charger(site.charger)
    assert charger
    answer = await send(site, {"whatever": charger.device_id.lower(), "RFID": KARI})
    assert answer.outcome is Outcome.AUTHORIZED
    assert (await site.view(answer.session_id)).charger_id == site.charger
