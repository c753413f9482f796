"""The local stack with message streams, in simulated time."""

import json
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from azure.servicebus.aio import ServiceBusClient

from devhost.stack import Group, Host, Ports, Site, Stack, StackError, running_stack
from tests.events import assert_only_documented
from tests.secrecy import assert_no_secrets

MORNING = datetime(2026, 3, 2, 6, tzinfo=UTC)
pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture(scope="module")
async def streaming(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    streams = {
        "fjordveien": Site("Fjordveien", chargers=2, settings={"mode": "open"}),
        "havna": Group("Havna", (Site("Quay"), Site("Car park", chargers=1))),
    }
    async with running_stack(
        tmp_path_factory.mktemp("streaming"), ports=Ports.free(), start=MORNING, streams=streams
    ) as stack:
        yield stack
        secrets = stack.secrets()
    assert_no_secrets(stack.log_folder, secrets)
    assert_only_documented(stack.log_folder)


async def asked(host: Host, path: str) -> object:
    async with httpx.AsyncClient(headers={"x-functions-key": host.master_key}) as client:
        return (await client.get(f"{host.url}{path}")).json()


async def newest(stack: Stack, stream: str) -> list[str]:
    """Of every charger of a stream, the instant of its newest observation that the app has."""
    chargers = [charger for view in stack.streams.installations[stream] for charger in view.chargers]
    async with stack.host.management() as management:
        return [(await management.get(f"/chargers/{charger.id}/state")).json()["newest"] for charger in chargers]


async def test_messages_of_installations_and_groups_arrive_at_the_app(streaming: Stack) -> None:
    await streaming.simulator.traffic(200)
    found = [*await newest(streaming, "fjordveien"), *await newest(streaming, "havna")]
    assert len(found) == 7
    assert all(instant.startswith("2026-03-02T06:") for instant in found)
    for stream in (await streaming.simulator.service_bus()).items:
        assert (stream.counts.waiting, stream.counts.locked, stream.counts.listeners) == (0, 0, 1)


async def test_the_work_is_shared_between_two_sites(streaming: Stack) -> None:
    assert streaming.streams_host
    hooks = {function["name"] for function in await asked(streaming.host, "/admin/functions")}
    streams = {function["name"] for function in await asked(streaming.streams_host, "/admin/functions")}
    assert {"session_start", "refresh_credentials"} <= hooks
    assert streams == {"stream_fjordveien", "stream_havna", "get_health", "get_health_details"}


async def test_the_description_opens_the_streams(streaming: Stack) -> None:
    details = streaming.description()["service_bus"]
    assert len(details) == 2
    for detail in details:
        async with (
            ServiceBusClient.from_connection_string(detail["connection_string"]) as client,
            client.get_subscription_receiver(detail["topic"], detail["subscription"]) as receiver,
        ):
            assert await receiver.peek_messages() == []
    assert stat.S_IMODE(streaming.streams.secrets_file.stat().st_mode) == 0o600
    assert any(key in json.dumps(details) for key in streaming.streams.known_keys())
    assert streaming.streams.known_keys() < set(streaming.secrets())


async def test_a_rotation_restarts_the_streams_and_nothing_else(streaming: Stack) -> None:
    assert streaming.streams_host
    before = [await asked(host, "/admin/host/status") for host in (streaming.host, streaming.streams_host)]
    old = streaming.streams.details()
    owner = streaming.streams.all[0].installation_id
    await streaming.simulator.rotate_messaging(owner, topic=True, silent_after_s=0)
    await streaming.refresh_credentials()
    after = [await asked(host, "/admin/host/status") for host in (streaming.host, streaming.streams_host)]
    assert before[0]["instanceId"] == after[0]["instanceId"]
    assert before[1]["instanceId"] != after[1]["instanceId"]
    assert [new != was for new, was in zip(streaming.streams.details(), old, strict=True)] == [True, False]
    await streaming.simulator.traffic(200)
    was = await newest(streaming, "fjordveien")
    await streaming.simulator.advance(60)
    await streaming.simulator.traffic(200)
    assert min(await newest(streaming, "fjordveien")) > max(was)


async def test_a_streams_host_that_dies_denies_no_driver_and_comes_back(streaming: Stack) -> None:
    await streaming.kill_streams_host()
    charger = streaming.streams.installations["fjordveien"][0].chargers[0]
    assert (await streaming.simulator.plug(charger.id)).outcome == "authorized"
    await streaming.simulator.unplug(charger.id)
    await streaming.start_streams_host()
    await streaming.wait_for_listeners()
    await streaming.simulator.traffic(200)
    was = await newest(streaming, "havna")
    await streaming.simulator.advance(60)
    await streaming.simulator.traffic(200)
    assert min(await newest(streaming, "havna")) > max(was)


async def test_without_streams_there_is_one_site(stack: Stack) -> None:
    assert stack.streams_host is None
    assert stack.description()["service_bus"] == []
    with pytest.raises(StackError, match="without streams"):
        await stack.refresh_credentials()


async def test_what_the_app_refuses_is_told_with_the_end_of_its_log(streaming: Stack) -> None:
    async with streaming.host.management() as management:
        refused = await management.put("/hook-credentials/no spaces", json={"installations": ["*"]})
    with pytest.raises(StackError, match=r"PUT /api/hook-credentials/.* was answered 400; see .*host\.log") as told:
        streaming.host.insist(refused)
    assert streaming.host.process.log.read_text()[-500:] in str(told.value)
