"""docs/sessions.md: what it says of commit bits is what the log makes of them."""

import re
from pathlib import Path
from typing import Any

import pytest

from shared.sessions.flags import Flag
from shared.sessions.folding import fold
from shared.sessions.view import Event, Source, Status
from shared.storage.sessions import Fact
from shared.zapcloud.commit import Commit
from tests.conftest import MONDAY_MORNING

TEXT = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text()
WORDS: dict[str, dict[str, Any]] = {
    "online": {"commitMetadata": Commit.ONLINE},
    "offline": {"commitMetadata": Commit.OFFLINE},
    "reliable clock": {"commitMetadata": Commit.RELIABLE_CLOCK},
    "stopped by RFID": {"commitMetadata": Commit.STOPPED_BY_RFID},
    "signed": {"commitMetadata": Commit.SIGNED},
    "void": {"commitMetadata": Commit.VOID},
    "aborted": {"commitMetadata": Commit.ABORTED},
    "OCPP": {"commitMetadata": Commit.OCPP_NATIVE},
    "replaced": {"replacedBy": "the other"},
    "closed": {"commitMetadata": 0},
    "never committed": {"abandoned": True},
    "with energy": {"energyKwh": 4.5},
    "without energy": {"energyKwh": 0.0},
    "the one that replaces it": {"commitMetadata": Commit.ONLINE},
}


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose first column is headed so."""
    lines = TEXT.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = lines[start + 2 :]
    end = next(number for number, line in enumerate(rows) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows[:end]]


def authorization() -> Fact:
    data = {"at": "2026-03-02T06:00:00Z", "installationId": "home", "chargerId": "c", "driver": "Kari"}
    return Fact(at=MONDAY_MORNING, source=Source.START_HOOK, event=Event.AUTHORIZED, data=data)


def said(what: str) -> Fact:
    data: dict[str, Any] = {"installationId": "home", "energyKwh": 4.5, "end": "2026-03-02T07:00:00Z"}
    for word in what.split(", "):
        for name, value in WORDS[word].items():
            data[name] = data.get(name, 0) | value if name == "commitMetadata" else value
    return Fact(at=MONDAY_MORNING, source=Source.CHARGE_HISTORY, event=Event.ENDED, data=data)


@pytest.mark.parametrize("row", table("what ZapCloud says"), ids=lambda row: row[0])
def test_each_row_of_the_table_of_commit_bits_holds(row: list[str]) -> None:
    what, flags, billable, _ = row
    facts = [authorization(), said(what)]
    replaced = ()
    if what.startswith("the one that replaces"):
        facts[0] = Fact(
            at=MONDAY_MORNING, source=Source.CHARGE_HISTORY, event=Event.REPLACES, data={"session": "the first"}
        )
        replaced = (fold("the first", (authorization(), said("void, replaced"))),)
    view = fold("s", tuple(facts), replaced)
    assert sorted(view.flags) == sorted(re.findall(r"`([\w-]+)`", flags))
    assert view.billable == {"yes": True, "no": False}[billable]
    assert (view.status, view.driver) == (Status.ENDED, "Kari")


def test_every_bit_is_in_the_table() -> None:
    words = {word for row in table("what ZapCloud says") for word in row[0].split(", ")}
    explained = {int(WORDS[word].get("commitMetadata", 0)) for word in words}
    assert {int(bit) for bit in Commit} <= explained


def test_every_flag_every_source_and_every_status_is_explained() -> None:
    for name in (*Flag, *Source, *(status for status in Status if status is not Status.ENDED)):
        assert f"`{name}`" in TEXT
