"""docs/zapctl.md says what zapctl does: its examples are run, its tables are held against the code. And no document
names a command that there is none of."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.app import app
from cli.doctor_exits import EXIT_OF_FINDING, UNKNOWN_FINDING
from cli.exits import Exit
from devhost.stack import ZAPCLOUD_USERNAME, Stack
from tests.cli.first_boot import first_boot, paste, pasted_from
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDE = (DOCS / "zapctl.md").read_text()
EXAMPLES = {
    command: output.rstrip()
    for command, output in re.findall(r"```console\n\$ zapctl ([^\n]*)\n(.*?)```", GUIDE, re.DOTALL)
}
(CSV,) = re.findall(r"```csv\n(.*?)```", GUIDE, re.DOTALL)
FAULTY = "token;driver;blocked\n04:A1:B2:C3:D4:E5:F6;Ada;no\n04A1B2C3D4E5F6;Grace;perhaps\nkitchen!;Kari;no\n"
AT_A_TERMINAL = {"setup", "secrets rotate", "secrets retire"}
_VARYING = {
    r"\x1b\[[0-9;?]*[A-Za-z]": "",
    r"http://127\.0\.0\.1:\d+": "URL",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "UUID",
    r"\b[0-9a-f]{64}\b": "<64 hex digits>",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+": "TIME",
    r"\d+\.\d\d\b": "KWH",
    "─+": "─",
    "[ \r]+": " ",
    r"(?m) +$": "",
}
"""What is another each time, or another as wide as the rest."""


def essence(text: str) -> list[str]:
    for pattern, instead in _VARYING.items():
        text = re.sub(pattern, instead, text)
    return [line.strip() for line in text.strip().splitlines()]


async def test_every_example_is_what_zapctl_says(tmp_path: Path) -> None:
    """A first morning: set up, cards imported, one session over, another under way with a card nobody knows."""
    async with first_boot(tmp_path, azure=False, name="Fjordveien") as (stack, zapctl):
        (zapctl.folder / "cards.csv").write_text(CSV)
        (zapctl.folder / "faulty.csv").write_text(FAULTY)
        answers = {
            "setup": [
                ("ZapCloud user name: ", ZAPCLOUD_USERNAME),
                ("ZapCloud password: ", stack.zapcloud_password),
                ("or all: ", "1"),
            ],
            "secrets retire": [("[y/N]: ", "y")],
        }
        late = ["installations mode Fjordveien enforce", "secrets rotate", "secrets retire"]
        for command in [*(one for one in EXAMPLES if one not in late), *late]:
            if command == "tokens seen":
                await a_morning(stack)
            told = await said(zapctl, command, answers.get(command, []))
            assert essence(told) == essence(EXAMPLES[command]), command
            if command == "setup":
                await paste(stack, pasted_from(told))
                await stack.refresh_credentials()


async def said(zapctl: Zapctl, command: str, answers: list[tuple[str, str]]) -> str:
    arguments = shlex.split(command)
    if command in AT_A_TERMINAL:
        return (await zapctl.on_terminal(*arguments, answers=answers)).out
    ended = await zapctl(*arguments)
    return ended.err + ended.out


async def a_morning(stack: Stack) -> None:
    first, second = [charger.id for charger in stack.streams.installations["fjordveien"][0].chargers]
    await stack.simulator.plug(first)
    await stack.simulator.advance(1)
    await stack.simulator.scan(first, "04A1B2C3D4E5F6")
    await stack.simulator.advance(3600)
    await stack.simulator.unplug(first)
    await stack.simulator.run_until_idle()
    await stack.simulator.plug(second)
    await stack.simulator.advance(1)
    await stack.simulator.scan(second, "04A1B2C3D4E5F8")
    await stack.simulator.advance(60)


def test_every_exit_code_is_documented_by_its_name() -> None:
    rows = {name: int(code) for code, name in re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", GUIDE, re.MULTILINE)}
    assert rows == {code.name: code.value for code in Exit}


def test_every_finding_of_the_doctor_is_documented_by_its_exit_code() -> None:
    rows = {name: int(code) for code, name in re.findall(r"^\| (\d+) \| `([a-z\-]+)` \|", GUIDE, re.MULTILINE)}
    assert rows == EXIT_OF_FINDING
    assert f"| {UNKNOWN_FINDING} | one that a newer app knows" in GUIDE


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} | {"--help"}


def commands(group: Any, path: str = "") -> dict[str, set[str]]:
    """All commands by their whole names, and the options that each takes."""
    found = {}
    for name, command in group.commands.items():
        whole = f"{path}{name}"
        found[whole] = options(command)
        found |= commands(command, f"{whole} ") if hasattr(command, "commands") else {}
    return found


ZAPCTL = typer.main.get_command(app)
COMMANDS = commands(ZAPCTL)
GROUPS = {name for name in COMMANDS if any(other.startswith(f"{name} ") for other in COMMANDS)}
_CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_CALL = re.compile(r"^(?:\$ )?(?:\./)?zapctl +([^\n#]*)", re.MULTILINE)


def calls(document: str) -> list[list[str]]:
    """What comes after `zapctl` wherever it is named as a command."""
    code = [block or span for block, span in _CODE.findall(document)]
    return [call.split() for piece in code for call in _CALL.findall(piece)]


def named(call: list[str]) -> str:
    """The command of a call, as one may be alone or in a group."""
    words = [word for word in call if re.fullmatch("[a-z]+", word)]
    return next((name for name in (" ".join(words[:2]), *words[:1]) if name in COMMANDS), "")


def test_the_guide_shows_every_command() -> None:
    shown = {named(call) for call in calls(GUIDE)} | {"secrets account"}
    assert set(COMMANDS) - GROUPS - {"installations list"} <= shown


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.stem)
def test_no_document_names_a_command_or_option_that_is_none(document: Path) -> None:
    for call in calls(document.read_text()):
        given = {word.partition("=")[0] for word in call if word.startswith("--")}
        if call[0] in {"…", "COMMAND"} or (given == set(call) and given <= options(ZAPCTL)):
            continue
        command = named(call)
        assert command, call
        assert given <= COMMANDS[command] | options(ZAPCTL), call
