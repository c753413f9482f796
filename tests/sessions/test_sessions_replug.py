"""A car is unplugged and another one comes before ZapCloud reports the end: the right driver pays for each session."""

from datetime import timedelta

import msgspec

from shared.sessions.evidence import EvidenceRecorder
from shared.sessions.start import Outcome
from shared.sessions.view import Source, Status
from shared.zapcloud.hooks import EndReport
from tests.sessions.site import Site

KARI, OLA = "04A1B2AAAA0001", "04A1B2BBBB0002"


async def test_the_same_request_again_gets_the_same_session(site: Site) -> None:
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    site.clock.advance(10)
    assert await site.start(KARI) == first
    assert list(await site.listed()) == [first]


async def test_the_same_card_after_the_replay_window_is_a_new_session(site: Site) -> None:
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    site.clock.advance(90)
    assert await site.start(KARI) != first


async def test_same_card_replugged_before_the_end_hook(site: Site) -> None:
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    site.clock.advance(40)
    assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED, "plugged in again, no card shown yet"
    site.clock.advance(5)
    second = await site.start(KARI)
    assert second != first
    await site.end(first, 0.4)
    site.clock.advance(3600)
    await site.end(second, 9.5)
    listed = await site.listed()
    assert [(listed[one].driver, listed[one].energy_kwh) for one in (first, second)] == [("Kari", 0.4), ("Kari", 9.5)]


async def test_another_card_before_the_end_hook(site: Site) -> None:
    await site.register(KARI, "Kari")
    await site.register(OLA, "Ola")
    first = await site.start(KARI)
    site.clock.advance(30)
    second = await site.start(OLA)
    assert (await site.view(first)).status is Status.SUPERSEDED
    await site.end(second, 5.0)
    await site.end(first, 2.0)
    listed = await site.listed()
    assert [(listed[one].driver, listed[one].energy_kwh) for one in (first, second)] == [("Kari", 2.0), ("Ola", 5.0)]


async def test_no_card_before_the_end_hook_is_nobodys_session(site: Site) -> None:
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    site.clock.advance(20)
    assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED
    assert list(await site.listed()) == [first]


async def test_a_second_grant_is_another_drivers_request(site: Site) -> None:
    await site.grant("Ola")
    first = await site.start()
    site.clock.advance(20)
    await site.grant("Per")
    second = await site.start()
    assert second != first
    assert [(await site.view(one)).driver for one in (first, second)] == ["Ola", "Per"]


async def test_a_grant_lets_in_once_and_not_after_it_expired(site: Site) -> None:
    await site.grant("Ola", seconds=60)
    site.clock.advance(60)
    assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED
    await site.grant("Ola")
    first = await site.start()
    await site.end(first)
    site.clock.advance(30)
    assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED, "the grant was used up"


async def test_a_lost_answer_to_a_grant_is_given_again(site: Site) -> None:
    await site.grant("Ola")
    first = await site.start()
    site.clock.advance(10)
    assert await site.start() == first


async def test_a_car_that_went_is_not_answered_again(site: Site) -> None:
    """710 = 1 later than the claim: whoever polls now is somebody else, even within the replay window."""
    evidence = EvidenceRecorder(site.services.authorizations)
    await site.grant("Ola")
    first = await site.start()
    site.clock.advance(15)
    await evidence.vehicle_disconnected(site.charger, site.clock.now())
    site.clock.advance(15)
    assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED
    await site.end(first, 0.1)
    assert (await site.view(first)).driver == "Ola"


async def test_a_late_disconnect_of_the_session_before_does_not_kill_the_claim(site: Site) -> None:
    evidence = EvidenceRecorder(site.services.authorizations)
    left_at = site.clock.now()
    site.clock.advance(30)
    await site.grant("Ola")
    first = await site.start()
    site.clock.advance(10)
    await evidence.vehicle_disconnected(site.charger, left_at)
    assert await site.start() == first


async def test_observations_out_of_order_leave_the_newest(site: Site) -> None:
    evidence = EvidenceRecorder(site.services.authorizations)
    now = site.clock.now()
    for seconds in (30, 10, 30, 20):
        await evidence.vehicle_disconnected(site.charger, now + timedelta(seconds=seconds))
    assert (await site.services.authorizations.read(site.charger)).evidence.disconnected_at == now + timedelta(
        seconds=30
    )


async def test_a_running_session_is_not_answered_again(site: Site) -> None:
    """721 equal to the claim's session: our answer arrived, so this is a new request."""
    evidence = EvidenceRecorder(site.services.authorizations)
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    await evidence.session_running(site.charger, first, site.clock.now())
    site.clock.advance(20)
    second = await site.start(KARI)
    assert second != first


