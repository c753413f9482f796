"""What exporting the session log takes of memory: a whole log by zapctl, and one answer of the app."""

import functools
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from bench.figures import Figure
from bench.listing import CHARGER, FIRST, LAST, logged
from bench.sides import Bench
from cli.api import Api
from cli.export import copy
from functions.exports import MOST_ROWS
from shared.exports.session_table import written
from shared.exports.styles import STYLES, StyleName
from shared.sessions.listing import Listing
from shared.storage.session_index import SessionIndex
from shared.storage.table import Tables

_MEBIBYTE = 2**20


async def exporting(bench: Bench, few: int, many: int, folder: Path) -> AsyncIterator[Figure]:
    """Of logs of two lengths, and of the largest answer; peaks of what Python itself has allocated (tracemalloc)."""
    places = {count: f"3{number}000000-0000-4000-8000-000000000001" for number, count in enumerate((few, many), 1)}
    async with Tables(bench.stack.storage_connection_string) as tables:
        for count, place in places.items():
            await SessionIndex(tables).put_new(logged(count, place))
        listing = Listing(SessionIndex(tables))

        async def answered() -> None:
            page = await listing.page([places[many]], FIRST, LAST, None, MOST_ROWS)
            written(page.items, {CHARGER: "Fjordveien 1"}, STYLES[StyleName.PLAIN], None, heading=True)

        await answered()
        yield Figure(f"peak memory of one answer of {min(many, MOST_ROWS):,} sessions", await _peak(answered), "MiB")

    async with Api(bench.stack.host.url, bench.stack.host.function_key) as api:

        async def exported(count: int) -> None:
            asked = {"installation": places[count], "from": FIRST.isoformat(), "to": LAST.isoformat()}
            with (folder / f"{count}.csv").open("wb") as file:
                found = await copy(api, asked | {"style": StyleName.PLAIN, "limit": "1000"}, file, lambda _: None)
            assert found == count, f"{found} of {count} sessions were exported"

        await exported(few)
        little, much = [await _peak(functools.partial(exported, count)) for count in (few, many)]
    name = f"peak memory of zapctl sessions export, {many:,} sessions against {few:,} (lower is better)"
    yield Figure(name, much, "MiB", little, round(much / little, 3))


async def _peak(work: Callable[[], Awaitable[None]]) -> float:
    tracemalloc.start()
    try:
        await work()
        return round(tracemalloc.get_traced_memory()[1] / _MEBIBYTE, 2)
    finally:
        tracemalloc.stop()
