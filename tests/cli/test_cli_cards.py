"""Cards go out as a file, and those nobody knows are listed, ready to come in."""

import stat
from pathlib import Path

import pytest

from cli.exits import Exit
from devhost.stack import Stack
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them


@pytest.fixture
async def registered(running: Stack, card: str) -> str:
    """A card with everything that can be said of one, and some of it dangerous in a spreadsheet."""
    async with running.host.management() as management:
        content = {
            "token": card,
            "driver": "=HYPERLINK(1)",
            "label": 'ÅÆØ; "quoted",\nand a second line',
            "validFrom": "2026-01-01T00:00:00Z",
            "validTo": "2036-01-01T00:00:00.25Z",
            "installations": [running.installations[0].id],
            "chargers": [charger.id for charger in running.installations[0].chargers],
            "maxConcurrent": 2,
        }
        (await management.put("/tokens", json=content)).raise_for_status()
    return card


async def test_what_is_exported_is_for_its_owner_alone_and_imports_as_unchanged(
    zapctl: Zapctl, registered: str, tmp_path: Path
) -> None:
    ended = await zapctl("tokens", "export", "cards.csv")
    assert ended.code == 0
    file = tmp_path / "cards.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{registered},'=HYPERLINK(1)," in file.read_text("utf-8-sig")
    again = await zapctl("tokens", "import", "cards.csv", "--dry-run", "--json")
    assert (again.code, again.json["outcome"]) == (0, "unchanged")
    assert again.json["unchanged"] >= 1


async def test_an_export_takes_the_place_of_an_older_one_that_others_could_read(
    zapctl: Zapctl, registered: str, tmp_path: Path
) -> None:
    file = tmp_path / "cards.csv"
    file.write_text("of yesterday")
    file.chmod(0o644)
    assert (await zapctl("tokens", "export", "cards.csv")).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert registered in file.read_text()
    assert names_in(tmp_path) == {".local", "cards.csv"}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_an_export_may_go_into_a_pipe(zapctl: Zapctl, registered: str, tmp_path: Path) -> None:
    ended = await zapctl("tokens", "export")
    (tmp_path / "piped.csv").write_text(ended.out)
    assert registered in ended.out
    again = await zapctl("tokens", "import", "piped.csv", "--dry-run", "--json")
    assert again.json["outcome"] == "unchanged"


async def test_an_export_as_json_is_the_apis_list(zapctl: Zapctl, running: Stack, registered: str) -> None:
    ended = await zapctl("tokens", "export", "--json")
    async with running.host.management() as management:
        assert ended.json == (await management.get("/tokens?limit=1000")).json()


async def test_a_folder_that_cannot_be_written_to_is_said(zapctl: Zapctl, registered: str) -> None:
    ended = await zapctl("tokens", "export", "nowhere/cards.csv")
    assert ended.code == Exit.NOT_DONE
    assert "nowhere/cards.csv cannot be written" in ended.err


@pytest.fixture
async def shown_card(running: Stack, harbour: str, card: str) -> str:
    """A card nobody knows, shown at Harbour 1 while the installation observes."""
    charger = running.streams.installations["harbour"][0].chargers[0].id
    async with running.host.management() as management:
        await management.put(f"/installations/{harbour}", json={"mode": "observe"})
        await running.simulator.plug(charger)
        await running.simulator.advance(1)
        await running.simulator.scan(charger, card)
        await running.simulator.advance(60)
        await running.simulator.unplug(charger)
        await running.simulator.run_until_idle()
        await management.put(f"/installations/{harbour}", json={"mode": "enforce"})
    return card


async def test_cards_nobody_knows_are_listed_with_where_they_were_shown(
    zapctl: Zapctl, running: Stack, harbour: str, shown_card: str
) -> None:
    ended = await zapctl("tokens", "seen")
    (row,) = [line for line in ended.out.splitlines() if f"…{shown_card[-4:]}" in line]
    assert "Harbour 1" in row
    assert shown_card not in ended.out
    told = await zapctl("tokens", "seen", "--installation", harbour, "--json")
    async with running.host.management() as management:
        items = (await management.get(f"/tokens/seen?installation={harbour}")).json()["items"]
    by_card = {one["token"]: one | {"installationId": harbour} for one in items}
    assert {one["token"]: one for one in told.json["items"]} == by_card


async def test_they_can_be_imported_once_their_drivers_are_filled_in(
    zapctl: Zapctl, shown_card: str, tmp_path: Path
) -> None:
    lines = (await zapctl("tokens", "seen", "--csv")).out.splitlines()
    (mine,) = [line for line in lines if line.startswith(shown_card)]
    (tmp_path / "seen.csv").write_text(f"{lines[0]}\n{mine.replace(',,', ',Kari,', 1)}\n")
    ended = await zapctl("tokens", "import", "seen.csv", "--yes", "--json")
    assert (ended.code, ended.json["new"]) == (0, 1)
    assert shown_card not in (await zapctl("tokens", "seen", "--csv")).out


async def test_an_installation_nobody_knows_is_not_found(zapctl: Zapctl) -> None:
    ended = await zapctl("tokens", "seen", "--installation", "Fjordveien")
    assert ended.code == Exit.NOT_FOUND
