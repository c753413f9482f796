"""What the alerts on reading finished sessions stand on: until when they were read, whose signature is invalid."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from functions.services import Services, build
from shared.observations.folding import fold
from shared.observations.observation import Observation
from shared.storage.installations import Installation
from simulator.app import Options, Simulator, serve
from simulator.client import SimulatorClient
from simulator.faults import Fault
from tests.conftest import MONDAY_MORNING, HandClock, settings_for

USERNAME, PASSWORD = "owner@example.test", "simulated"
PRO, PUBLIC_KEY = 1, 981
HOUR = 3600


class Garage:
    """The app, and an installation in ZapCloud whose meters sign."""

    def __init__(self, simulator: Simulator, client: SimulatorClient, services: Services, clock: HandClock) -> None:
        self.world = simulator.world
        self.client = client
        self.services = services
        self.clock = clock
        self.id = self.charger = ""

    async def set_up(self) -> None:
        installation = await self.client.add_installation("Garage", 1, device_type=PRO)
        self.id, self.charger = installation.id, installation.chargers[0].id
        await self.services.installations.put(Installation(id=self.id))
        await self.services.directory.reload(self.id)
        key = self.world.charger(self.charger).states[PUBLIC_KEY].value
        observation = Observation(self.charger, PUBLIC_KEY, MONDAY_MORNING, key, device_type=PRO)
        await self.services.streams.intake.keep(fold([observation]))

    async def charge(self) -> str | None:
        await self.client.plug(self.charger, power_kw=11.0)
        await self.client.advance(HOUR)
        return await self.client.unplug(self.charger)

    async def told(self, event: str, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
        """What the next reading says under this name."""
        caplog.clear()
        assert self.services.reconciler
        with caplog.at_level(logging.INFO, logger="zapbridge"):
            await self.services.reconciler.run()
        said = [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]
        return [one for one in said if one["event"] == event]


@pytest.fixture
async def garage(connection_string: str, clock: HandClock, seed: int) -> AsyncIterator[Garage]:
    options = Options(
        port=0, seed=seed, start=MONDAY_MORNING, clock_file=clock.path, username=USERNAME, password=PASSWORD
    )
    async with serve(options) as running, SimulatorClient(running.url) as client:
        account = {"zapcloud_url": running.url, "zapcloud_username": USERNAME, "zapcloud_password": PASSWORD}
        services = build(settings_for(connection_string, clock, **account))
        garage = Garage(running, client, services, clock)
        await garage.set_up()
        yield garage
        await services.close()


async def test_a_reading_that_fails_says_until_when_sessions_were_read(
    garage: Garage, caplog: pytest.LogCaptureFixture
) -> None:
    assert await garage.told("sessions.reconcile_failed", caplog) == []
    read = garage.clock.now()
    await garage.client.set_faults({"rest-5xx": Fault(probability=1)})
    for _ in range(2):
        await garage.client.advance(5 * HOUR)
        assert await garage.told("sessions.reconcile_failed", caplog) == [
            {
                "event": "sessions.reconcile_failed",
                "installationId": garage.id,
                "readUntil": read.isoformat().replace("+00:00", "Z"),
                "reason": "ZapCloud answered 503; try again later",
            }
        ]


async def test_of_an_installation_that_was_never_read_it_says_no_instant(
    garage: Garage, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.client.set_faults({"rest-5xx": Fault(probability=1)})
    (said,) = await garage.told("sessions.reconcile_failed", caplog)
    assert (said["installationId"], "readUntil" in said) == (garage.id, False)


async def test_an_invalid_signature_is_told_once_with_its_installation_and_charger(
    garage: Garage, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.client.set_faults({"signature-broken": Fault(next=1)})
    session_id = await garage.charge()
    await garage.charge()
    assert await garage.told("session.signature_invalid", caplog) == [
        {
            "event": "session.signature_invalid",
            "sessionId": session_id,
            "installationId": garage.id,
            "chargerId": garage.charger,
        }
    ]
    await garage.client.advance(25 * HOUR)
    assert await garage.told("session.signature_invalid", caplog) == []
