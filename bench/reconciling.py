"""What it takes to read finished sessions from ZapCloud into the log: requests to its API and to storage."""

import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from bench.figures import Figure
from bench.storing import CountingTransport
from devhost.stack import ACCOUNT_KEY, Ports, start_azurite, storage_connection_string
from functions.services import build
from shared.settings import Settings
from shared.storage.installations import Installation
from shared.storage.table import Tables
from simulator.app import Options, Simulator, serve
from simulator.sessions import Session

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
_KEY = "an identity key of the benchmark, 32+ chars"
_SPAN = timedelta(days=1)


class Spent(msgspec.Struct, frozen=True):
    """Requests that one reading made."""

    api: int
    storage: int


async def reconciling(sessions: int) -> AsyncIterator[Figure]:
    """Sessions that nobody told us of, read for the first time and read again; the simulator's 100 to a page."""
    with tempfile.TemporaryDirectory(prefix="zapbridge-bench-") as name:
        folder, ports = Path(name), Ports.free()
        azurite = await start_azurite(folder / "data", ports, folder, f"bench000:{ACCOUNT_KEY}")
        options = Options(port=0, start=NOW, clock_file=folder / "clock")
        try:
            async with serve(options) as simulator:
                first, again = await _readings(simulator, options, ports, sessions)
        finally:
            await azurite.stop()
    yield _figure(f"sessions reconciled per API request, of {sessions:,} (higher is better)", sessions / first.api)
    yield _figure("storage requests per session that is new (lower is better)", first.storage / sessions)
    yield _figure("storage requests per session read again (lower is better)", again.storage / sessions)


async def _readings(simulator: Simulator, options: Options, ports: Ports, sessions: int) -> tuple[Spent, Spent]:
    installation = simulator.world.add_installation("Bench", 20)
    charger_ids = installation.circuits[0].charger_ids
    for number in range(sessions):
        charger = simulator.world.charger(charger_ids[number % len(charger_ids)])
        start = NOW - _SPAN - timedelta(hours=1) + number * _SPAN / sessions
        end = start + timedelta(minutes=20)
        session = Session(
            simulator.world.new_id("session"),
            charger.id,
            charger.device_id,
            installation.id,
            None,
            "somebody",
            start=start,
            metered_at=end,
            meter_start_kwh=0.0,
            energy_kwh=3.5,
            end=end,
            closed_at=end,
            listed_at=end,
            commit_metadata=5,
            status="ended",
        )
        simulator.world.closed.append(session)
    transport = CountingTransport()
    settings = Settings(
        tables=storage_connection_string(ports, "bench000"),
        identity_key=_KEY,
        clock_file=str(options.clock_file),
        zapcloud_url=simulator.url,
        zapcloud_username=options.username,
        zapcloud_password=options.password,
    )
    services = build(settings, Tables(settings.tables, transport))
    await services.installations.put(Installation(id=installation.id))
    spent = []
    for _ in range(2):
        api, storage = len(simulator.world.requests), transport.requests
        assert services.reconciler
        await services.reconciler.run()
        spent.append(Spent(len(simulator.world.requests) - api, transport.requests - storage))
    page = await services.listing.page([installation.id], NOW - 2 * _SPAN, NOW + _SPAN, None, sessions + 1)
    assert len(page.items) == sessions, f"{len(page.items)} of {sessions} sessions are in the log"
    await services.close()
    first, again = spent
    return first, again


def _figure(name: str, value: float) -> Figure:
    return Figure(name, round(value, 3), "requests")