async def test_an_end_before_its_start_was_stored(site: Site) -> None:
    """The start's answer overtook its own rows: the claim is there, the session is not, and the end comes."""
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    claim = (await site.services.authorizations.read(site.charger)).claim
    assert claim
    early = "20000000-0000-4000-8000-000000000001"
    await site.end(early, 3.0)
    assert not (await site.view(early)).start_known
    await site.services.ledger.authorized(msgspec.structs.replace(claim, session_id=early))
    view = await site.services.ledger.project(early)
    assert (view.driver, view.energy_kwh, view.status) == ("Kari", 3.0, Status.ENDED)
    assert set(await site.listed()) == {first, early}


async def test_a_claim_whose_session_ended_is_not_answered_again(site: Site) -> None:
    """An end that could not free the charger, because its start was not stored yet, still ends the claim."""
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    report = EndReport(first, site.clock.now(), site.clock.now(), 1.0, None)
    await site.services.ledger.ended(report, Source.END_HOOK, None)
    site.clock.advance(5)
    assert await site.start(KARI) != first


async def test_an_end_any_number_of_times_is_one_fact(site: Site) -> None:
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    for _ in range(3):
        await site.end(first, 4.0, SessionStart="2026-03-02T06:00:00Z", SessionEnd="2026-03-02T07:00:00Z")
    assert [fact.event for fact in (await site.view(first)).timeline] == ["authorized", "ended"]


async def test_contradicting_ends_are_both_kept_and_the_later_end_stands(site: Site) -> None:
    await site.register(KARI, "Kari")
    first = await site.start(KARI)
    await site.end(first, 4.0)
    site.clock.advance(60)
    await site.end(first, 40.0)
    view = await site.view(first)
    assert (view.energy_kwh, view.contradicted) == (40.0, True)
    assert [fact.data["energyKwh"] for fact in view.timeline if fact.event == "ended"] == [4.0, 40.0]
    report = EndReport(first, site.clock.now(), site.clock.now(), 4.2, None)
    assert (await site.services.end_hook.record(report, Source.SESSION_API, site.id)).energy_kwh == 4.2


async def test_a_void_session_nobody_started_is_kept(site: Site) -> None:
    strange = "20000000-0000-4000-8000-000000000002"
    await site.end(strange, 0.0, SessionEnd=None)
    view = await site.view(strange)
    assert (view.start_known, view.energy_kwh, view.status) == (False, 0.0, Status.ENDED)


async def test_max_concurrent_counts_only_sessions_that_are_really_open(site: Site) -> None:
    await site.register(KARI, "Kari", max_concurrent=1)
    first = await site.start(KARI)
    refused = await site.ask(KARI, site.other_charger)
    assert refused.outcome is Outcome.NOT_AUTHORIZED
    assert "too-many-sessions" in refused.message
    report = EndReport(first, None, site.clock.now(), 1.0, None)
    await site.services.ledger.ended(report, Source.SESSION_API, site.id)
    await site.start(KARI, site.other_charger)


async def test_max_concurrent_does_not_refuse_a_lost_answer(site: Site) -> None:
    await site.register(KARI, "Kari", max_concurrent=1)
    first = await site.start(KARI)
    site.clock.advance(10)
    assert await site.start(KARI) == first


async def test_any_number_of_expired_grants_lock_nobody_out(site: Site) -> None:
    for _ in range(120):
        await site.grant("Ola", seconds=1)
    site.clock.advance(2)
    await site.grant("Per")
    assert (await site.view(await site.start())).driver == "Per"


async def test_a_lost_end_does_not_lock_its_driver_out_tomorrow(site: Site) -> None:
    await site.register(KARI, "Kari", max_concurrent=1)
    await site.start(KARI)
    site.clock.advance(23 * 3600)
    assert (await site.ask(KARI, site.other_charger)).outcome is Outcome.NOT_AUTHORIZED
    site.clock.advance(2 * 3600)
    await site.start(KARI, site.other_charger)


async def test_without_proof_a_grants_answer_is_given_again_only_while_no_other_car_can_have_come(site: Site) -> None:
    await site.grant("Ola")
    first = await site.start()
    site.clock.advance(20)
    assert await site.start() == first
    site.clock.advance(20)
    assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED


async def test_the_next_poll_completes_what_a_crash_after_the_claim_left_out(site: Site) -> None:
    await site.register(KARI, "Kari")
    await site.start(KARI)
    standing = await site.services.authorizations.read(site.charger)
    assert standing.claim
    lost = msgspec.structs.replace(standing.claim, session_id="20000000-0000-4000-8000-000000000003")
    await site.services.authorizations.take(lost, standing)
    site.clock.advance(10)
    assert await site.start(KARI) == lost.session_id
    assert (await site.view(lost.session_id)).driver == "Kari"
    assert lost.session_id in await site.listed()
