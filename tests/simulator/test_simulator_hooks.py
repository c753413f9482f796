"""The web hooks are called as the guide says: when, how often, with what, and until when."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from aiohttp import web

from simulator.faults import Fault
from simulator.models import Attempt
from simulator.visits import Plug, Visit

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
CARD = "04:a3:11:02:f8:4d:80"


def offsets(attempt: Attempt) -> list[float]:
    return [(poll.at - attempt.started_at).total_seconds() for poll in attempt.polls]


async def test_polls_every_ten_seconds_and_gives_up_after_five_minutes(simulator, site, app):
    app.on_start = app.refuse
    await simulator.plug(site.chargers[0].id)
    assert len(app.starts) == 1
    await simulator.advance(600)
    (attempt,) = await simulator.attempts()
    assert offsets(attempt) == list(range(0, 300, 10))
    assert attempt.outcome == "timed-out"
    assert attempt.ended_at == START + timedelta(seconds=300)


async def test_a_card_is_sent_at_once_and_opens_the_session_under_the_apps_id(simulator, site, app, rest):
    charger = site.chargers[0]
    await simulator.plug(charger.id, driver="Ada")
    await simulator.advance(13)
    attempt = await simulator.scan(charger.id, CARD)
    assert offsets(attempt) == [0, 10, 13]
    assert [poll.status for poll in attempt.polls] == [401, 401, 200]
    assert (attempt.outcome, attempt.session_id) == ("authorized", "00000000-0000-4000-8000-000000000003")
    expected = {
        "chargerId": charger.id,
        "chargerName": "Harbour 1",
        "installationId": site.id,
        "installationName": "Harbour",
    }
    assert app.starts == [expected, expected, {**expected, "tokenCode": "nfc-04A31102F84D80"}]
    assert app.authorizations == [None, None, None]
    (session,) = await simulator.sessions()
    assert (session.driver, session.token) == ("Ada", "nfc-04A31102F84D80")
    assert session.start == START + timedelta(seconds=13)
    assert (await rest.get(f"/api/session/{session.id}")).status_code == 200


async def test_the_first_refusal_of_a_card_ends_the_attempt(simulator, site, app):
    app.on_start = app.refuse
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.scan(charger, CARD)
    await simulator.advance(600)
    (attempt,) = await simulator.attempts()
    assert (attempt.outcome, offsets(attempt)) == ("refused", [0, 0])
    with pytest.raises(Exception, match="the attempt is over"):
        await simulator.scan(charger, CARD)


async def test_a_second_card_may_be_allowed_to_begin_a_new_attempt(simulator, site, app):
    await simulator.change_settings(rescan=True)
    app.on_start = app.refuse
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.scan(charger, CARD)
    app.on_start = app.admit
    attempt = await simulator.scan(charger, "0102")
    assert (attempt.outcome, len(attempt.polls)) == ("authorized", 1)
    assert app.starts[-1]["tokenCode"] == "nfc-0102"


async def test_pulling_the_cable_ends_the_attempt(simulator, site, app):
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.advance(15)
    assert await simulator.unplug(charger) is None
    await simulator.advance(600)
    (attempt,) = await simulator.attempts()
    assert (attempt.outcome, offsets(attempt)) == ("unplugged", [0, 10])
    assert app.ends == []


@pytest.mark.parametrize("status", [201, 204, 302, 400, 403, 404, 429, 500, 503])
async def test_any_other_status_ends_the_attempt_at_once(simulator, site, app, status):
    app.on_start = lambda _: web.Response(status=status)
    attempt = await simulator.plug(site.chargers[0].id)
    assert (attempt.outcome, attempt.reason) == ("failed", f"the app answered {status}")
    await simulator.advance(600)
    assert len(app.starts) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"SessionId": "00000000-0000-4000-8000-000000000001"}',
        b'{"sessionId": "00000000-0000-4000-8000-00000000000A"}',
        b'{"sessionId": "{00000000-0000-4000-8000-000000000001}"}',
        b'{"sessionId": 1}',
    ],
)
async def test_an_unusable_session_id_is_a_failure(simulator, site, app, body):
    app.on_start = lambda _: web.Response(body=body)
    attempt = await simulator.plug(site.chargers[0].id)
    assert attempt.outcome == "failed"
    assert "sessionId" in attempt.reason


async def test_the_id_of_another_session_is_a_failure(simulator, site, app):
    app.session_id = lambda: "00000000-0000-4000-8000-000000000001"
    app.on_start = app.admit
    assert (await simulator.plug(site.chargers[0].id)).outcome == "authorized"
    assert (await simulator.plug(site.chargers[1].id)).outcome == "failed"


async def test_a_lost_answer_leaves_no_session_and_the_same_body_is_sent_again(simulator, site, app, rest):
    charger = site.chargers[0].id
    await simulator.set_faults({"start-answer-lost": Fault(next=1, chargers=[charger])})
    app.on_start = app.admit
    await simulator.plug(charger)
    assert await simulator.sessions() == []
    assert (await rest.get(f"/api/session/{app.session_id()}")).status_code == 404
    await simulator.advance(10)
    assert app.starts[0] == app.starts[1]
    (session,) = await simulator.sessions()
    assert session.id == app.session_id()
    lost, seen = await simulator.calls()
    assert (lost.status, lost.delivered, lost.answered) == (200, True, False)
    assert lost.session_id == "00000000-0000-4000-8000-000000000001"
    assert (seen.status, seen.delivered, seen.answered) == (200, True, True)
    assert (await simulator.faults())["start-answer-lost"].hits == 1


async def test_a_lost_answer_can_be_made_the_end(simulator, site, app):
    await simulator.change_settings(no_answer="end")
    await simulator.set_faults({"start-answer-lost": Fault(next=1)})
    attempt = await simulator.plug(site.chargers[0].id)
    assert (attempt.outcome, attempt.reason) == ("no-answer", "the answer was lost")


async def test_a_lost_request_never_reaches_the_app(simulator, site, app):
    await simulator.set_faults({"start-request-lost": Fault(next=2)})
    await simulator.plug(site.chargers[0].id)
    await simulator.advance(20)
    assert len(app.starts) == 1
    assert [call.delivered for call in await simulator.calls()] == [False, False, True]


async def test_an_app_that_is_down_is_polled_again(simulator, site):
    await simulator.configure(site.id, webhooksSessionStartUrl="http://127.0.0.1:9/start")
    await simulator.plug(site.chargers[0].id)
    await simulator.advance(300)
    (attempt,) = await simulator.attempts()
    assert (attempt.outcome, len(attempt.polls)) == ("timed-out", 30)
    call = (await simulator.calls())[0]
    assert (call.status, call.delivered, call.answered, call.error) == (None, False, False, "ClientConnectorError")


async def test_a_url_that_is_none_is_an_undelivered_call(simulator, site):
    await simulator.configure(site.id, webhooksSessionStartUrl="not a URL")
    attempt = await simulator.plug(site.chargers[0].id)
    assert attempt.polls[0].status is None
    (call,) = await simulator.calls()
    assert (call.delivered, call.answered, call.error) == (False, False, "InvalidUrlClientError")


async def test_a_duplicated_start_is_delivered_twice_and_opens_one_session(simulator, site, app):
    await simulator.set_faults({"start-duplicated": Fault(next=1)})
    app.on_start = lambda _: web.json_response({"sessionId": "00000000-0000-4000-8000-000000000001"})
    await simulator.plug(site.chargers[0].id)
    assert len(app.starts) == 2
    assert len(await simulator.sessions()) == 1
    assert [call.faults for call in await simulator.calls()] == [["start-duplicated"]] * 2


async def test_a_start_that_arrives_after_the_cable_was_pulled_opens_nothing(simulator, site, app):
    app.on_start = app.admit
    await simulator.set_faults({"start-delayed": Fault(next=1, seconds=30)})
    await simulator.plug(site.chargers[0].id)
    await simulator.advance(5)
    await simulator.unplug(site.chargers[0].id)
    await simulator.advance(60)
    assert len(app.starts) == 1
    assert [attempt.outcome for attempt in await simulator.attempts()] == ["unplugged"]
    assert await simulator.sessions() == []


async def test_the_end_is_told_with_the_session_data(simulator, site, app):
    app.on_start = app.admit
    charger = site.chargers[0].id
    await simulator.plug(charger, power_kw=7.4)
    await simulator.advance(1800)
    session_id = await simulator.unplug(charger)
    (end,) = app.ends
    assert end["SessionId"] == session_id
    assert end["SessionStart"] == "2026-03-02T06:00:00Z"
    assert end["SessionEnd"] == "2026-03-02T06:30:00Z"
    assert end["Energy"] == 3.7
    assert end["SignedSession"].startswith('OCMF|{"FV":"1.0"')
    (session,) = await simulator.sessions()
    assert (session.status, session.end_tries) == ("acknowledged", 1)
    assert session.end_acknowledged_at == session.end == START + timedelta(minutes=30)


async def test_the_end_is_retried_with_growing_pauses_until_accepted(simulator, site, app):
    app.on_start = app.admit
    app.on_end = lambda: web.Response(status=200 if len(app.ends) == 7 else 500)
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.unplug(charger)
    assert (await simulator.run_until_idle()).idle
    times = [(call.at - START).total_seconds() for call in await simulator.calls() if call.kind == "end"]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [60, 120, 240, 480, 900, 900]
    assert (await simulator.sessions())[0].status == "acknowledged"


async def test_the_end_is_given_up_after_a_day(simulator, site, app):
    app.on_start = app.admit
    app.on_end = lambda: web.Response(status=400)
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.unplug(charger)
    assert (await simulator.run_until_idle()).idle
    (session,) = await simulator.sessions()
    assert (session.status, session.end_tries) == ("given-up", 4 + 95)


async def test_ends_can_be_late_lost_doubled_and_garbled(simulator, site, app):
    app.on_start = app.admit
    late, lost, doubled, garbled = "end-delayed", "end-request-lost", "end-duplicated", "end-garbage-first"
    expected = {late: [True], lost: [True], doubled: [True, True], garbled: [False, True]}
    for fault, received in expected.items():
        app.ends.clear()
        await simulator.set_faults({fault: Fault(next=1, seconds=45)})
        await simulator.plug(site.chargers[0].id)
        await simulator.unplug(site.chargers[0].id)
        await simulator.run_until_idle()
        assert [body is not None for body in app.ends] == received, fault
    by_status = [session.status for session in await simulator.sessions()]
    assert by_status == ["acknowledged"] * 4
    delays = [session.end_acknowledged_at - session.end for session in await simulator.sessions()]
    assert [delay.total_seconds() for delay in delays] == [45, 60, 0, 60]


async def test_basic_credentials_come_from_the_payload(simulator, site, app):
    await simulator.configure(site.id, webhooksAuthPayload="username=zap%40hooks&password=a%2Bb%26c")
    await simulator.plug(site.chargers[0].id)
    assert app.authorizations == ["Basic emFwQGhvb2tzOmErYiZj"]
    assert app.token_requests == []


async def test_a_bearer_is_fetched_with_the_payload_and_used_until_it_expires(simulator, site, app):
    payload = "grant_type=client_credentials&client_id=zap&client_secret=s3cret"
    await simulator.configure(site.id, webhooksAuthUrl=f"{app.url}/token", webhooksAuthPayload=payload)
    app.on_start = app.refuse
    await simulator.plug(site.chargers[0].id)
    await simulator.advance(100)
    assert app.token_requests == [payload, payload]
    assert app.authorizations == ["Bearer bearer-1"] * 10 + ["Bearer bearer-2"]
    kinds = [call.kind for call in await simulator.calls()]
    assert kinds.count("auth") == 2


async def test_without_a_bearer_the_attempt_ends_or_goes_on_as_set(simulator, site, app):
    await simulator.configure(site.id, webhooksAuthUrl=f"{app.url}/token", webhooksAuthPayload="grant_type=x")
    app.on_token = lambda: web.Response(status=503)
    attempt = await simulator.plug(site.chargers[0].id)
    assert (attempt.outcome, attempt.reason) == ("no-answer", "the authentication URL answered 503")
    await simulator.change_settings(no_bearer="poll-again")
    app.on_token = lambda: web.json_response({"expires_in": 10})
    await simulator.plug(site.chargers[1].id)
    app.on_token = lambda: web.json_response({"access_token": "good"})
    await simulator.advance(20)
    assert app.authorizations == ["Bearer good", "Bearer good"]
    assert app.starts[0]["chargerId"] == site.chargers[1].id


async def test_the_spelling_of_the_bodies_can_be_changed(simulator, site, app):
    app.on_start = app.admit
    await simulator.change_settings(
        start_keys={"charger_id": "ChargerId", "token": "Token"}, absent_token="null", token_prefix=False
    )
    await simulator.change_settings(end_keys={"session_id": "sessionId"})
    app.on_start = lambda body: app.admit(body) if body["Token"] else app.refuse(body)
    await simulator.schedule(Visit(site.chargers[0].id, plugs=[Plug(token=CARD)]))
    await simulator.run_until_idle()
    assert app.starts[0]["ChargerId"] == site.chargers[0].id
    assert [body["Token"] for body in app.starts] == [None, "04A31102F84D80"]
    assert "sessionId" in app.ends[0]


async def test_without_web_hooks_zapcloud_authorizes_by_itself(simulator, app):
    site = await simulator.add_installation("Native")
    attempt = await simulator.plug(site.chargers[0].id)
    assert attempt.outcome == "authorized"
    await simulator.unplug(site.chargers[0].id)
    await simulator.configure(site.id, authenticationType=1, webhooksSessionEndUrl=f"{app.url}/end")
    assert (await simulator.plug(site.chargers[0].id)).outcome == "authorized"
    await simulator.unplug(site.chargers[0].id)
    assert app.starts == []
    assert len(app.ends) == 1
