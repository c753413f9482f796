"""Tables of an older schema version are brought to the present one; those of a newer one are left alone."""

import logging
from typing import Any

import azure.functions as func
import pytest

from functions import timed as timing
from functions.services import Services
from shared.storage.schema import SCHEMA_VERSION, Schema, Standing
from shared.storage.session_index import SessionEntry, month_partition
from shared.storage.table import Tables
from shared.upgrade import Upgrade
from tests.backup.conftest import INSTALLATION, fill
from tests.conftest import MONDAY_MORNING
from tests.secrecy import WatchedTransport

PARTITION = month_partition(INSTALLATION, MONDAY_MORNING)


async def entries(services: Services) -> list[SessionEntry]:
    return await services.listing._index.page(PARTITION, "", None, 100)


async def grow_old(services: Services) -> None:
    """Index entries as version 1 wrote them, which said nothing of what is billable."""
    for row in await services.tables["SessionIndex"].partition(PARTITION):
        old = {name: value for name, value in row.properties.items() if name not in ("billable", "flags")}
        await services.tables["SessionIndex"].upsert(row.partition, row.key, old)
    await Schema(services.tables).put(Standing(version=1))


async def test_the_index_of_version_1_is_drawn_again_and_tells_what_is_billable(services: Services) -> None:
    await fill(services)
    present = await entries(services)
    await grow_old(services)
    assert not any(entry.billable for entry in await entries(services))

    await Upgrade(services.schema, services.upgrade._steps).advance()

    assert await entries(services) == present
    assert any(entry.billable for entry in present)
    assert await services.schema.standing() == Standing(version=SCHEMA_VERSION)


async def test_a_new_account_is_of_the_present_version_after_the_first_run(services: Services) -> None:
    assert await services.schema.version() == 1
    await services.upgrade.advance()
    assert await services.schema.version() == SCHEMA_VERSION


class Counting:
    """A step of five pieces, which is killed in the middle of one."""

    def __init__(self, killed_at: int | None) -> None:
        self.killed_at = killed_at
        self.begun: list[str] = []

    async def piece(self, reached: str) -> str | None:
        self.begun.append(reached)
        number = int(reached or 0) + 1
        if number == self.killed_at:
            raise KeyboardInterrupt
        return str(number) if number < 5 else None


async def test_an_upgrade_that_was_killed_goes_on_with_the_piece_it_was_at(tables: Tables) -> None:
    killed, after = Counting(killed_at=3), Counting(killed_at=None)
    with pytest.raises(KeyboardInterrupt):
        await Upgrade(Schema(tables), {1: killed.piece}).advance()

    await Upgrade(Schema(tables), {1: after.piece}).advance()

    assert killed.begun == ["", "1", "2"]
    assert after.begun == ["2", "3", "4"]
    assert await Schema(tables).version() == SCHEMA_VERSION


async def test_one_run_does_its_share_and_the_next_goes_on(tables: Tables) -> None:
    pieces: list[str] = []

    async def piece(reached: str) -> str | None:
        pieces.append(reached)
        return str(len(pieces)) if len(pieces) < 45 else None

    upgrade = Upgrade(Schema(tables), {1: piece})
    versions = []
    for _ in range(4):
        await upgrade.advance()
        versions.append((len(pieces), await Schema(tables).version()))

    assert versions == [(20, 1), (40, 1), (45, SCHEMA_VERSION), (45, SCHEMA_VERSION)]


async def test_once_all_is_done_a_timer_asks_storage_but_how_the_tables_stand(connection_string: str) -> None:
    transport = WatchedTransport([])
    async with Tables(connection_string, transport) as tables:
        upgrade = Upgrade(Schema(tables), {1: Counting(killed_at=None).piece})
        await upgrade.advance()
        asked = transport.requests
        await upgrade.restoring()
        await upgrade.advance()
        assert transport.requests == asked + 1


async def test_a_timer_of_an_older_app_leaves_tables_of_a_newer_one_alone(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await Schema(services.tables).put(Standing(version=SCHEMA_VERSION + 1))
    monkeypatch.setattr(timing, "services", lambda: services)
    ran: list[Any] = []

    @timing.timed
    async def work(timer: func.TimerRequest) -> None:
        ran.append(timer)

    with caplog.at_level(logging.WARNING, "zapbridge"):
        await work(None)  # type: ignore[arg-type]
        assert not ran
        assert "app.not_configured" in caplog.text
        assert f"schema version {SCHEMA_VERSION + 1}" in caplog.text

        await Schema(services.tables).put(Standing(version=SCHEMA_VERSION))
        await work(None)  # type: ignore[arg-type]
        assert len(ran) == 1
