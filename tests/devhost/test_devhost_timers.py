"""Timer triggers and the admin endpoints, through the whole host."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

TICKING = """
import json, os, threading
ran = []

@app.timer_trigger(arg_name="timer", schedule="%TICK%", run_on_startup=True)
async def tick(timer: func.TimerRequest) -> None:
    ran.append({"status": timer.schedule_status, "past_due": timer.past_due, "schedule": timer.schedule})
    print("ticked", len(ran))
    if len(ran) == 2:
        raise RuntimeError("the second run fails")

@app.route(route="runs")
async def runs(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(ran))
"""

EXTERNAL = """
import asyncio, json, typing
begun, may_end, running = asyncio.Event(), asyncio.Event(), []

@app.timer_trigger(arg_name="timer", schedule="%Nightly%", run_on_startup=True)
async def nightly(timer: func.TimerRequest) -> None:
    running.append(timer.schedule_status)

@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
async def failing(timer: func.TimerRequest) -> None:
    raise LookupError("nothing to do")

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
async def slow(timer: func.TimerRequest) -> None:
    assert "slow" not in running, "overlapped"
    running.append("slow")
    begun.set()
    await may_end.wait()
    running.remove("slow")

@app.timer_trigger(arg_name="timer", schedule="0 0 0 31 2 *")
async def never(timer: func.TimerRequest) -> None: ...

@app.timer_trigger(arg_name="timer", schedule="%NO_SUCH_SETTING%")
async def unresolved(timer: func.TimerRequest) -> None: ...

@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def switched_off(timer: func.TimerRequest) -> None: ...

@app.event_hub_message_trigger(arg_name="events", connection="HUB", event_hub_name="%HUB%", cardinality="many",
                               data_type="binary")
async def observations(events: typing.List[func.EventHubEvent]) -> None: ...

@app.queue_output(arg_name="out", queue_name="q", connection="C")
@app.route(route="ran/{id?}", methods=["GET"])
async def ran(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set("lost")
    return func.HttpResponse(json.dumps(running))

@app.route(route="let-go", methods=["POST"])
async def let_go(req: func.HttpRequest) -> func.HttpResponse:
    await begun.wait()
    may_end.set()
    return func.HttpResponse()
"""


def test_timers_follow_the_systems_clock(start: Callable) -> None:
    host = start(TICKING, settings={"TICK": "* * * * * *"})
    host.out.wait_for("ticked 3")
    at_start, _, third = host.client.get("/api/runs").json()[:3]
    assert at_start == {"status": {}, "past_due": False, "schedule": {"AdjustForDST": True}}
    assert set(third["status"]) == {"Last", "LastUpdated", "Next"}
    assert third["status"]["Last"] < third["status"]["Next"]
    host.err.wait_for("RuntimeError: the second run fails")


@pytest.fixture(scope="module")
def external(run_host: Callable, app_writer: Callable, tmp_path_factory: pytest.TempPathFactory):
    settings = {"Nightly": "0 0 2 * * *", "HUB": "the-hub", "AzureWebJobs.switched_off.Disabled": True}
    app = app_writer(tmp_path_factory.mktemp("timers") / "app", EXTERNAL, settings)
    return run_host(app, "--timers", "external")


def test_with_external_timers_a_run_happens_only_when_asked_for(external) -> None:
    assert external.client.get("/api/ran").json() == []
    assert external.run_function("NIGHTLY").status_code == 202
    assert external.client.get("/api/ran").json() == [{}]


def test_functions_are_listed_with_their_settings_resolved(external) -> None:
    listed = external.client.get("/admin/functions", headers=external.master).json()
    functions = {function["name"]: function for function in listed}
    (trigger,) = functions["nightly"]["config"]["bindings"]
    assert (trigger["type"], trigger["schedule"]) == ("timerTrigger", "0 0 2 * * *")
    assert functions["nightly"]["invoke_url_template"] is None
    assert functions["ran"]["invoke_url_template"] == f"{external.base_url}/api/ran/{{id?}}"
    assert functions["observations"]["config"]["bindings"][0]["eventHubName"] == "the-hub"
    assert functions["switched_off"]["isDisabled"]
    one = external.client.get("/admin/functions/nightly", headers=external.master).json()
    assert one == functions["nightly"]


def test_a_run_that_fails_says_so(external) -> None:
    answer = external.run_function("failing")
    assert (answer.status_code, answer.json()) == (500, {"message": "LookupError: nothing to do"})


@pytest.mark.parametrize(
    ("name", "status"),
    [("ran", 400), ("observations", 400), ("switched_off", 400), ("never", 400), ("unresolved", 404), ("nobody", 404)],
)
def test_what_cannot_be_run_is_refused(external, name: str, status: int) -> None:
    assert external.run_function(name).status_code == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'"x"'])
def test_a_run_needs_an_input(external, body: bytes) -> None:
    answer = external.client.post("/admin/functions/nightly", content=body, headers=external.master)
    assert answer.status_code == 400


async def test_runs_of_one_timer_never_overlap(external) -> None:
    async with httpx.AsyncClient(base_url=external.base_url, headers=external.master, timeout=20) as client:
        run = [client.post("/admin/functions/slow", json={"input": ""}) for _ in range(2)]
        *answers, _ = await asyncio.gather(*run, client.post("/api/let-go"))
    assert [answer.status_code for answer in answers] == [202, 202]


def test_status_tells_that_it_runs(external) -> None:
    status = external.client.get("/admin/host/status", headers=external.master).json()
    assert status["state"] == "Running"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "functions"),
        ("POST", "functions/nightly"),
        ("GET", "host/status"),
        ("POST", "host/restart"),
        ("GET", "x"),
    ],
)
def test_the_master_key_guards_all_of_it(external, method: str, path: str) -> None:
    for headers in ({}, {"x-functions-key": external.keys["functionKey"]}):
        answer = external.client.request(method, f"/admin/{path}", headers=headers, json={"input": ""})
        assert (answer.status_code, answer.content) == (401, b"")


def test_an_unknown_admin_path_is_not_found(external) -> None:
    assert external.client.get("/admin/secrets", headers=external.master).status_code == 404


def test_what_it_does_not_run_is_said_at_the_start(external) -> None:
    assert external.stop() == 0
    out, err = external.out.all(), external.err.all()
    assert "observations: not run by devhost yet" in out
    assert "switched_off: disabled" in out
    assert "nightly: 0 0 2 * * *" in out
    assert "ran: [GET] " in out
    assert "'observations': eventHubTrigger is not run by devhost yet" in err
    assert "'never' is not run: '0 0 0 31 2 *' names a date that no year has" in err
    assert "'unresolved' is not run: there is no setting 'NO_SUCH_SETTING'" in err
    assert "'ran': what it sends to its queue output goes nowhere" in err
