"""The session log of one installation read page by page: what a page costs at its end, against at its beginning."""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from bench.figures import Figure
from bench.storing import CountingTransport
from devhost.stack import ACCOUNT_KEY, Ports, start_azurite, storage_connection_string
from shared.sessions.listing import Listing
from shared.storage.session_index import SessionEntry, SessionIndex
from shared.storage.table import Tables

INSTALLATION = "30000000-0000-4000-8000-000000000001"
CHARGER = "30000000-0000-4000-9000-000000000001"
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
_PAGE = 100
_COMPARED = 0.1
"""The first and the last pages that are compared, as a part of all."""


class Cost(msgspec.Struct, frozen=True):
    requests: int
    seconds: float


def logged(count: int, installation_id: str = INSTALLATION) -> list[SessionEntry]:
    """So many sessions that are over, evenly over the year 2025."""
    step = (LAST - FIRST) / count
    return [
        SessionEntry(
            session_id=f"{installation_id[:8]}-0000-4000-a000-{number:012x}",
            listed_at=FIRST + number * step,
            facts=3,
            status="ended",
            start_known=True,
            installation_id=installation_id,
            charger_id=CHARGER,
            driver=f"Driver {number % 500}",
            start=FIRST + number * step,
            end=FIRST + number * step + timedelta(hours=1),
            energy_kwh=7.25,
            source="charge-history",
            billable=True,
        )
        for number in range(count)
    ]


async def listing(count: int) -> AsyncIterator[Figure]:
    """On an Azurite of its own."""
    with tempfile.TemporaryDirectory(prefix="zapbridge-bench-") as folder:
        ports = Ports.free()
        azurite = await start_azurite(Path(folder) / "data", ports, Path(folder), f"bench000:{ACCOUNT_KEY}")
        try:
            transport = CountingTransport()
            async with Tables(storage_connection_string(ports, "bench000"), transport) as tables:
                await SessionIndex(tables).put_new(logged(count))
                costs = await _read(Listing(SessionIndex(tables)), transport, count)
        finally:
            await azurite.stop()
    compared = max(1, int(len(costs) * _COMPARED))
    first, last = costs[:compared], costs[-compared:]
    name = f"a page of {_PAGE} sessions, the last tenth of {count:,} sessions against the first"
    yield _figure(
        f"storage requests for {name}", "requests", [[one.requests for one in some] for some in (last, first)]
    )
    yield _figure(f"time for {name}", "ms", [[1000 * one.seconds for one in some] for some in (last, first)])


async def _read(listing: Listing, transport: CountingTransport, count: int) -> list[Cost]:
    """What each page cost; together they are the log."""
    costs: list[Cost] = []
    cursor: str | None = None
    found = 0
    while not costs or cursor is not None:
        before, began = transport.requests, time.perf_counter()
        page = await listing.page([INSTALLATION], FIRST, LAST, cursor, _PAGE)
        costs.append(Cost(transport.requests - before, time.perf_counter() - began))
        cursor, found = page.cursor, found + len(page.items)
    assert found == count, f"{found} of {count} sessions were listed"
    return costs


def _figure(name: str, unit: str, samples: list[list[float]]) -> Figure:
    """Of requests the mean, since a page at the turn of a month needs one more; of times the median."""
    average = statistics.mean if unit == "requests" else statistics.median
    last, first = (average(sample) for sample in samples)
    return Figure(f"{name} (lower is better)", round(last, 2), unit, round(first, 2), round(last / first, 3))
