"""Drivers and chargers behave like drivers and chargers."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp import web

from simulator.app import Options, serve
from simulator.client import RefusedError, SimulatorClient
from simulator.faults import Fault
from simulator.visits import Plug, Visit

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
CARD, OTHER_CARD = "04A3", "04B4"


async def states(rest, charger_id: str) -> dict[int, str | None]:
    answer = (await rest.get(f"/api/chargers/{charger_id}/state")).json()
    return {item["StateId"]: item.get("ValueAsString") for item in answer}


async def test_a_visit_goes_from_arrival_to_departure(simulator, site, app, rest):
    charger = site.chargers[0].id
    plug = Plug(token=CARD, scan_after_s=15, power_kw=10, charge_s=3600, idle_s=900)
    await simulator.schedule(Visit(charger, "Ada", at=START + timedelta(minutes=5), plugs=[plug]))
    assert (await states(rest, charger))[710] == "1"
    await simulator.advance(301)
    assert (await states(rest, charger))[710] == "2"
    await simulator.advance(1800 + 14)
    during = await states(rest, charger)
    assert (during[710], during[553], during[513], during[722]) == ("3", "5.000", "10000.000", "nfc-04A3")
    assert during[721] == (await simulator.sessions())[0].id
    assert (await simulator.sessions())[0].energy_kwh == 5
    await simulator.advance(1800)
    assert (await states(rest, charger))[710] == "5"
    assert (await simulator.run_until_idle()).idle
    after = await states(rest, charger)
    assert (after[710], after[721], after[722], after[553]) == ("1", None, None, "10.000")
    completed = msgspec.json.decode(after[723])
    (session,) = await simulator.sessions()
    assert completed["SessionId"] == session.id == app.ends[0]["SessionId"]
    assert session.energy_kwh == completed["Energy"] == app.ends[0]["Energy"] == 10
    assert session.start == START + timedelta(minutes=5, seconds=15)
    assert session.end == session.start + timedelta(minutes=75)
    assert await simulator.problems() == []


async def test_replugging_at_once_makes_an_attempt_of_its_own(simulator, site, app):
    plugs = [Plug(token=CARD), Plug(token=CARD), Plug(token=OTHER_CARD), Plug(unplug_after_s=30)]
    await simulator.schedule(Visit(site.chargers[0].id, "Ada", plugs=plugs))
    await simulator.run_until_idle()
    assert [session.token for session in await simulator.sessions()] == ["nfc-04A3", "nfc-04A3", "nfc-04B4"]
    attempts = await simulator.attempts()
    assert [attempt.outcome for attempt in attempts] == ["authorized"] * 3 + ["unplugged"]
    ends = [session.end for session in await simulator.sessions()]
    assert [attempt.started_at for attempt in attempts[1:]] == ends


async def test_a_refused_driver_leaves_and_an_occupied_charger_turns_away(simulator, site, app):
    app.on_start = app.refuse
    charger = site.chargers[0].id
    early = Visit(charger, "Eve", plugs=[Plug(token=CARD, scan_after_s=5, patience_s=25)])
    late = Visit(charger, "Bob", after_s=10)
    next_one = Visit(charger, "Cy", after_s=30, plugs=[Plug(unplug_after_s=5)])
    await simulator.schedule(early, late, next_one)
    await simulator.run_until_idle()
    found = [(attempt.driver, attempt.outcome) for attempt in await simulator.attempts()]
    assert found == [("Eve", "refused"), ("Bob", "occupied"), ("Cy", "unplugged")]


async def test_who_pulls_the_cable_early_is_charged_for_less(simulator, site, app):
    app.on_start = app.admit
    plug = Plug(power_kw=12, charge_s=3600, unplug_after_s=600)
    await simulator.schedule(Visit(site.chargers[0].id, plugs=[plug]))
    await simulator.run_until_idle()
    (session,) = await simulator.sessions()
    assert (session.energy_kwh, session.end) == (2, START + timedelta(seconds=600))


async def test_a_visit_gives_way_to_who_pulls_the_cable_by_hand(simulator, site, app):
    charger = site.chargers[0].id
    await simulator.schedule(Visit(charger, plugs=[Plug(token=CARD, scan_after_s=100)]))
    await simulator.advance(20)
    await simulator.unplug(charger)
    await simulator.run_until_idle()
    assert await simulator.problems() == []


async def test_together_the_apps_calls_are_in_flight_at_once(simulator, site, app):
    """Both sides of the barrier are needed, so that the calls of two visits must overlap."""
    meeting = asyncio.Barrier(3)
    plain_start = app.start

    async def start(request: web.Request) -> web.Response:
        async with asyncio.timeout(5):
            await meeting.wait()
        return await plain_start(request)

    server = web.Application()
    server.router.add_post("/start", start)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await simulator.configure(site.id, webhooksSessionStartUrl=f"http://127.0.0.1:{runner.addresses[0][1]}/start")
    visits = [Visit(charger.id, plugs=[Plug(unplug_after_s=15)]) for charger in site.chargers]
    await simulator.schedule(*visits, together=True)
    await simulator.run_until_idle()
    await runner.cleanup()
    assert len(app.starts) == 6
    assert [attempt.outcome for attempt in await simulator.attempts()] == ["unplugged"] * 3


async def test_an_offline_charger_decides_alone_and_reports_later(simulator, site, app, rest):
    charger = site.chargers[0].id
    await simulator.go_offline(charger)
    await simulator.plug(charger)
    await simulator.advance(3600)
    session_id = await simulator.unplug(charger)
    assert app.starts == app.ends == []
    assert (await rest.get(f"/api/session/{session_id}")).status_code == 404
    assert [session.id for session in await simulator.sessions()] == [session_id]
    await simulator.advance(3600)
    await simulator.go_online(charger)
    assert app.ends[0]["SessionEnd"] == "2026-03-02T07:00:00Z"
    (item,) = (await rest.get("/api/chargehistory")).json()["Data"]
    assert item["EndDateTime"] == "2026-03-02T08:00:00"
    assert item["CommitEndDateTime"] == "2026-03-02T07:00:00"
    assert item["CommitMetadata"] == 2 | 4


async def test_an_offline_charger_may_have_to_wait(simulator, site, app):
    charger = site.chargers[0].id
    await simulator.configure(site.id, offlineAllowAnonymous=False)
    await simulator.go_offline(charger)
    await simulator.schedule(Visit(charger, plugs=[Plug(token=CARD)]))
    await simulator.plug(site.chargers[1].id)
    assert not (await simulator.run_until_idle(3600)).idle
    await simulator.unplug(site.chargers[1].id)
    await simulator.go_online(charger)
    assert app.starts[-1]["tokenCode"] == "nfc-04A3"
    assert (await simulator.run_until_idle()).idle


async def test_zapcloud_may_replace_a_session(simulator, site, app, rest):
    app.on_start = app.admit
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.advance(3600)
    old_id = await simulator.unplug(charger)
    new_id = await simulator.replace_session(old_id)
    void, new = app.ends[1:]
    assert (void["SessionId"], void["Energy"], void["SessionEnd"]) == (old_id, 0, void["SessionStart"])
    assert (new["SessionId"], new["Energy"]) == (new_id, 11)
    items = {item["Id"]: item for item in (await rest.get("/api/chargehistory")).json()["Data"]}
    assert items[old_id]["ReplacedBySessionId"] == new_id
    assert items[old_id]["CommitMetadata"] & 32
    with pytest.raises(RefusedError, match="not replaced"):
        await simulator.replace_session(old_id)


async def test_the_same_seed_gives_the_same_record(app):
    first = await record_of_a_day(app, seed=3)
    second = await record_of_a_day(app, seed=3)
    other = await record_of_a_day(app, seed=4)
    assert first == second
    assert first != other


async def record_of_a_day(app, seed: int) -> list[bytes]:
    """All records of forty visits under every fault."""
    app.starts.clear()
    app.ends.clear()
    async with serve(Options(port=0, seed=seed, start=START)) as running, SimulatorClient(running.url) as simulator:
        site = await simulator.add_installation("Harbour", chargers=4)
        await simulator.configure(
            site.id,
            authenticationType=1,
            webhooksSessionStartUrl=f"{app.url}/start",
            webhooksSessionEndUrl=f"{app.url}/end",
        )
        hooks = ("start-request-lost", "start-answer-lost", "start-delayed", "end-request-lost", "end-garbage-first")
        await simulator.set_faults({name: Fault(probability=0.3) for name in hooks})
        await simulator.schedule(
            *(
                Visit(site.chargers[n % 4].id, f"driver {n}", after_s=n * 97, plugs=[Plug(f"04{n:02}", charge_s=600)])
                for n in range(40)
            )
        )
        assert (await simulator.run_until_idle()).idle
        assert await simulator.problems() == []
        records = (simulator.sessions, simulator.attempts, simulator.calls)
        found = [msgspec.json.encode(await record()) for record in records]
        assert (await simulator.faults())["start-answer-lost"].hits > 0
        return [part.replace(app.url.encode(), b"") for part in found]
