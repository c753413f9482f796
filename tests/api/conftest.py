"""A running stack from outside, as an operator and as ZapCloud, and from inside."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import httpx
import pytest

from devhost.stack import HOOK_CREDENTIAL, Stack
from functions.services import Services
from simulator.shapes import ChargerView, InstallationView
from tests.api.inside import add_site, services_of
from tests.api.promised import check_promised


@pytest.fixture
async def inside(stack: Stack) -> AsyncIterator[Services]:
    async with services_of(stack) as services:
        yield services


@pytest.fixture(scope="module")
async def site(stack: Stack) -> InstallationView:
    return await add_site(stack, "A module's own", 20)


@pytest.fixture(scope="module")
def unused(site: InstallationView) -> Iterator[ChargerView]:
    return iter(site.chargers)


@pytest.fixture
def charger(unused: Iterator[ChargerView]) -> ChargerView:
    """One of the site's that no other test has touched."""
    return next(unused)


@pytest.fixture
async def management(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """An operator, to whom every answer must be one that the document promises."""
    async with stack.host.management() as client:
        client.event_hooks["response"] = [check_promised]
        yield client


@pytest.fixture
async def hooks(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """ZapCloud, calling the web hooks."""
    async with stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as client:
        yield client


@pytest.fixture
async def now(stack: Stack) -> datetime:
    """The stack's time, which stands still."""
    return (await stack.simulator.clock()).now
