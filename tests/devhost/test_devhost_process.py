"""The process: settings, start and failure to start, logs, restart, graceful end."""

import json
import os
import re
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SETTINGS = """
import os, pathlib, helper

@app.route(route="setting/{name}")
async def setting(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get(req.route_params["name"], "-"))

@app.route(route="folder")
def folder(req: func.HttpRequest) -> str:
    return helper.NAME + pathlib.Path("host.json").read_text()
"""

HOLDING = """
import asyncio, pathlib

@app.route(route="hold")
async def hold(req: func.HttpRequest) -> func.HttpResponse:
    print("holding", flush=True)
    await asyncio.to_thread(pathlib.Path("gate").read_text)
    return func.HttpResponse("finished")
"""

LOGGING = """
import logging

@app.route(route="log")
async def log(req: func.HttpRequest) -> func.HttpResponse:
    logging.getLogger("anything").info('{"event": "as it is"}')
    logging.warning("from the root")
    for name in ("azure.core", "httpx", "quiet"):
        logging.getLogger(name).debug("noise")
    for name in ("azure.core", "httpx"):
        logging.getLogger(name).info("noise")
    logging.getLogger("azure.core").warning("an SDK warns")
    return func.HttpResponse()
"""


def test_settings_become_environment_variables_and_yield_to_it(start: Callable, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "helper.py").write_text("NAME = 'beside the app '")
    host = start(
        SETTINGS,
        settings={"FROM_FILE": "file", "FROM_BOTH": "file", "TRUTH": True, "NUMBER": 5, "NOTHING": None},
        environment={"FROM_BOTH": "environment"},
    )
    names = ("FROM_FILE", "FROM_BOTH", "TRUTH", "NUMBER", "NOTHING", "AZURE_FUNCTIONS_ENVIRONMENT", "MISSING")
    found = [host.client.get(f"/api/setting/{name}").text for name in names]
    assert found == ["file", "environment", "true", "5", "", "Development", "-"]
    assert host.client.get("/api/folder").text.startswith('beside the app {"version"')


def test_a_restart_reads_settings_anew_on_the_same_port(start: Callable, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "helper.py").touch()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path / "elsewhere.json"
    file.write_text(json.dumps({"Values": {"COLOUR": "red", "GONE": "not yet"}}))
    host = start(SETTINGS, "--settings", "elsewhere.json", "--port", str(port))
    status = host.client.get("/admin/host/status", headers=host.master).json()
    assert host.client.get("/api/setting/COLOUR").text == "red"

    file.write_text(json.dumps({"Values": {"COLOUR": "green"}}))
    assert host.client.post("/admin/host/restart", headers=host.master).status_code == 202
    old_url = host.base_url
    host.wait_until_ready()
    assert host.base_url == old_url
    assert host.client.get("/api/setting/COLOUR").text == "green"
    assert host.client.get("/api/setting/GONE").text == "-"
    assert host.client.get("/admin/host/status", headers=host.master).json()["instanceId"] != status["instanceId"]
    assert host.stop() == 0


def test_references_are_resolved_before_the_app_sees_them_and_anew_at_every_start(
    start: Callable, tmp_path: Path
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "helper.py").touch()
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"colour": "red"}))
    unresolved = "@Microsoft.KeyVault(VaultName=v;SecretName=taste)"
    references = {
        "COLOUR": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/colour/)",
        "TASTE": unresolved,
    }
    host = start(SETTINGS, "--secrets", str(secrets), settings=references)
    assert host.client.get("/api/setting/COLOUR").text == "red"
    assert host.client.get("/api/setting/TASTE").text == unresolved
    secrets.write_text(json.dumps({"colour": "green", "taste": "sweet"}))
    host.client.post("/admin/host/restart", headers=host.master)
    host.wait_until_ready()
    assert host.client.get("/api/setting/COLOUR").text == "green"
    assert host.client.get("/api/setting/TASTE").text == "sweet"


@pytest.mark.parametrize("ending", ["restart", signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_finishes_before_the_end(start: Callable, tmp_path: Path, ending: str | int) -> None:
    (tmp_path / "app").mkdir()
    gate = tmp_path / "app" / "gate"
    os.mkfifo(gate)
    host = start(HOLDING)
    with ThreadPoolExecutor() as pool:
        held = pool.submit(host.client.get, "/api/hold")
        host.out.wait_for("holding")
        if isinstance(ending, str):
            assert host.client.post("/admin/host/restart", headers=host.master).status_code == 202
        else:
            host.process.send_signal(ending)
        gate.write_text("go on")
        assert held.result().text == "finished"
    if isinstance(ending, str):
        host.wait_until_ready()
        assert host.stop() == 0
    else:
        assert host.wait() == 0


def test_the_apps_log_lines_leave_as_they_are(start: Callable) -> None:
    host = start(LOGGING)
    host.client.get("/api/log")
    host.stop()
    lines = host.out.all().splitlines()
    after_ready = lines[next(number for number, line in enumerate(lines) if "devhost ready" in line) + 1 :]
    assert after_ready == ['{"event": "as it is"}', "from the root", "an SDK warns"]
    assert host.err.all() == ""


def failure(host) -> str:
    assert host.wait() == 1
    return host.err.all()


def test_an_app_that_does_not_import_is_named_with_its_exception(start: Callable) -> None:
    said = failure(start("raise KeyError('no such thing')", ready=False))
    assert "KeyError: 'no such thing'" in said
    assert re.search(r"function_app\.py\", line \d+", said)


def test_a_binding_that_does_not_fit_its_function_stops_the_start(start: Callable) -> None:
    source = """
    @app.timer_trigger(arg_name="other", schedule="0 * * * * *")
    def tick(timer: func.TimerRequest) -> None: ...
    """
    assert "cannot load the tick function" in failure(start(source, ready=False))


def test_a_folder_without_an_app(run_host: Callable, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "host.json").write_text("{}")
    assert "there is no function_app.py in" in failure(run_host(tmp_path / "app", ready=False))


def test_a_port_that_is_taken(start: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = failure(start("", "--port", str(other.getsockname()[1]), ready=False))
    assert "address already in use" in said.lower()
