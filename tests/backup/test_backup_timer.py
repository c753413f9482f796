"""What the nightly timer says: that a backup was made, that it failed, that none is wanted."""

import json
import logging
from typing import Any

import pytest

from functions import backup as nightly
from functions import timed as timing
from functions.services import Services, build
from shared.backup.container import BackupContainer
from shared.backup.restore import backups
from tests.conftest import HandClock, settings_for


async def said_by_the_timer(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> list[dict[str, Any]]:
    for module in (nightly, timing):
        monkeypatch.setattr(module, "services", lambda: services)
    with caplog.at_level(logging.INFO, "zapbridge"):
        await nightly.backup.build().get_user_function()(None)
    await services.close()
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]


async def test_a_backup_is_made_and_told_of(
    connection_string: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services = build(settings_for(connection_string, clock, backups=connection_string))
    (said,) = await said_by_the_timer(services, monkeypatch, caplog)
    async with BackupContainer(connection_string) as container:
        assert said | {"seconds": 0} == {
            "event": "backup.completed",
            "backup": (await backups(container))[0],
            "rows": 0,
            "bytes": 0,
            "seconds": 0,
        }


async def test_without_a_place_for_backups_that_is_said(
    connection_string: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services = build(settings_for(connection_string, clock))
    (said,) = await said_by_the_timer(services, monkeypatch, caplog)
    assert said["event"] == "backup.not_configured"


async def test_a_container_that_does_not_answer_is_said_without_its_key(
    connection_string: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = connection_string.replace("BlobEndpoint=http://127.0.0.1:", "BlobEndpoint=http://127.0.0.1:1/")
    services = build(settings_for(connection_string, clock, backups=nowhere))
    (said,) = await said_by_the_timer(services, monkeypatch, caplog)
    assert said["event"] == "backup.failed"
    assert "AccountKey" not in said["reason"]
