"""A silent stream is noticed, drained, made up for over REST, and woken; newer is never replaced by older."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import MessageLockLostError

from shared.observations.folding import fold
from shared.observations.observation import Observation
from shared.storage.streams import StreamMark
from shared.stream import Stream
from simulator.faults import Fault
from tests.streams.refreshing import MASTER_KEY, StreamsHost, streams_host
from tests.streams.watching import Watching, events, watching

MODE, POWER, SESSION_ENERGY, SESSION = 710, 513, 553, 721


@pytest.fixture
async def site(
    tmp_path: Path, connection_string: str, seed: int, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Watching]:
    caplog.set_level(logging.INFO, logger="zapbridge")
    async with watching(tmp_path, connection_string, seed, stream_silent_after_seconds=300) as found:
        await found.refresh()
        await found.simulator.change_settings(state_cache_s=0)
        yield found


@pytest.fixture
async def hosted(
    tmp_path: Path, connection_string: str, seed: int, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[tuple[Watching, StreamsHost]]:
    """A site whose streams a host runs, started once; it has been silent for longer than it may, and messages wait."""
    caplog.set_level(logging.INFO, logger="zapbridge")
    async with (
        streams_host(tmp_path, Stream("harbour")) as host,
        watching(
            tmp_path,
            connection_string,
            seed,
            stream_silent_after_seconds=300,
            streams_host_url=host.url,
            streams_host_key=MASTER_KEY,
        ) as site,
    ):
        await site.refresh()
        assert host.restarts == 1
        await site.simulator.advance(301)
        await site.simulator.plug(site.charger)
        await site.simulator.advance(2)
        assert await site.waiting() > 0
        yield site, host


async def test_before_any_credentials_nothing_is_silent(tmp_path: Path, connection_string: str, seed: int) -> None:
    async with watching(tmp_path, connection_string, seed) as found:
        await found.simulator.advance(3600)
        assert await found.services.streams.watchdog.silent_streams() == {}


async def test_a_silent_stream_is_said_and_what_waits_in_it_is_taken(
    site: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    await site.simulator.advance(299)
    await site.services.streams.watchdog.run()
    assert not events(caplog, "stream.silent")

    await site.simulator.plug(site.charger)
    await site.simulator.advance(2)
    assert await site.waiting() > 0
    await site.services.streams.watchdog.run()

    (silent,) = events(caplog, "stream.silent")
    assert (silent["stream"], silent["seconds"]) == ("harbour", 301)
    (drained,) = events(caplog, "stream.drained")
    assert drained["messages"] > 0
    assert await site.waiting() == 0
    assert await site.value(MODE) == "3"


async def test_what_is_drained_does_not_make_the_trigger_look_alive(
    site: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    await site.simulator.advance(301)
    await site.simulator.plug(site.charger)
    await site.services.streams.watchdog.run()
    await site.simulator.advance(60)
    await site.services.streams.watchdog.run()
    assert len(events(caplog, "stream.silent")) == 2


async def test_messages_that_the_trigger_left_have_its_host_restarted_once_in_ten_minutes(
    hosted: tuple[Watching, StreamsHost], caplog: pytest.LogCaptureFixture
) -> None:
    site, host = hosted
    await site.services.streams.watchdog.run()
    assert (host.restarts, len(events(caplog, "stream.listener_dead"))) == (2, 1)
    for restarts in (2, 3):
        await site.simulator.advance(300)
        assert await site.waiting() > 0
        await site.services.streams.watchdog.run()
        assert host.restarts == restarts
    assert len(events(caplog, "stream.listener_dead")) == 2


async def test_a_silent_stream_in_which_nothing_waits_has_nothing_restarted(
    hosted: tuple[Watching, StreamsHost], caplog: pytest.LogCaptureFixture
) -> None:
    site, host = hosted
    await site.simulator.set_faults({"message-lost": Fault(probability=1)})
    await site.services.streams.watchdog.run()
    await site.simulator.advance(1200)
    assert await site.waiting() == 0
    await site.services.streams.watchdog.run()
    assert len(events(caplog, "stream.silent")) == 2
    assert host.restarts == 2


async def test_a_host_that_will_not_restart_is_said(
    hosted: tuple[Watching, StreamsHost], caplog: pytest.LogCaptureFixture
) -> None:
    site, host = hosted
    host.refusals = 1
    await site.services.streams.watchdog.run()
    (failed,) = events(caplog, "stream.restart_failed")
    assert "503" in failed["reason"]
    assert await site.value(MODE) == "3"


async def test_a_drain_that_breaks_off_midway_wakes_the_host_too(
    hosted: tuple[Watching, StreamsHost], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, host = hosted
    completed = 0
    complete = ServiceBusReceiver.complete_message

    async def complete_two(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> None:
        nonlocal completed
        if completed == 2:
            raise MessageLockLostError
        completed += 1
        await complete(receiver, message)

    monkeypatch.setattr(ServiceBusReceiver, "complete_message", complete_two)
    await site.services.streams.watchdog.run()
    assert completed == 2
    assert events(caplog, "stream.drain_failed")
    assert host.restarts == 2


async def test_a_stream_that_brings_only_what_nobody_can_read_is_silent(site: Watching) -> None:
    for number in range(6):
        await site.simulator.advance(60)
        await site.trigger_took([(b"a new envelope %d" % number, site.services.clock())])
    assert [stream.name for stream in await site.services.streams.watchdog.silent_streams()] == ["harbour"]


async def test_a_stream_that_brings_messages_is_not_silent(site: Watching, caplog: pytest.LogCaptureFixture) -> None:
    await site.simulator.advance(301)
    mark = StreamMark(stream="harbour", received_at=site.services.clock() - timedelta(seconds=299))
    await site.services.streams.records.put_mark(mark)
    await site.services.streams.watchdog.run()
    assert not events(caplog, "stream.silent")


async def test_states_are_read_over_rest_and_equal_the_truth(site: Watching) -> None:
    await site.simulator.plug(site.charger, power_kw=7.4)
    await site.simulator.advance(1200)
    await site.services.streams.watchdog.run()
    assert await site.differences() == []


async def test_what_rest_says_of_cables_and_sessions_is_told_to_the_session_log(site: Watching) -> None:
    await site.simulator.plug(site.charger)
    await site.simulator.advance(460)
    await site.services.streams.watchdog.run()
    running = await site.services.authorizations.read(site.charger)
    empty = await site.services.authorizations.read(site.site.chargers[1].id)
    assert running.evidence.running_session_id == await site.value(SESSION)
    assert empty.evidence.disconnected_at


async def test_rest_never_replaces_newer_with_older(site: Watching) -> None:
    newer = Observation(site.charger, MODE, site.services.clock() + timedelta(seconds=30), "5")
    await site.services.streams.intake.keep(fold([newer]))
    await site.services.streams.watchdog.run()
    assert await site.value(MODE) == "5"


async def test_a_charger_whose_clock_is_ahead_is_filled_once_and_not_overwritten_by_an_old_answer(
    site: Watching,
) -> None:
    await site.simulator.set_clock_ahead(site.charger, 10 * 365 * 86400)
    await site.simulator.plug(site.charger)
    await site.services.streams.watchdog.run()
    assert await site.value(MODE) == "3"
    filled = await site.services.streams.reader.now(site.charger, site.site.id)
    assert filled
    assert filled.observations[MODE].clock_at is not None
    for _ in range(3):
        await site.simulator.advance(60)
        await site.services.streams.watchdog.run()
    later = await site.services.streams.reader.now(site.charger, site.site.id)
    assert later
    assert later.observations[MODE] == filled.observations[MODE]


async def test_what_the_stream_should_have_brought_and_did_not_is_said(
    site: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    await site.simulator.advance(200)
    await site.services.streams.watchdog.run()
    assert not events(caplog, "stream.observations_missed"), "what was never known was not missed"
    await site.simulator.set_faults({"message-lost": Fault(probability=1)})
    await site.simulator.plug(site.charger)
    await site.simulator.advance(310)
    await site.services.streams.watchdog.run()
    (missed,) = events(caplog, "stream.observations_missed")
    assert missed["installationId"] == site.site.id
    assert missed["observations"] >= 1


async def test_where_the_stream_brought_everything_nothing_is_missed(
    site: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    await site.services.streams.watchdog.run()
    await site.simulator.advance(301)
    await site.simulator.plug(site.charger)
    await site.services.streams.watchdog.run()
    caplog.clear()
    await site.simulator.advance(130)
    await site.services.streams.watchdog.run()
    assert events(caplog, "stream.drained")
    assert not events(caplog, "stream.observations_missed")


async def test_chargers_take_turns_so_many_a_minute(tmp_path: Path, connection_string: str, seed: int) -> None:
    async with watching(tmp_path, connection_string, seed, chargers=7, backfill_chargers_per_minute=3) as site:
        asked: list[str] = []
        for _ in range(12):
            before = len(await site.simulator.requests())
            await site.services.streams.watchdog.run()
            new = (await site.simulator.requests())[before:]
            asked += [request.path.split("/")[3] for request in new if request.path.endswith("/state")]
            await site.simulator.advance(60)
        everyone = sorted(charger.id for charger in site.site.chargers)
        assert asked == [*everyone, *everyone[:6]], "a round begins at most every ten minutes"


async def test_a_zapcloud_that_has_enough_is_left_alone_until_the_next_minute(
    site: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    await site.simulator.set_faults({"rest-429": Fault(next=1)})
    await site.services.streams.watchdog.run()
    assert len(events(caplog, "backfill.stopped")) == 1
    assert await site.value(MODE) is None
    await site.services.streams.watchdog.run()
    assert await site.value(MODE) == "1"


async def test_a_subscription_that_refuses_is_said_and_rest_still_helps(
    site: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    await site.simulator.rotate_messaging(site.site.id)
    await site.simulator.advance(301)
    await site.services.streams.watchdog.run()
    assert events(caplog, "stream.drain_failed")
    assert await site.value(MODE) == "1"
    assert "SharedAccessKey" not in caplog.text
