"""What the alerts on reading finished sessions stand on: until when they were read, whose signature is invalid."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simulator.faults import Fault
from tests.conftest import HandClock
from tests.sessions.cloudsite import HOUR, CloudSite, running_cloud_site


@pytest.fixture
async def garage(connection_string: str, clock: HandClock, seed: int) -> AsyncIterator[CloudSite]:
    """Its meter signs."""
    async with running_cloud_site(connection_string, clock, seed) as site:
        await site.sign()
        await site.observe_key()
        yield site


async def told(site: CloudSite, event: str, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the next reading says of the installation under this name."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="zapbridge"):
        await site.reconcile()
    said = [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]
    return [one for one in said if one["event"] == event and one["installationId"] == site.installation]


async def test_a_reading_that_fails_says_until_when_sessions_were_read(
    garage: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    assert await told(garage, "sessions.reconcile_failed", caplog) == []
    read = garage.services.clock()
    await garage.client.set_faults({"rest-5xx": Fault(probability=1)})
    for _ in range(2):
        await garage.client.advance(5 * HOUR)
        assert await told(garage, "sessions.reconcile_failed", caplog) == [
            {
                "event": "sessions.reconcile_failed",
                "installationId": garage.installation,
                "readUntil": read.isoformat().replace("+00:00", "Z"),
                "reason": "ZapCloud answered 503; try again later",
            }
        ]


async def test_of_an_installation_that_was_never_read_it_says_no_instant(
    garage: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.client.set_faults({"rest-5xx": Fault(probability=1)})
    (said,) = await told(garage, "sessions.reconcile_failed", caplog)
    assert (said["installationId"], "readUntil" in said) == (garage.installation, False)


async def test_an_invalid_signature_is_told_once_with_its_installation_and_charger(
    garage: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.client.set_faults({"signature-broken": Fault(next=1)})
    session_id = await garage.charge()
    await garage.charge()
    assert await told(garage, "session.signature_invalid", caplog) == [
        {
            "event": "session.signature_invalid",
            "sessionId": session_id,
            "installationId": garage.installation,
            "chargerId": garage.chargers[0],
        }
    ]
    await garage.client.advance(25 * HOUR)
    assert await told(garage, "session.signature_invalid", caplog) == []
