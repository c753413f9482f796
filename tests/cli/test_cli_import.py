"""Cards come in as a file: all of it or nothing, whatever happens in between."""

import asyncio
import itertools
import json
import math
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.api import Api
from cli.exits import Exit
from cli.token_import import stored_cards
from devhost.stack import Stack
from tests.cli.conftest import describe
from tests.cli.gate import Gate, gate_before
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them

numbers = itertools.count(0x70000000)


def new_cards(count: int) -> list[str]:
    """That no other test uses."""
    return [f"04A1B2{next(numbers):08X}" for _ in range(count)]


def file_of(folder: Path, cards: list[str], driver: str = "Ada") -> Path:
    file = folder / "cards.csv"
    file.write_text("token,driver\n" + "".join(f"{card},{driver}\n" for card in cards))
    return file


@pytest.fixture
async def api(running: Stack) -> AsyncIterator[Api]:
    async with Api(running.host.url, running.host.function_key) as opened:
        yield opened


@pytest.fixture
async def gate(running: Stack, tmp_path: Path) -> AsyncIterator[Gate]:
    """In front of the app, and what zapctl takes for it."""
    async with gate_before(running.host.url) as opened:
        describe(running, tmp_path, base_url=opened.url)
        yield opened


@pytest.fixture
def gated(gate: Gate, tmp_path: Path) -> Zapctl:
    return Zapctl(tmp_path)


async def drivers(api: Api, cards: list[str]) -> list[str | None]:
    """Whose each card is; None where it is not registered."""
    stored = await stored_cards(api, lambda _: None)
    return [stored[card].card.driver if card in stored else None for card in cards]


async def test_a_dry_run_tells_and_writes_nothing(zapctl: Zapctl, api: Api, tmp_path: Path) -> None:
    cards = new_cards(2)
    ended = await zapctl("tokens", "import", str(file_of(tmp_path, cards)), "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert "2 new, 0 changed, 0 as they are" in ended.out
    assert await drivers(api, cards) == [None, None]


async def test_an_import_says_where_it_writes_and_a_second_one_has_nothing_to_do(
    zapctl: Zapctl, api: Api, tmp_path: Path, running: Stack
) -> None:
    cards = new_cards(20)
    file = str(file_of(tmp_path, cards))
    ended = await zapctl("tokens", "import", file, "--yes", "--json")
    assert ended.code == 0
    assert running.host.url in ended.err
    assert ended.json == {
        "outcome": "imported",
        "new": 20,
        "changed": 0,
        "unchanged": 0,
        "merged": 0,
        "faults": [],
        "left": [],
    }
    assert await drivers(api, cards) == ["Ada"] * 20
    again = await zapctl("tokens", "import", file, "--yes")
    assert again.code == 0
    assert "Nothing to do: 0 new, 0 changed, 20 as they are." in again.out


async def test_only_what_is_another_is_sent(gated: Zapctl, gate: Gate, api: Api, tmp_path: Path) -> None:
    cards = new_cards(5)
    await gated("tokens", "import", str(file_of(tmp_path, cards)), "--yes")
    file = file_of(tmp_path, cards)
    file.write_text(file.read_text().replace(f"{cards[3]},Ada", f"{cards[3]},Grace"))
    before = gate.writes
    ended = await gated("tokens", "import", str(file), "--yes", "--json")
    assert gate.writes == before + 1
    assert (ended.json["changed"], ended.json["unchanged"]) == (1, 4)
    assert await drivers(api, cards) == ["Ada", "Ada", "Ada", "Grace", "Ada"]


async def test_with_one_fault_nothing_is_written(gated: Zapctl, gate: Gate, tmp_path: Path) -> None:
    cards = new_cards(3)
    file = file_of(tmp_path, cards)
    file.write_text(file.read_text() + f"nfc-{cards[0]},Grace\nkitchen!,Kari\n")
    ended = await gated("tokens", "import", str(file), "--yes")
    assert ended.code == Exit.IMPORT_FAULTS
    assert gate.writes == 0
    assert [line.split()[:2] for line in ended.out.splitlines() if line[:1].isdigit()] == [
        ["5", "driver"],
        ["6", "token"],
    ]


async def test_card_numbers_are_told_in_part_unless_asked_for(zapctl: Zapctl, tmp_path: Path) -> None:
    cards = new_cards(2)
    file = str(file_of(tmp_path, cards))
    told = await zapctl("tokens", "import", file, "--dry-run")
    assert all(f"…{card[-4:]}" in told.out and card not in told.out for card in cards)
    shown = await zapctl("tokens", "import", file, "--dry-run", "--show-cards")
    assert all(card in shown.out for card in cards)


async def test_without_a_terminal_nobody_is_asked_and_nothing_written(zapctl: Zapctl, api: Api, tmp_path: Path) -> None:
    cards = new_cards(1)
    ended = await zapctl("tokens", "import", str(file_of(tmp_path, cards)))
    assert ended.code == Exit.NOT_DONE
    assert "--yes" in ended.err
    assert await drivers(api, cards) == [None]


@pytest.mark.parametrize(("answer", "code", "driver"), [("y", Exit.FINE, "Ada"), ("n", Exit.NOT_DONE, None)])
async def test_on_a_terminal_it_is_asked_first(
    zapctl: Zapctl, api: Api, tmp_path: Path, answer: str, code: int, driver: str | None
) -> None:
    cards = new_cards(1)
    ended = await zapctl.on_terminal("tokens", "import", str(file_of(tmp_path, cards)), answers=[("[y/N]: ", answer)])
    assert ended.code == code
    assert await drivers(api, cards) == [driver]


@pytest.fixture
async def partly_known(running: Stack, api: Api, tmp_path: Path) -> list[str]:
    """Thirty cards, of which every third is registered for Grace, and a file that says they are Ada's."""
    cards = new_cards(30)
    for card in cards[::3]:
        await api.put("/tokens", {"token": card, "driver": "Grace", "label": "old"})
    file_of(tmp_path, cards)
    return cards


BEFORE = ["Grace", None, None] * 10


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "carried out, and the answer lost"])
async def test_when_a_write_fails_everything_is_taken_back(
    gated: Zapctl, gate: Gate, api: Api, partly_known: list[str], lost: bool
) -> None:
    gate.turn_away(1, after=11, answer_lost=lost)
    ended = await gated("tokens", "import", "cards.csv", "--yes", "--json")
    assert ended.code == Exit.IMPORT_UNDONE, ended.err
    assert ended.json["outcome"] == "undone"
    assert "Table Storage did not answer" in ended.err
    assert gate.writes > 12
    assert await drivers(api, partly_known) == BEFORE


