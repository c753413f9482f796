"""No secret where it could be read afterwards: command lines, help, outputs; and no traceback for operators."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from aiohttp import web

from cli.app import app
from cli.exits import Exit
from devhost.stack import Stack
from tests.cli.conftest import describe
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them


def every_command(group: Any) -> list[Any]:
    return [
        one
        for command in group.commands.values()
        for one in [command, *(every_command(command) if hasattr(command, "commands") else [])]
    ]


def test_no_option_takes_a_secret() -> None:
    root = typer.main.get_command(app)
    parameters = [parameter for command in [root, *every_command(root)] for parameter in command.params]
    secret = [one for one in parameters if any(word in one.name for word in ("password", "secret", "key"))]
    assert {one.name for one in secret} == {"password_stdin"}
    assert all(one.is_flag for one in secret)


def test_help_shows_no_way_to_write_a_secret_on_the_line() -> None:
    root = typer.main.get_command(app)
    for command in every_command(root):
        text = command.get_help(typer.Context(command, info_name=command.name))
        assert "--password " not in text
        assert "PASSWORD=" not in text


@pytest.mark.parametrize(
    "command",
    [
        "installations",
        "sessions",
        "state",
        "health",
        "credentials",
        "hooks show",
        "hooks show --oauth",
        "doctor",
        "tokens seen",
        "tokens export",
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
async def test_no_secret_is_told(zapctl: Zapctl, running: Stack, command: str, form: list[str]) -> None:
    ended = await zapctl(*command.split(), *form)
    assert ended.out
    assert not [secret for secret in running.secrets() if secret in ended.out + ended.err]


async def test_a_card_in_a_chargers_state_is_told_in_part(zapctl: Zapctl, running: Stack, card: str) -> None:
    charger = running.streams.installations["harbour"][0].chargers[0]
    async with running.host.management() as management:
        await management.put("/tokens", json={"token": card})
    await running.simulator.plug(charger.id)
    await running.simulator.advance(1)
    await running.simulator.scan(charger.id, card)
    await running.simulator.advance(30)
    during = await zapctl("state", charger.device_id)
    whole = await zapctl("state", charger.device_id, "--json")
    await running.simulator.unplug(charger.id)
    await running.simulator.run_until_idle()
    after = await zapctl("state", charger.device_id)
    assert card in whole.out
    assert card not in during.out + after.out
    assert f"nfc-…{card[-4:]}" in during.out


@pytest.fixture
async def strange_app(running: Stack, tmp_path: Path) -> AsyncIterator[Zapctl]:
    """Something that answers, and not as the API does."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"items": [{"unheard": "of"}], "cursor": None})

    server = web.Application()
    server.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    describe(running, tmp_path, base_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield Zapctl(tmp_path)
    await runner.cleanup()


async def test_what_nobody_foresaw_is_one_line_with_a_way_to_see_more(strange_app: Zapctl, running: Stack) -> None:
    ended = await strange_app("installations")
    assert ended.code == Exit.UNEXPECTED
    assert ended.err.count("\n") == 1
    assert "ZAPCTL_TRACEBACK=1" in ended.err
    strange_app.environment["ZAPCTL_TRACEBACK"] = "1"
    more = await strange_app("installations")
    assert "Traceback" in more.err
    assert running.host.function_key not in more.err
