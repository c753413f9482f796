"""What Azure may answer while credentials change: each failure is said, recorded, and made good by the next run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devhost.azure.shapes import Fault
from shared.storage.streams import Step, StreamMark
from simulator.app import Simulator
from simulator.client import SimulatorClient
from tests.conftest import IDENTITY_KEY
from tests.streams.refreshing import Refreshing, refreshing

RUN = [Step.FETCHED, Step.STORED, Step.REFRESHED, Step.RESOLVED, Step.RESTARTED]


@pytest.fixture
async def site(
    simulator: SimulatorClient, running: Simulator, connection_string: str, tmp_path: Path
) -> AsyncIterator[Refreshing]:
    """Messages come; then ZapCloud changes the credentials."""
    async with refreshing(simulator, running, connection_string, tmp_path, in_azure=True) as found:
        await found.refresher.run()
        await found.messages_come()
        await found.refresher.watch()
        await simulator.rotate_messaging(found.stream.installation_id or "")
        await found.pass_minutes(5)
        assert found.azure
        found.azure.book.calls.clear()
        yield found


async def step(site: Refreshing) -> Step:
    return (await site.records.rotations())["harbour"].step


def operations(site: Refreshing) -> list[tuple[str, int]]:
    assert site.azure
    return [(call.operation, call.status) for call in site.azure.book.calls if not call.subject.startswith("zapcloud")]


async def test_the_three_values_are_written_then_refreshed_checked_and_the_streams_site_alone_restarted(
    site: Refreshing,
) -> None:
    await site.refresher.run()
    assert (await site.steps())[-5:] == RUN
    names = [call for call, _ in operations(site) if call != "get"]
    assert names == ["set", "set", "set", "refresh", "references", "restart"]
    assert site.host.listens_with == await site.address()
    await site.messages_come()
    await site.refresher.watch()
    assert await step(site) is Step.MOVING
    await site.pass_minutes(60)
    await site.refresher.run()
    await site.refresher.watch()
    assert [call for call, _ in operations(site) if call != "get"] == names, "what moves is left alone"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize(
    ("operation", "reached"),
    [
        ("set", Step.FETCHED),
        ("refresh", Step.STORED),
        ("references", Step.REFRESHED),
        ("restart", Step.RESOLVED),
    ],
)
async def test_a_refusal_stops_the_run_where_it_is_and_the_next_one_completes_it(
    site: Refreshing, operation: str, status: int, reached: Step, caplog: pytest.LogCaptureFixture
) -> None:
    assert site.azure
    before = site.host.restarts
    site.azure.book.arm([Fault(operation=operation, status=status, after=int(operation == "set"))])
    await site.refresher.run()
    assert await step(site) is reached
    assert f"answered {status}" in caplog.text
    assert "rotation.failed" in caplog.text
    assert (await site.steps())[-1] == "failed"
    assert site.host.restarts == before
    await site.pass_minutes(5)
    await site.refresher.run()
    assert (await step(site), site.host.restarts) == (Step.RESTARTED, before + 1)
    assert site.host.listens_with == await site.address()


async def test_a_reference_that_resolves_to_the_old_version_counts_as_unresolved(site: Refreshing) -> None:
    assert site.azure
    site.azure.manager.frozen = {site.stream.secrets[0]}
    before = site.host.restarts
    await site.refresher.run()
    assert (await step(site), site.host.restarts) == (Step.STORED, before)
    site.azure.manager.frozen = set()
    await site.pass_minutes(5)
    await site.refresher.run()
    assert (await step(site), site.host.restarts) == (Step.RESTARTED, before + 1)
    assert site.host.listens_with == await site.address()


async def test_the_platform_is_told_of_the_triggers_once_the_host_is_up_until_it_takes_it(
    site: Refreshing, caplog: pytest.LogCaptureFixture
) -> None:
    assert site.azure
    before = site.host.restarts
    site.azure.book.arm([Fault(operation="sync", status=400)])
    await site.refresher.run()
    await site.refresher.watch()
    assert ("sync", 400) not in operations(site), "the host cannot be up at once"
    for _ in range(3):
        await site.pass_minutes(1.1)
        await site.refresher.watch()
    assert [status for operation, status in operations(site) if operation == "sync"] == [400, 204]
    assert caplog.text.count("stream.triggers_not_synced") == 1
    assert (await step(site), site.host.restarts) == (Step.RESTARTED, before + 1)


async def test_where_no_message_comes_after_a_restart_references_are_read_again_after_ever_longer_waits(
    site: Refreshing, caplog: pytest.LogCaptureFixture
) -> None:
    await site.refresher.run()
    began = site.host.restarts
    restarts = []
    for _ in range(8 * 12):
        await site.pass_minutes(5)
        await site.refresher.watch()
        restarts.append(site.host.restarts)
    at_minutes = [5 * (restarts.index(began + 1 + number) + 1) for number in range(restarts[-1] - began)]
    assert at_minutes == [20, 55, 120, 245]
    assert "rotation.not_moving" in caplog.text
    await site.messages_come()
    await site.refresher.watch()
    assert await step(site) is Step.MOVING


async def test_values_that_somebody_stored_once_more_while_they_were_unresolved_are_followed_all_the_same(
    site: Refreshing,
) -> None:
    assert site.azure
    site.azure.manager.frozen = set(site.stream.secrets)
    await site.refresher.run()
    for name in site.stream.secrets:
        value = await site.store.get(name)
        assert value
        site.azure.vault.put(name, value)
    site.azure.manager.frozen = set()
    for _ in range(6):
        await site.pass_minutes(1)
        await site.refresher.watch()
    assert await step(site) is Step.RESTARTED
    assert site.host.listens_with == await site.address()


async def test_a_stream_that_is_not_configured_any_more_is_forgotten(site: Refreshing) -> None:
    assert site.azure
    site.azure.book.arm([Fault(operation="restart", status=500, times=1000)])
    await site.refresher.run()
    calls = len(site.azure.book.calls)
    without = site.another([])
    await site.pass_minutes(30)
    await without.watch()
    assert len(site.azure.book.calls) == calls


async def test_a_site_that_listens_with_the_new_credentials_already_is_not_restarted(site: Refreshing) -> None:
    assert site.azure
    site.azure.book.arm([Fault(operation="restart", status=500)])
    await site.refresher.run()
    before = site.host.restarts
    await site.pass_minutes(1)
    address = await site.address()
    mark = StreamMark(
        stream="harbour", received_at=site.refresher._clock(), fingerprint=address.fingerprint(IDENTITY_KEY)
    )
    await site.records.put_mark(mark)
    await site.pass_minutes(4)
    await site.refresher.run()
    assert (await step(site), site.host.restarts) == (Step.MOVING, before)


async def test_a_site_that_came_back_with_the_old_credentials_is_refreshed_and_restarted_once_more(
    site: Refreshing, caplog: pytest.LogCaptureFixture
) -> None:
    old = site.host.listens_with
    await site.refresher.run()
    before, site.host.listens_with = site.host.restarts, old
    await site.messages_come()
    await site.refresher.watch()
    assert site.host.restarts == before, "the process of before may still have brought that"
    await site.pass_minutes(2)
    await site.messages_come()
    await site.refresher.watch()
    assert site.host.restarts == before + 1
    assert "with the credentials of before" in caplog.text
    await site.messages_come()
    await site.refresher.watch()
    assert await step(site) is Step.MOVING


async def test_a_failing_identity_endpoint_is_said_and_the_next_run_completes_it(
    site: Refreshing, caplog: pytest.LogCaptureFixture
) -> None:
    assert site.azure
    site.boot()
    site.azure.book.arm([Fault(operation="token", status=500, times=100)])
    await site.refresher.run()
    assert "gave us no token" in caplog.text
    site.azure.book.arm([])
    site.boot()  # msal does not ask again within some seconds of real time, which does not pass here
    await site.pass_minutes(5)
    await site.refresher.run()
    assert await step(site) is Step.RESTARTED
