"""Leases have one holder at a time, and a stream's mark never goes back, however many processes there are."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from azure.core.pipeline.transport import AioHttpTransport

from shared.observations.reading import Reading, read
from shared.storage.streams import StreamRecords
from shared.storage.table import Tables
from shared.streams.progress import StreamProgress
from tests.conftest import HandClock

CHARGER = "80000000-0000-4000-8000-000000000001"
LENGTH = timedelta(minutes=4)


class InterruptedTransport(AioHttpTransport):
    """Between the next answer and what is made of it, something else happens."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def send(self, request: Any, **options: Any) -> Any:
        response = await super().send(request, **options)
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return response


def reading_of(clock: HandClock, seconds_ago: float) -> Reading:
    at = (clock.now() - timedelta(seconds=seconds_ago)).isoformat()
    body = json.dumps({"ChargerId": CHARGER, "StateId": 201, "Timestamp": at, "ValueAsString": "20"}).encode()
    return read([(body, clock.now())])


async def test_a_lease_is_for_one_until_it_is_given_back_or_runs_out(
    tables: Tables, other_instance: Tables, clock: HandClock
) -> None:
    here, there = StreamRecords(tables), StreamRecords(other_instance)
    assert await here.take_lease("refresher", "a", clock.now(), LENGTH)
    assert not await there.take_lease("refresher", "b", clock.now(), LENGTH)
    assert not await here.take_lease("refresher", "a", clock.now(), LENGTH), "nor twice by the same process"
    await here.give_back_lease("refresher", "a")
    assert await there.take_lease("refresher", "b", clock.now(), LENGTH)
    clock.advance(LENGTH.total_seconds())
    assert await here.take_lease("refresher", "a", clock.now(), LENGTH)


async def test_a_lease_that_ran_out_and_is_anothers_now_is_not_given_back(
    connection_string: str, other_instance: Tables, clock: HandClock
) -> None:
    transport = InterruptedTransport()
    async with Tables(connection_string, transport) as tables:
        slow, quick = StreamRecords(tables), StreamRecords(other_instance)
        assert await slow.take_lease("refresher", "slow", clock.now(), LENGTH)
        clock.advance(300)

        async def take_it() -> None:
            assert await quick.take_lease("refresher", "quick", clock.now(), LENGTH)

        transport.meanwhile = take_it
        await slow.give_back_lease("refresher", "slow")
        assert transport.meanwhile is None
        assert not await slow.take_lease("refresher", "third", clock.now(), LENGTH)


async def test_the_newest_a_stream_ever_brought_is_not_forgotten_by_a_process_that_got_something_older(
    tables: Tables, other_instance: Tables, clock: HandClock
) -> None:
    records = StreamRecords(tables)
    await StreamProgress(clock.now, records, {}).note("harbour", reading_of(clock, 0), 1)
    newest = (await records.marks())["harbour"].newest
    assert newest == clock.now()
    await StreamProgress(clock.now, StreamRecords(other_instance), {}).note("harbour", reading_of(clock, 300), 1)
    assert (await records.marks())["harbour"].newest == newest
