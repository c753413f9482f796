"""A ZapCloud that is simulated in virtual time, and our client of it, which lives in the same time."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from shared.zapcloud.client import ZapCloud
from simulator.app import Options, Simulator, serve
from simulator.client import SimulatorClient
from simulator.process import running_simulator

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
USERNAME, PASSWORD = "owner@example.test", "simulated"


@pytest.fixture
async def running() -> AsyncIterator[Simulator]:
    async with serve(Options(port=0, seed=7, start=START, username=USERNAME, password=PASSWORD)) as simulator:
        yield simulator


@pytest.fixture
async def simulator(running: Simulator) -> AsyncIterator[SimulatorClient]:
    async with SimulatorClient(running.url) as client:
        yield client


@pytest.fixture
async def zapcloud(running: Simulator) -> AsyncIterator[ZapCloud]:
    client = ZapCloud(running.kernel.now, running.url, USERNAME, PASSWORD)
    yield client
    await client.close()


@pytest.fixture
async def zapcloud_process() -> AsyncIterator[SimulatorClient]:
    """The simulator as a user starts it, in real time."""
    async with running_simulator() as client:
        yield client