async def test_a_card_that_somebody_else_changes_meanwhile_is_left_to_them(
    gated: Zapctl, gate: Gate, api: Api, partly_known: list[str]
) -> None:
    async def change_the_first() -> None:
        await api.put("/tokens", {"token": partly_known[0], "driver": "Kari"})

    gate.turn_away(1, after=11, meanwhile=change_the_first)
    ended = await gated("tokens", "import", "cards.csv", "--yes")
    assert ended.code == Exit.IMPORT_UNDONE
    assert await drivers(api, partly_known) == ["Kari", *BEFORE[1:]]


async def test_when_taking_back_fails_too_it_is_told_what_is_in_and_the_same_command_completes_it(
    gated: Zapctl, gate: Gate, api: Api, partly_known: list[str]
) -> None:
    gate.turn_away(math.inf, after=11)
    ended = await gated("tokens", "import", "cards.csv", "--yes", "--json")
    assert ended.code == Exit.IMPORT_PARTIAL, ended.err
    assert "same command completes it" in ended.err
    left = {one["line"] - 2 for one in ended.json["left"]}
    after = await drivers(api, partly_known)
    changed = {place for place in range(30) if after[place] != BEFORE[place]}
    assert len(changed) == 11
    assert changed <= left
    assert len(left) < 30
    gate.turn_away(0)
    again = await gated("tokens", "import", "cards.csv", "--yes", "--json")
    assert (again.code, again.json["outcome"]) == (0, "imported")
    assert await drivers(api, partly_known) == ["Ada"] * 30


async def test_when_it_is_interrupted_everything_is_taken_back(
    gated: Zapctl, gate: Gate, api: Api, partly_known: list[str]
) -> None:
    gate.hold.clear()
    async with gated.started("tokens", "import", "cards.csv", "--yes", "--json") as process, asyncio.timeout(180):
        await gate.someone_waits.wait()
        process.send_signal(signal.SIGINT)
        gate.hold.set()
        out, err = await process.communicate()
    assert process.returncode == Exit.IMPORT_UNDONE, err
    assert json.loads(out)["outcome"] == "undone"
    assert b"interrupted" in err
    assert await drivers(api, partly_known) == BEFORE


async def test_a_thousand_cards_and_one(gated: Zapctl, gate: Gate, api: Api, tmp_path: Path) -> None:
    """More than a page of the API's list has."""
    cards = new_cards(1001)
    assert (await gated("tokens", "import", str(file_of(tmp_path, cards)), "--yes")).code == 0
    again = await gated("tokens", "import", str(file_of(tmp_path, cards)), "--dry-run", "--json")
    assert again.json["unchanged"] == 1001
