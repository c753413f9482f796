"""People are entered, looked up by their names, handed out and erased; erasing is asked for first."""

import json
import secrets
import stat
from pathlib import Path

import pytest

from cli.exits import Exit
from devhost.stack import Stack
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them


@pytest.fixture
async def kari(zapctl: Zapctl, running: Stack, card: str) -> str:
    """Entered, with a card; her driver text."""
    driver = f"Kari {card}"
    ended = await zapctl("drivers", "put", driver, "--name", "Kari Nordmann", "--group", card, "--group", "board")
    assert ended.code == 0
    assert (await zapctl("drivers", "show", driver, "--json")).json["id"] in ended.out
    async with running.host.management() as management:
        (await management.put("/tokens", json={"token": card, "driver": driver})).raise_for_status()
    return driver


async def test_a_driver_is_listed_and_shown_without_the_whole_card(zapctl: Zapctl, kari: str, card: str) -> None:
    listed = await zapctl("drivers", "list", "--group", card)
    assert kari in listed.out
    assert "Kari Nordmann" in listed.out
    shown = await zapctl("drivers", "show", kari)
    assert f"Groups: {card}, board" in shown.out
    assert f"Card: {card}" not in shown.out
    assert card[-4:] in shown.out


async def test_a_group_nobody_is_in_is_not_taken_for_no_driver_at_all(zapctl: Zapctl, kari: str) -> None:
    listed = await zapctl("drivers", "list", "--group", "nobody's")
    assert listed.out == "No driver is in the group nobody's.\n"


async def test_an_export_is_for_its_owner_alone(zapctl: Zapctl, kari: str, card: str, tmp_path: Path) -> None:
    assert (await zapctl("drivers", "export", kari, "kari.json")).code == 0
    file = tmp_path / "kari.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    held = json.loads(file.read_text())
    assert held["driver"]["name"] == "Kari Nordmann"
    assert [token["token"] for token in held["tokens"]] == [card]


async def test_nobody_is_erased_without_being_asked_for(zapctl: Zapctl, kari: str) -> None:
    ended = await zapctl("drivers", "erase", kari)
    assert ended.code == Exit.NOT_DONE
    assert (await zapctl("drivers", "show", kari)).code == 0


async def test_an_erasure_is_begun_and_followed_to_its_end(zapctl: Zapctl, running: Stack, kari: str) -> None:
    identity = (await zapctl("drivers", "show", kari, "--json")).json["id"]
    begun = await zapctl("drivers", "erase", kari, "--yes")
    assert "1 card deleted." in begun.out
    assert f"`zapctl drivers erase {identity}` asks again" in begun.out
    gone = await zapctl("drivers", "erase", kari, "--yes")
    assert gone.code == Exit.NOT_FOUND
    assert "known by their id alone" in gone.err
    await running.simulator.advance(61)
    again = await zapctl("drivers", "erase", identity, "--yes", "--json")
    assert (again.code, again.json["state"]) == (0, "done")


async def test_an_id_under_which_nothing_is_held_is_erased_and_said_to_be_nobodys(
    zapctl: Zapctl, running: Stack
) -> None:
    """It may be right, after a restore; or mistyped."""
    identity = secrets.token_hex(16)
    begun = await zapctl("drivers", "erase", identity, "--yes")
    assert begun.code == 0
    assert "no card or session was found so far; is the id right?\n" in begun.out
    await running.simulator.advance(61)
    await zapctl("drivers", "erase", identity, "--yes")
    done = await zapctl("drivers", "erase", identity, "--yes")
    assert "no card or session was found.\nErased.\n" in done.out


async def test_an_id_of_somebody_with_a_card_is_not_doubted(zapctl: Zapctl, kari: str) -> None:
    identity = (await zapctl("drivers", "show", kari, "--json")).json["id"]
    assert "Nobody" not in (await zapctl("drivers", "erase", identity, "--yes")).out


async def test_whoever_is_entered_while_being_erased_is_told_how_to_go_on(zapctl: Zapctl, kari: str) -> None:
    identity = (await zapctl("drivers", "show", kari, "--json")).json["id"]
    await zapctl("drivers", "erase", kari, "--yes")
    ended = await zapctl("drivers", "put", kari)
    assert ended.code == Exit.REFUSED
    assert identity in ended.err
    assert "`zapctl drivers erase ID` goes on with it" in ended.err


@pytest.mark.parametrize("words", [[""], [" "], ["Kari", "--group", ""]])
async def test_a_driver_without_a_name_is_refused_in_plain_words(zapctl: Zapctl, words: list[str]) -> None:
    ended = await zapctl("drivers", "put", *words)
    assert ended.code == Exit.USAGE
    assert "is empty; say what" in ended.err or "a group has a name" in ended.err


async def test_an_address_that_is_none_is_refused_by_what_is_wrong_with_it(zapctl: Zapctl) -> None:
    ended = await zapctl("drivers", "put", "Kari", "--email", "nonsense")
    assert ended.code == Exit.REFUSED
    assert "email must have one @" in ended.err


async def test_a_name_nobody_entered_is_said_to_be_none(zapctl: Zapctl) -> None:
    ended = await zapctl("drivers", "erase", "Nobody", "--yes")
    assert ended.code == Exit.NOT_FOUND
    assert "drivers put" in ended.err


@pytest.mark.parametrize("no", ["\x03", "\x04", "n"])
async def test_a_question_left_by_ctrl_c_changes_nothing(zapctl: Zapctl, kari: str, no: str) -> None:
    """The first Ctrl-C does, as Ctrl-D and a no do."""
    ended = await zapctl.on_terminal("drivers", "erase", kari, answers=[("[y/N]: ", no)])
    assert ended.code == Exit.NOT_DONE
    assert "nothing was changed" in ended.out
    assert (await zapctl("drivers", "show", kari)).code == 0


def exports_in(folder: Path) -> dict[str, str]:
    """Whole ones and drafts."""
    return {file.name: file.read_text() for file in folder.glob("*kari*")}


async def test_an_export_for_which_there_is_no_room_leaves_nothing_behind(
    zapctl: Zapctl, kari: str, tmp_path: Path
) -> None:
    """A limit on how large a file may get is as a disk without room; the file that was there before stays."""
    (tmp_path / "kari.json").write_text("former")
    ended = await zapctl.in_shell(f"ulimit -f 0; trap '' XFSZ; zapctl drivers export '{kari}' kari.json")
    assert (ended.code, ended.err) == (Exit.NOT_DONE, "zapctl: kari.json cannot be written: File too large\n")
    assert exports_in(tmp_path) == {"kari.json": "former"}
