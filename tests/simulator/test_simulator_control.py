"""The control API, the timers it attaches, and the simulator as a process."""

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from aiohttp import web

from shared.clock import file_clock
from simulator.__main__ import options_from
from simulator.app import Options, serve
from simulator.client import RefusedError, SimulatorClient
from simulator.faults import Fault, Faults
from simulator.process import ROOT, running_simulator
from simulator.visits import Plug, Visit

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_health_and_clock(simulator):
    health = await simulator.health()
    assert (health.status, health.mode, health.problems) == ("up", "virtual", 0)
    clock = await simulator.advance(90)
    assert (clock.mode, clock.now, clock.busy) == ("virtual", START + timedelta(seconds=90), 0)
    assert await simulator.clock() == clock


async def test_installations_are_made_configured_and_listed_without_secrets(simulator):
    made = await simulator.add_installation("Harbour", chargers=2, device_type=1)
    assert [charger.device_id for charger in made.chargers] == ["ZPR000001", "ZPR000002"]
    changed = await simulator.configure(
        made.id,
        AuthenticationType=1,
        webhooksAuthPayload="username=a&password=hidden",
        webhooksSessionEndUrl="http://x/e",
    )
    assert (changed.authentication_type, changed.webhooks_session_end_url) == (1, "http://x/e")
    assert await simulator.installations() == [changed]
    async with httpx.AsyncClient(base_url=simulator.url) as http:
        assert "hidden" not in (await http.get("/sim/installations")).text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", f"/sim/chargers/{UNKNOWN}/plug", b"{}", 404),
        ("POST", f"/sim/chargers/{UNKNOWN}/scan", b'{"token": "04A3"}', 404),
        ("POST", f"/sim/chargers/{UNKNOWN}/unplug", b"", 404),
        ("POST", f"/sim/sessions/{UNKNOWN}/replace", b"", 404),
        ("POST", f"/sim/sessions/{UNKNOWN}/void", b"", 404),
        ("POST", f"/sim/sessions/{UNKNOWN}/abandon", b"", 404),
        ("POST", f"/sim/chargers/{UNKNOWN}/stop", b"", 404),
        ("POST", f"/sim/chargers/{UNKNOWN}/abort", b"", 404),
        ("POST", f"/sim/installations/{UNKNOWN}/users", b'{"full_name": "x", "email": "y"}', 404),
        ("POST", f"/sim/installations/{UNKNOWN}/tokens", b'{"token": "04", "name": "x"}', 404),
        ("PATCH", f"/sim/chargers/{UNKNOWN}", b'{"clock_ahead_s": 1}', 404),
        ("POST", f"/sim/installations/{UNKNOWN}/rotate-messaging", b"", 404),
        ("POST", f"/sim/usergroups/{UNKNOWN}/disable-messaging", b"", 404),
        ("POST", f"/sim/streams/{UNKNOWN}/steal", b'{"count": 1}', 404),
        ("POST", "/sim/usergroups", b'{"name": "x", "installations": ["none"]}', 404),
        ("GET", f"/sim/truth?owner={UNKNOWN}", b"", 404),
        ("POST", "/sim/traffic", b'{"messages": 0}', 400),
        ("PATCH", f"/sim/installations/{UNKNOWN}", b"{}", 404),
        ("POST", "/sim/visits", b'{"visits": [{"charger": "none"}]}', 404),
        ("POST", "/sim/installations", b'{"chargers": 2}', 400),
        ("POST", "/sim/clock/advance", b'{"seconds": -1}', 400),
        ("POST", "/sim/clock/advance", b"{", 400),
        ("PUT", "/sim/faults", b'{"no-such-fault": {}}', 400),
        ("PATCH", "/sim/settings", b'{"poll_evry_s": 1}', 400),
        ("PATCH", "/sim/settings", b'{"poll_every_s": 0}', 400),
        ("POST", "/sim/visits", b'{"visits": [{"charger": "x", "at": "2026-03-02T06:00:00"}]}', 400),
        ("PUT", "/sim/host", b'{"url": "http://127.0.0.1:9", "master_key": "k"}', 400),
    ],
)
async def test_what_cannot_be_done_is_a_problem(simulator, method, path, body, status):
    async with httpx.AsyncClient(base_url=simulator.url) as http:
        answer = await http.request(method, path, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


async def test_a_charger_does_one_thing_at_a_time(simulator, site, app):
    charger = site.chargers[0].id
    with pytest.raises(RefusedError, match="after the cable"):
        await simulator.scan(charger, "04A3")
    with pytest.raises(RefusedError, match="no vehicle"):
        await simulator.unplug(charger)
    await simulator.plug(charger)
    with pytest.raises(RefusedError, match="already") as refused:
        await simulator.plug(charger)
    assert refused.value.status == 409
    await simulator.scan(charger, "04A3")
    with pytest.raises(RefusedError, match="session is running"):
        await simulator.scan(charger, "04A3")
    await simulator.advance(60)
    await simulator.finish(charger)
    (view, *_) = (await simulator.installations())[0].chargers
    assert (view.operation_mode, view.session_id) == (5, (await simulator.sessions())[0].id)


async def test_settings_are_changed_in_part(simulator):
    changed = await simulator.change_settings(poll_every_s=5, start_keys={"token": "rfid"})
    assert (changed.poll_every_s, changed.poll_for_s) == (5, 300)
    assert (changed.start_keys.token, changed.start_keys.charger_id) == ("rfid", "chargerId")
    assert await simulator.settings() == changed


async def test_no_card_number_in_any_recorded_path(simulator, site, app):
    await simulator.schedule(Visit(site.chargers[0].id, plugs=[Plug("04A31102F84D80")]))
    await simulator.run_until_idle()
    assert all("04A3" not in call.path for call in await simulator.calls())


def test_faults_strike_as_often_as_said_whatever_the_order():
    def struck(order: str) -> dict[str, list[bool]]:
        faults = Faults(seed=5)
        faults.replace({"start-answer-lost": {"probability": 0.5}})
        found: dict[str, list[bool]] = {"a": [], "b": []}
        for charger in order:
            found[charger].append(faults.strikes("start-answer-lost", charger) is not None)
        return found

    one_after_the_other = struck("a" * 200 + "b" * 200)
    assert one_after_the_other == struck("ab" * 200)
    assert 70 < sum(one_after_the_other["a"]) < 130
    assert one_after_the_other["a"] != one_after_the_other["b"]


def test_a_fault_can_be_for_the_next_calls_of_some_chargers():
    faults = Faults(seed=1)
    faults.replace({"end-delayed": {"next": 2, "chargers": ["a"]}})
    assert [faults.strikes("end-delayed", who) is not None for who in "babaa"] == [False, True, False, True, False]
    assert faults.active["end-delayed"] == Fault(next=0, chargers=["a"], hits=2)


class Host:
    """Plays the Functions host's admin endpoint."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()
        self.functions = [
            timer("refresh", "0 */10 * * * *"),
            timer("sweep", "0 0 * * * *"),
            {**timer("resting", "* * * * * *"), "isDisabled": True},
            {"name": "session_start", "config": {"bindings": [{"type": "httpTrigger"}]}},
        ]

    async def list(self, request: web.Request) -> web.Response:
        if request.headers.get("x-functions-key") != "master":
            return web.Response(status=401)
        return web.json_response(self.functions)

    async def run(self, request: web.Request) -> web.Response:
        assert request.headers["x-functions-key"] == "master"
        assert await request.json() == {"input": ""}
        self.runs.append(request.match_info["name"])
        self.asked.set()
        await self.may_answer.wait()
        return web.Response(status=202 if request.match_info["name"] == "refresh" else 500)


def timer(name: str, schedule: str) -> dict:
    return {"name": name, "config": {"bindings": [{"type": "timerTrigger", "schedule": schedule}]}}


@pytest.fixture
async def host():
    host = Host()
    server = web.Application()
    server.add_routes([web.get("/admin/functions", host.list), web.post("/admin/functions/{name}", host.run)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield host
    await runner.cleanup()


async def test_timers_fire_at_their_simulated_instants(simulator, host):
    await simulator.advance(60)
    assert await simulator.attach_host(host.url, "master") == ["refresh", "sweep"]
    assert await simulator.attach_host(host.url + "/", "master") == ["refresh", "sweep"]
    assert (await simulator.run_until_idle()).idle
    assert host.runs == []
    await simulator.advance(3600)
    assert host.runs == ["refresh"] * 5 + ["refresh", "sweep"]
    runs = await simulator.timer_runs()
    assert [(run.at - START).total_seconds() / 60 for run in runs] == [10, 20, 30, 40, 50, 60, 60]
    assert [run.status for run in runs] == [202] * 6 + [500]
    assert await simulator.problems() == []


async def test_time_goes_on_for_a_while_beside_a_timer_that_runs_long(simulator, host):
    await simulator.attach_host(host.url, "master")
    await simulator.change_settings(timers_for_s=120)
    host.may_answer.clear()
    await simulator.advance(720)
    assert [run.status for run in await simulator.timer_runs()] == [None]

    waiting = asyncio.create_task(simulator.advance(1))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    host.may_answer.set()
    await waiting
    assert [run.status for run in await simulator.timer_runs()] == [202]


async def test_a_timer_is_not_fired_beside_its_own_last_run(simulator, host):
    await simulator.attach_host(host.url, "master")
    await simulator.change_settings(timers_for_s=7200)
    host.may_answer.clear()
    waiting = asyncio.create_task(simulator.advance(1300))
    await host.asked.wait()
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    assert host.runs == ["refresh"]
    host.may_answer.set()
    await waiting
    assert len(await simulator.timer_runs()) == 2


async def test_a_host_that_refuses_or_cannot_be_read_is_said(simulator, host):
    with pytest.raises(RefusedError, match="answered 401"):
        await simulator.attach_host(host.url, "wrong")
    host.functions = [timer("odd", "every full moon")]
    with pytest.raises(RefusedError, match="timer odd"):
        await simulator.attach_host(host.url, "master")


async def test_real_time(app):
    async with serve(Options(port=0)) as running, SimulatorClient(running.url) as simulator:
        site = await simulator.add_installation("Harbour")
        await simulator.configure(site.id, authenticationType=1, webhooksSessionStartUrl=f"{app.url}/start")
        app.on_start = app.admit
        await simulator.plug(site.chargers[0].id)
        assert (await simulator.run_until_idle(10)).idle
        assert [attempt.outcome for attempt in await simulator.attempts()] == ["authorized"]
        with pytest.raises(RefusedError, match="--mode virtual"):
            await simulator.advance(1)
        with pytest.raises(RefusedError, match="fires its timers itself"):
            await simulator.attach_host(app.url, "master")


async def test_a_failed_activity_is_surfaced():
    async def fails() -> None:
        raise LookupError("no such thing")

    async with serve(Options(port=0, start=START)) as running, SimulatorClient(running.url) as simulator:
        await running.kernel.perform(lambda: running.kernel.spawn(fails(), "scenario"))
        assert (await simulator.health()).problems == 1
        assert (await simulator.problems())[0].activity == "scenario"


async def test_as_a_process_with_a_clock_file(tmp_path):
    path = tmp_path / "clock"
    async with running_simulator(start=START, clock_file=path) as simulator:
        clock = file_clock(path)
        assert clock() == START
        await simulator.advance(60)
        assert clock() == START + timedelta(seconds=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_stops_cleanly_in_the_middle_of_a_call(number, tmp_path):
    reached = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = web.Application()
    server.router.add_post("/start", never)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    arguments = ["-m", "simulator", "--port", "0", "--mode", "virtual", "--clock-file", str(tmp_path / "clock")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    line = (await process.stdout.readline()).decode()
    async with SimulatorClient(line.split()[3]) as simulator:
        site = await simulator.add_installation("Harbour")
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/start"
        await simulator.configure(site.id, authenticationType=1, webhooksSessionStartUrl=url)
        plugging = asyncio.create_task(simulator.plug(site.chargers[0].id))
        await reached.wait()
        process.send_signal(number)
        _, errors = await process.communicate()
        await asyncio.gather(plugging, return_exceptions=True)
    await runner.cleanup()
    assert (process.returncode, errors) == (0, b"")


def test_command_line(capsys):
    options = options_from(["--mode", "virtual", "--start", "2026-03-02T06:00:00Z", "--seed", "9", "--port", "0"])
    assert (options.start, options.seed, options.port) == (START, 9, 0)
    assert options_from([]).start is None
    assert (options_from([]).service_bus_port, options_from(["--service-bus-port", "0"]).service_bus_port) == (5672, 0)
    with pytest.raises(SystemExit):
        options_from(["--clock-file", "x"])
    assert "--mode virtual" in capsys.readouterr().err
