from collections.abc import AsyncIterator

import pytest

from functions.services import Services
from tests.conftest import HandClock
from tests.sessions.cloudsite import CloudSite, running_cloud_site
from tests.sessions.site import Site


@pytest.fixture
async def site(services: Services, clock: HandClock) -> Site:
    """An installation in enforce mode."""
    site = Site(services, clock)
    await site.set_up()
    return site


@pytest.fixture
async def cloud_site(connection_string: str, clock: HandClock, seed: int) -> AsyncIterator[CloudSite]:
    async with running_cloud_site(connection_string, clock, seed) as site:
        yield site
