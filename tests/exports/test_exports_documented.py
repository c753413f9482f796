"""docs/exports.md: its example is run, and its table of columns is that of the files."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

from devhost.stack import Stack
from shared.exports.styles import STYLES, StyleName
from shared.storage.chargers import Charger
from shared.storage.installations import Installation
from shared.storage.session_index import SessionEntry, SessionIndex
from tests.api.inside import services_of
from tests.cli.zapctl import Zapctl

GUIDE = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
((COMMAND, SAID),) = re.findall(r"```console\n\$ zapctl ([^\n]*)\n(.*?)```", GUIDE, re.DOTALL)
(FILE,) = re.findall(r"```csv\n(.*?)```", GUIDE, re.DOTALL)
INSTALLATION, CHARGER = "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d", "0f0e8f4e-7a55-4bd1-9f7e-2f3a1d4c5b6a"


def session(session_id: str, start: datetime, **known: object) -> SessionEntry:
    given = {"session_id": session_id, "listed_at": start, "start": start, "facts": 2, "start_known": True}
    given |= {"installation_id": INSTALLATION, "charger_id": CHARGER}
    return SessionEntry(**(given | known))  # type: ignore[arg-type]


async def test_the_example_makes_the_file_that_is_shown(stack: Stack, zapctl: Zapctl) -> None:
    entries = [
        session(
            "9b2f4c1e-8d3a-4e57-b6c0-1a2d3e4f5a6b",
            datetime(2025, 10, 25, 23, 30, tzinfo=UTC),
            end=datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
            status="ended",
            driver="Ada",
            token_name="blue tag",
            energy_kwh=14.3,
            billable=True,
            flags=("offline",),
            source="charge-history",
            signature="valid",
        ),
        session(
            "8a1e3b0d-7c29-4d46-a5b0-091c2d3e4f5a",
            datetime(2025, 10, 26, 2, 5, tzinfo=UTC),
            status="charging",
            driver="=Grace",
            energy_kwh=3.75,
            source="observation",
        ),
    ]
    async with services_of(stack) as services:
        await services.installations.put(Installation(id=INSTALLATION, name="Strandgata"))
        charger = Charger(id=CHARGER, installation_id=INSTALLATION, name="Strandgata 1")
        await services.directory.register([charger])
        await SessionIndex(services.tables).put_new(entries)
    ended = await zapctl(*shlex.split(COMMAND))
    assert (ended.code, ended.err, ended.out) == (0, "", SAID)
    written = (zapctl.folder / "october.csv").read_bytes().decode("utf-8-sig")
    assert written.replace("\r\n", "\n") == FILE


def test_every_column_of_every_style_is_documented_in_its_place() -> None:
    rows = re.findall(r"^\| (?:`([^`|]+)`|[^`]) \| `([^`|]+)` \| `([^`|]+)` \| ", GUIDE, re.MULTILINE)
    for number, name in enumerate((StyleName.PLAIN, StyleName.NORWEGIAN, StyleName.GERMAN)):
        assert tuple(row[number] for row in rows[1:] if row[number]) == STYLES[name].headings
    assert rows[0] == tuple(STYLES)
