"""What an operator looks at: installations, sessions, chargers, health, credentials; on a terminal and in a pipe."""

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from cli.api import Api
from cli.exits import Exit
from cli.health import _view
from cli.output import Output
from devhost.stack import Stack
from tests.cable import cable_to
from tests.cli.conftest import describe
from tests.cli.zapctl import STDOUT_IS_FULL, Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them


async def answered(stack: Stack, path: str) -> Any:
    """What the API itself says."""
    async with stack.host.management() as management:
        return (await management.get(path)).raise_for_status().json()


@pytest.fixture
async def chargers(running: Stack) -> list[str]:
    return [charger.id for charger in running.streams.installations["harbour"][0].chargers]


@pytest.fixture
async def a_charge(running: Stack, chargers: list[str], card: str) -> str:
    """A session of Ingrid's that has ended; its id."""
    async with running.host.management() as management:
        await management.put("/tokens", json={"token": card, "driver": "Ingrid"})
    await running.simulator.plug(chargers[0], driver="Ingrid")
    await running.simulator.advance(1)
    await running.simulator.scan(chargers[0], card)
    await running.simulator.advance(600)
    session = await running.simulator.unplug(chargers[0])
    await running.simulator.run_until_idle()
    assert session
    return session


async def test_installations_are_listed_by_name_with_times_in_the_zone_of_this_machine(
    zapctl: Zapctl, harbour: str
) -> None:
    ended = await zapctl("installations")
    (row,) = [line for line in ended.out.splitlines() if harbour in line]
    assert (ended.code, ended.err) == (0, "")
    assert row.split()[:2] == ["Harbour", "enforce"]
    assert "2026-03-02 07:00:00 CET" in row


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (["installations"], "/installations"),
        (["installations", "list"], "/installations"),
        (["sessions"], "/sessions"),
        (["health"], "/health/details"),
        (["state", "ZAP000001"], "/chargers/ZAP000001/state"),
    ],
)
async def test_json_is_what_the_api_answers_and_nothing_else(
    zapctl: Zapctl, running: Stack, a_charge: str, command: list[str], path: str
) -> None:
    ended = await zapctl(*command, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json == await answered(running, path)


async def test_the_session_log_tells_who_charged_how_much(zapctl: Zapctl, a_charge: str) -> None:
    ended = await zapctl("sessions", "--installation", "harbour")
    (row,) = [line for line in ended.out.splitlines() if a_charge in line]
    assert "Ingrid" in row
    assert "ended" in row
    assert "Harbour" in row
    assert "kWh" in ended.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (["--from", "2026-03-02", "--to", "2026-03-03"], True),
        (["--from", "2026-03-02T07:00"], True),
        (["--from", "2026-03-02T07:00+01:00"], True),
        (["--to", "2026-03-02"], False),
        (["--from", "2026-02-01", "--to", "2026-03-02T06:59"], False),
    ],
)
async def test_sessions_of_a_time(zapctl: Zapctl, a_charge: str, span: list[str], shown: bool) -> None:
    """Days and hours are those of Oslo here."""
    ended = await zapctl("sessions", *span)
    assert ended.code == 0
    assert (a_charge in ended.out) is shown


async def test_a_time_that_is_none_is_an_error_of_usage(zapctl: Zapctl) -> None:
    ended = await zapctl("sessions", "--from", "yesterday")
    assert ended.code == Exit.USAGE
    assert "--from" in ended.err


async def test_pages_are_put_together(running: Stack, a_charge: str) -> None:
    async with Api(running.host.url, running.host.function_key) as api:
        one_by_one = [page async for page in api.pages("/chargers", limit="1")]
    assert len(one_by_one) >= 3
    assert [item for page in one_by_one for item in page] == (await answered(running, "/chargers"))["items"]


async def test_all_chargers_are_shown_with_what_they_do(zapctl: Zapctl, running: Stack, chargers: list[str]) -> None:
    await running.simulator.plug(chargers[1])
    await running.simulator.advance(1)
    ended = await zapctl("state")
    await running.simulator.unplug(chargers[1])
    (row,) = [line for line in ended.out.splitlines() if "ZAP000002" in line]
    assert "waiting to charge" in row
    assert "Harbour 2" in row


async def test_a_charger_is_shown_with_all_it_observes(zapctl: Zapctl, running: Stack, a_charge: str) -> None:
    ended = await zapctl("state", "zap000001")
    assert ended.out.startswith("ZAP000001, last heard of 2026-03-02")
    assert "ChargerOperationMode" in ended.out


async def test_a_charger_nobody_knows_is_not_found(zapctl: Zapctl) -> None:
    ended = await zapctl("state", "ZAP/../999")
    assert ended.code == Exit.NOT_FOUND
    assert ended.err == "zapctl: no charger ZAP/../999 is known, by its id or serial; `zapctl state` lists them all\n"


async def test_watching_in_a_pipe_tells_each_change_once_and_ends_well_when_interrupted(
    zapctl: Zapctl, running: Stack, chargers: list[str]
) -> None:
    before = (await answered(running, "/chargers"))["items"]
    async with zapctl.started("state", "--watch", "--every", "0.2", "--json") as process, asyncio.timeout(180):
        assert process.stdout
        told = [json.loads(await process.stdout.readline()) for _ in before]
        assert {one["id"]: one for one in told} == {one["id"]: one for one in before}
        await running.simulator.plug(chargers[2])
        await running.simulator.advance(1)
        while (change := json.loads(await process.stdout.readline()))["mode"] != "vehicle connected; waiting to charge":
            assert change["id"] == chargers[2]
        process.send_signal(signal.SIGINT)
        await process.communicate()
    await running.simulator.unplug(chargers[2])
    assert process.returncode == 0


