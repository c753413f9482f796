from collections.abc import AsyncIterator

import pytest

from functions.services import Services, build
from shared.storage.installations import Installation
from simulator.app import Options, serve
from simulator.client import SimulatorClient
from tests.conftest import MONDAY_MORNING, HandClock, settings_for
from tests.sessions.cloudsite import CloudSite
from tests.sessions.site import Site

USERNAME, PASSWORD = "owner@example.test", "simulated"


@pytest.fixture
async def site(services: Services, clock: HandClock) -> Site:
    """An installation in enforce mode."""
    site = Site(services, clock)
    await site.set_up()
    return site


@pytest.fixture
async def cloud_site(connection_string: str, clock: HandClock, seed: int) -> AsyncIterator[CloudSite]:
    options = Options(
        port=0, seed=seed, start=MONDAY_MORNING, clock_file=clock.path, username=USERNAME, password=PASSWORD
    )
    async with serve(options) as running, SimulatorClient(running.url) as client:
        account = {"zapcloud_url": running.url, "zapcloud_username": USERNAME, "zapcloud_password": PASSWORD}
        services = build(settings_for(connection_string, clock, archived_sessions="read", **account))
        installation = (await client.add_installation("Garage", 3)).id
        await services.installations.put(Installation(id=installation))
        yield CloudSite(running, client, services, installation)
        await services.close()
