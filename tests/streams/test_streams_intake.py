"""A batch of messages: nothing in it stops the others, and an outage of storage costs none of them."""

import asyncio
import json
from datetime import timedelta

import pytest

from functions.services import Services, build
from shared.errors import StorageUnavailable
from shared.observations.folding import fold
from shared.observations.reading import read, read_states
from shared.storage import guard
from shared.storage.charger_states import UNASSIGNED
from shared.storage.sessions import Sessions
from shared.storage.table import Tables
from shared.streams.intake import lock_left
from tests.cable import cable_to
from tests.conftest import HandClock, settings_for
from tests.streams.watching import events

CHARGER = "80000000-0000-4000-8000-000000000001"


def said(clock: HandClock, state: int, value: str) -> bytes:
    at = clock.now().isoformat()
    return json.dumps({"ChargerId": CHARGER, "StateId": state, "Timestamp": at, "ValueAsString": value}).encode()


async def value(services: Services, state: int) -> str | None:
    now = await services.streams.reader.now(CHARGER, UNASSIGNED)
    return now.observations[state].value if now and state in now.observations else None


async def test_a_message_that_storage_would_refuse_is_set_aside_and_the_others_are_stored(
    services: Services, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message can exceed the limits there are; that none would stop a stream is tried with smaller ones."""
    monkeypatch.setattr(guard, "MAX_ENTITY_BYTES", 100_000)
    too_large = said(clock, 808, "x" * 60_000)
    batch = [said(clock, 201, "20"), too_large, said(clock, 270, "40"), said(clock, 710, "1")]
    await services.streams.intake.take("harbour", [(body, clock.now()) for body in batch])
    assert [await value(services, state) for state in (201, 270, 710, 808)] == ["20", "40", "1", None]
    (item,) = await services.quarantine.newest()
    assert await services.quarantine.body(item.id) == too_large
    assert "1 MiB" in item.reason


async def test_a_state_read_over_rest_that_storage_would_refuse_is_said_and_the_others_are_stored(
    services: Services, clock: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guard, "MAX_ENTITY_BYTES", 100_000)
    values = {201: "20", 808: "x" * 60_000, 270: "40", 710: "1"}
    at = clock.now().isoformat()
    items = [{"StateId": state, "Timestamp": at, "ValueAsString": value} for state, value in values.items()]
    await services.streams.intake.keep_each(read_states(items, CHARGER, clock.now()))
    assert [await value(services, state) for state in values] == ["20", None, "40", "1"]
    (refused,) = events(caplog, "stream.observation_refused")
    assert (refused["chargerId"], refused["stateId"]) == (CHARGER, 808)


async def test_the_largest_values_of_the_widest_characters_fit(services: Services, clock: HandClock) -> None:
    value_of_emoji = "\U0001f600" * 60_000
    await services.streams.intake.take("harbour", [(said(clock, 808, value_of_emoji), clock.now())])
    assert await value(services, 808) == value_of_emoji
    assert await services.quarantine.newest() == []


@pytest.mark.parametrize(("state", "told"), [(710, "1"), (721, "60000000-0000-4000-8000-000000000001"), (501, "1")])
async def test_a_charger_that_thinks_it_is_the_year_1_stops_nothing(
    services: Services, clock: HandClock, state: int, told: str
) -> None:
    lost = said(clock, state, told).replace(b"2026-03-02", b"0001-01-01")
    await services.streams.intake.take("harbour", [(lost, clock.now()), (said(clock, 513, "7400"), clock.now())])
    assert [await value(services, one) for one in (state, 513)] == [told, "7400"]
    await services.streams.intake.take("harbour", [(lost, clock.now())])
    assert await services.quarantine.newest() == []


async def test_a_serial_number_of_any_length_stops_nothing(services: Services, clock: HandClock) -> None:
    long = said(clock, 501, "1").replace(b"{", b'{"DeviceId": "' + b"Z" * 40_000 + b'", ', 1)
    await services.streams.intake.take("harbour", [(long, clock.now()), (said(clock, 513, "7400"), clock.now())])
    assert [await value(services, one) for one in (501, 513)] == [None, "7400"]
    (item,) = await services.quarantine.newest()
    assert await services.quarantine.body(item.id) == long


async def test_a_batch_that_failed_at_the_session_log_is_news_until_it_is_told(
    services: Services, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state that is stored is the mark that the session log knows: the message may never come again."""
    session = "70000000-0000-4000-8000-00000000000a"
    over = json.dumps({"SessionId": session, "Energy": 7.5, "EndDateTime": clock.now().isoformat()})
    batch = [(said(clock, 723, over), clock.now())]

    async def down(*_: object) -> None:
        raise StorageUnavailable("one table is busy")

    with monkeypatch.context() as broken:
        broken.setattr(Sessions, "add", down)
        with pytest.raises(StorageUnavailable):
            await services.streams.intake.take("harbour", batch, timedelta(seconds=1))
    (observation,) = read(batch).observations
    assert await value(services, 723) is None
    await services.streams.intake.keep(fold([observation]))
    assert await services.ledger.view(session)


async def test_while_storage_is_down_a_batch_waits_and_is_stored_when_it_is_back(
    connection_string: str, clock: HandClock
) -> None:
    async with cable_to(connection_string) as cable:
        services = build(settings_for(connection_string, clock), Tables(cable.connection_string))
        await cable.cut()
        taking = asyncio.create_task(
            services.streams.intake.take("harbour", [(said(clock, 201, "20"), clock.now())], timedelta(seconds=60))
        )
        await asyncio.wait([taking], timeout=1)
        assert not taking.done()
        await cable.mend()
        await asyncio.wait_for(taking, 30)
        assert await value(services, 201) == "20"
        await services.close()


async def test_storage_that_stays_down_throws_the_batch_back_before_its_lock_ends(
    connection_string: str, clock: HandClock
) -> None:
    async with cable_to(connection_string) as cable:
        services = build(settings_for(connection_string, clock), Tables(cable.connection_string))
        await cable.cut()
        with pytest.raises(StorageUnavailable):
            await services.streams.intake.take("harbour", [(said(clock, 201, "20"), clock.now())], timedelta(seconds=1))
        await cable.mend()
        await services.streams.intake.take("harbour", [(said(clock, 201, "20"), clock.now())])
        assert await value(services, 201) == "20"
        await services.close()


def test_what_is_left_of_a_lock_is_thirty_seconds_where_nothing_sensible_is_known(clock: HandClock) -> None:
    now = clock.now()
    assert lock_left(now + timedelta(seconds=50), now) == timedelta(seconds=50)
    for nonsense in (None, now - timedelta(seconds=1), now + timedelta(hours=1)):
        assert lock_left(nonsense, now) == timedelta(seconds=30)