async def test_watching_on_a_terminal_shows_the_table_anew(zapctl: Zapctl, running: Stack, chargers: list[str]) -> None:
    watching = asyncio.ensure_future(
        zapctl.on_terminal("state", "--watch", "--every", "0.2", answers=[("Harbour 3", ""), ("waiting", "\x03")])
    )
    await running.simulator.plug(chargers[2])
    await running.simulator.advance(1)
    ended = await watching
    await running.simulator.unplug(chargers[2])
    assert ended.code == 0
    assert "Harbour 1" in ended.out


async def test_watching_ends_when_its_terminal_is_closed(zapctl: Zapctl) -> None:
    """Nobody is left behind who asks the app for ever."""
    assert not await zapctl.outlives_its_terminal("state", "--watch", "--every", "0.2", sign="Harbour 3")


async def test_health_tells_of_the_streams(zapctl: Zapctl, running: Stack, a_charge: str) -> None:
    ended = await zapctl("health")
    assert ended.code == 0
    assert f"{running.host.url} is up." in ended.out
    (row,) = [line for line in ended.out.splitlines() if line.startswith("harbour")]
    assert row.split()[1] == "moving"


async def test_before_the_first_sweep_the_session_log_is_said_to_be_unchecked(
    running: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await answered(running, "/health/details")
    Output(as_json=False).result(answer, lambda: _view(answer | {"sweptUntil": None}, running.host.url))
    told = capsys.readouterr().out
    assert "The session log was not checked yet." in told
    assert "until" not in told


async def test_credentials_are_told_without_secrets(zapctl: Zapctl, running: Stack) -> None:
    ended = await zapctl("credentials")
    assert ended.code == 0
    for name in ("zapcloud-login", "stream-harbour", "zapcloud", "zapcloud-oauth"):
        assert any(line.startswith(name) for line in ended.out.splitlines())
    told = await zapctl("credentials", "--json")
    assert told.json == {
        "credentials": (await answered(running, "/health/details"))["credentials"],
        "hookCredentials": (await answered(running, "/hook-credentials"))["items"],
    }
    assert not any(secret in ended.out + told.out for secret in running.secrets())


async def test_a_narrow_terminal_cuts_nothing(zapctl: Zapctl, harbour: str) -> None:
    ended = await zapctl.on_terminal("installations", columns=50)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in ended.out.splitlines()]
    assert all(len(line) <= 50 for line in lines)
    assert f"Id: {harbour}" in lines
    assert "Known since: 2026-03-02 07:00:00 CET" in lines


async def test_colours_are_for_terminals(zapctl: Zapctl, a_charge: str) -> None:
    assert "\x1b[" in (await zapctl.on_terminal("health")).out
    assert "\x1b[" not in (await zapctl("health")).out


async def test_a_name_cannot_steer_the_terminal(zapctl: Zapctl, running: Stack, harbour: str) -> None:
    async with running.host.management() as management:
        await management.put(f"/installations/{harbour}", json={"name": "Har\x1b[31mbour [red]x[/red]"})
        ended = await zapctl.on_terminal("installations")
        await management.put(f"/installations/{harbour}", json={"name": "Harbour"})
    assert "Har\N{REPLACEMENT CHARACTER}[31mbour [red]x[/red]" in ended.out


async def test_an_app_that_is_gone_is_unreachable(running: Stack, tmp_path: Path) -> None:
    describe(running, tmp_path, base_url="http://127.0.0.1:9")
    ended = await Zapctl(tmp_path)("installations", "--json")
    assert (ended.code, ended.out) == (Exit.UNREACHABLE, "")
    assert ended.err.count("\n") == 1


async def test_something_else_that_answers_is_not_taken_for_the_app(running: Stack, tmp_path: Path) -> None:
    describe(running, tmp_path, base_url=running.simulator.url)
    ended = await Zapctl(tmp_path)("installations")
    assert ended.code in {Exit.UNREACHABLE, Exit.NOT_AUTHORIZED}
    assert "Traceback" not in ended.err


async def test_a_wrong_key_is_not_authorized_and_not_repeated(running: Stack, tmp_path: Path) -> None:
    describe(running, tmp_path, function_key="a-key-of-yesterday")
    ended = await Zapctl(tmp_path)("installations")
    assert ended.code == Exit.NOT_AUTHORIZED
    assert "a-key-of-yesterday" not in ended.err


async def test_while_storage_is_down_the_app_is_unavailable(running: Stack, tmp_path: Path) -> None:
    """Another instance of the app, whose cable to storage is cut."""
    async with cable_to(running.storage_connection_string) as cable:
        port = running.ports.free().host
        host = await running.start_host("cut", port, {"ZAPBRIDGE_TABLES": cable.connection_string})
        try:
            await cable.cut()
            describe(running, tmp_path, base_url=host.url, function_key=host.function_key)
            ended = await Zapctl(tmp_path)("health")
        finally:
            await host.process.stop()
    assert ended.code == Exit.UNAVAILABLE
    assert "Table Storage" in ended.err


@pytest.mark.parametrize(
    "command", ["installations", "installations --json", "doctor", "tokens export", "drivers list", "--help"]
)
async def test_a_stdout_that_takes_no_more_is_told_in_one_line(zapctl: Zapctl, command: str) -> None:
    """/dev/full is as a disk without room."""
    ended = await zapctl.in_shell(f"zapctl {command} > /dev/full")
    assert (ended.code, ended.err) == (Exit.NOT_DONE, STDOUT_IS_FULL)
