"""A simulated ZapCloud in virtual time, in this process, with one installation whose messages can be subscribed to."""

from collections.abc import AsyncIterator

import pytest

from simulator.app import Options, Simulator, serve
from simulator.client import SimulatorClient
from tests.conftest import MONDAY_MORNING

USERNAME, PASSWORD = "owner@example.test", "simulated"


@pytest.fixture
async def running(seed: int) -> AsyncIterator[Simulator]:
    options = Options(port=0, seed=seed, start=MONDAY_MORNING, username=USERNAME, password=PASSWORD)
    async with serve(options) as simulator:
        yield simulator


@pytest.fixture
async def simulator(running: Simulator) -> AsyncIterator[SimulatorClient]:
    async with SimulatorClient(running.url) as client:
        yield client
