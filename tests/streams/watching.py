"""The app's own services on a simulated ZapCloud with a real Service Bus connection, for the tests of the watchdog."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.services import Services, build
from shared.observations.observation import Observation
from shared.observations.reading import Message
from shared.settings import Settings
from shared.storage.installations import Installation
from shared.stream import Stream
from simulator.app import Options, serve
from simulator.client import SimulatorClient
from simulator.shapes import InstallationView
from simulator.truth import Known
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING
from tests.streams.conftest import PASSWORD, USERNAME


class Watching:
    """An installation whose stream is known; `host` is nobody, so that nothing is restarted."""

    def __init__(self, services: Services, simulator: SimulatorClient, site: InstallationView) -> None:
        self.services = services
        self.simulator = simulator
        self.site = site
        self.charger = site.chargers[0].id
        self.stream = Stream("harbour", installation_id=site.id)

    async def refresh(self) -> None:
        refresher = self.services.streams.refresher
        assert refresher
        await refresher.run()

    async def trigger_took(self, messages: list[Message]) -> None:
        """What the trigger would have been given."""
        await self.services.streams.intake.take(self.stream.name, messages)

    async def waiting(self) -> int:
        (view,) = (await self.simulator.service_bus()).items
        return view.counts.waiting

    async def value(self, state: int, charger: str | None = None) -> str | None:
        now = await self.services.streams.reader.now(charger or self.charger, self.site.id)
        return now.observations[state].value if now and state in now.observations else None

    async def differences(self) -> list[tuple[str, int, Known, Observation | None]]:
        """Of every state of every charger: where the store and what REST says differ; REST tells milliseconds."""
        found = []
        for truth in (await self.simulator.truth()).states:
            if truth.held is None:
                continue
            stored = await self.services.streams.reader.now(truth.charger_id, self.site.id)
            kept = stored.observations.get(truth.state_id) if stored else None
            same_instant = kept is not None and abs(kept.at - truth.held.at) < timedelta(milliseconds=1)
            if kept is None or not same_instant or kept.value != truth.held.value:
                found.append((truth.charger_id, truth.state_id, truth.held, kept))
        return found


@asynccontextmanager
async def watching(
    folder: Path, connection_string: str, seed: int, chargers: int = 2, **settings: Any
) -> AsyncIterator[Watching]:
    clock_file = folder / "virtual-clock"
    options = Options(
        port=0, seed=seed, start=MONDAY_MORNING, clock_file=clock_file, username=USERNAME, password=PASSWORD
    )
    async with serve(options) as running, SimulatorClient(running.url) as simulator:
        view = await simulator.add_installation("Harbour", chargers)
        await simulator.configure(view.id, messagingEnabled=True)
        services = build(
            Settings(
                tables=connection_string,
                identity_key=IDENTITY_KEY,
                clock_file=str(clock_file),
                zapcloud_url=running.url,
                zapcloud_username=USERNAME,
                zapcloud_password=PASSWORD,
                secrets_file=str(folder / "secrets.json"),
                streams=msgspec.json.encode({"harbour": {"installation": view.id}}).decode(),
                **settings,
            )
        )
        await services.installations.put(Installation(id=view.id))
        await services.directory.reload(view.id)
        yield Watching(services, simulator, view)
        await services.close()


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    lines = [record.getMessage() for record in caplog.records if record.name == "zapbridge"]
    return [event for event in map(msgspec.json.decode, lines) if event["event"] == name]
