import pytest

from functions.services import Services
from tests.conftest import HandClock
from tests.sessions.site import Site


@pytest.fixture
async def site(services: Services, clock: HandClock) -> Site:
    """An installation in enforce mode."""
    site = Site(services, clock)
    await site.set_up()
    return site
