"""While a backup is restored the timers of the app that waits beside the tables rest; afterwards they work."""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from cli.exits import Exit
from functions import backup as nightly
from functions import maintenance, retention, upkeep
from functions import timed as timing
from functions.services import Services
from shared.backup.backup import Backup
from shared.backup.container import BackupContainer
from shared.backup.restore import Restore
from shared.storage.schema import SCHEMA_VERSION, Schema, Standing
from shared.storage.table import Tables
from tests.backup.conftest import contents, fill, restore
from tests.cli.zapctl import Zapctl
from tests.conftest import IDENTITY_KEY, HandClock
from tests.infra.bicep import ROOT

type Timer = Callable[[Any], Awaitable[None]]

BLUEPRINTS = (nightly.backups, maintenance.maintenance, retention.retention, upkeep.upkeep)
A_YEAR_AND_MORE = 400 * 86400


@pytest.fixture
def timers(restored_services: Services, monkeypatch: pytest.MonkeyPatch) -> dict[str, Timer]:
    """Every timer of the app that waits."""
    for module in (nightly, maintenance, retention, upkeep, timing):
        monkeypatch.setattr(module, "services", lambda: restored_services)
    app = func.FunctionApp()
    for blueprint in BLUEPRINTS:
        app.register_functions(blueprint)
    found = {one.get_function_name(): one.get_user_function() for one in app.get_functions()}
    code = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    assert found.keys() == set(re.findall(r"timer_trigger\(.*\n@timed\nasync def (\w+)", code))
    return found


@pytest.fixture
async def half_restored(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, clock: HandClock
) -> Restore:
    """All is written and nothing compared, and what was written is older by now than anything is kept."""
    await fill(services)
    manifest = await backup.run()
    await restore(container, empty, manifest)
    clock.advance(A_YEAR_AND_MORE)
    return Restore(container, empty, manifest)


async def said(timer: Timer, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    caplog.clear()
    with caplog.at_level(logging.INFO, "zapbridge"):
        await timer(None)
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]


async def test_every_timer_rests_and_says_for_which_restore(
    timers: dict[str, Timer], half_restored: Restore, empty: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    before = await contents(empty)
    backup = half_restored._manifest.backup
    for name, timer in timers.items():
        assert await said(timer, caplog) == [{"event": "upkeep.resting", "work": name, "backup": backup}]
    assert await contents(empty) == before
    assert [one async for one in half_restored.differences(lambda _: None)] == []


async def test_they_work_as_soon_as_it_is_completed(
    timers: dict[str, Timer], half_restored: Restore, empty: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    await said(timers["retain"], caplog)
    await half_restored.complete()

    events = [one["event"] for one in await said(timers["retain"], caplog)]

    assert "upkeep.resting" not in events
    assert "retention.applied" in events
    assert (await contents(empty))["Quarantine"] == []


async def test_tables_of_an_older_version_are_upgraded_though_the_empty_ones_were_of_the_present(
    timers: dict[str, Timer], empty: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    await said(timers["sweep"], caplog)
    assert await Schema(empty).version() == SCHEMA_VERSION
    await Schema(empty).put(Standing(version=1))

    await said(timers["sweep"], caplog)

    assert await Schema(empty).version() == SCHEMA_VERSION


async def test_where_something_differs_zapctl_says_that_they_rest_until_nothing_does(
    timers: dict[str, Timer],
    half_restored: Restore,
    empty: Tables,
    connection_string: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    accounts = {"ZAPBRIDGE_BACKUPS": connection_string, "ZAPBRIDGE_TABLES": empty._account}
    zapctl = Zapctl(tmp_path, accounts | {"ZAPBRIDGE_IDENTITY_KEY": IDENTITY_KEY})
    await empty["Installations"].insert("added", "added", {"id": "added"})

    differs = await zapctl("restore", "latest", "--yes", "--resume")

    assert differs.code == Exit.RESTORE_DIFFERS
    assert "timers rest until nothing differs" in differs.out
    assert [one["event"] for one in await said(timers["sweep"], caplog)] == ["upkeep.resting"]

    await empty["Installations"].delete("added", "added")
    assert (await zapctl("restore", "latest", "--yes", "--resume")).code == Exit.FINE
    assert "sweep.completed" in [one["event"] for one in await said(timers["sweep"], caplog)]
