"""From a sender with Azure's own SDK to the management API: through broker, trigger, worker, storage and back."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from devhost.stack import Ports, Site, Stack, running_stack
from tests.conftest import MONDAY_MORNING
from tests.events import assert_only_documented
from tests.observations.envelopes import enveloped, records_for
from tests.secrecy import assert_no_secrets

pytestmark = pytest.mark.xdist_group("streams")


@pytest.fixture(scope="module")
async def streaming(tmp_path_factory: pytest.TempPathFactory, seed: int) -> AsyncIterator[Stack]:
    """A stack with one stream; whatever the tests do, no key may stand in a log."""
    folder = tmp_path_factory.mktemp("streaming")
    streams = {"harbour": Site("Harbour", 3)}
    settings = {"ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "0"}
    async with running_stack(
        folder, ports=Ports.free(), start=MONDAY_MORNING, seed=seed, streams=streams, settings=settings
    ) as stack:
        yield stack
        secrets = stack.secrets()
    assert_no_secrets(stack.log_folder, secrets)
    assert_only_documented(stack.log_folder)


@pytest.fixture
def charger(streaming: Stack) -> str:
    (view,) = streaming.installations
    return view.chargers[0].id


async def send(stack: Stack, *bodies: bytes) -> None:
    """With the real SDK, in as few transfers as it makes of them, until the trigger has taken all."""
    (details,) = stack.description()["service_bus"]
    async with (
        ServiceBusClient.from_connection_string(details["connection_string"]) as client,
        client.get_topic_sender(details["topic"]) as sender,
    ):
        for body in bodies:
            await sender.send_messages(ServiceBusMessage(body))
    await stack.simulator.advance(1)


def said(charger: str, state: int, value: str | None, at: datetime, **changes: Any) -> bytes:
    content = {"DeviceId": "ZAP000001", "DeviceType": 4, "ChargerId": charger, "StateId": state}
    content |= {"Timestamp": at.isoformat().replace("+00:00", "Z"), "ValueAsString": value} | changes
    return json.dumps(content).encode()


async def state_of(stack: Stack, charger: str) -> dict[int, dict[str, Any]]:
    async with stack.host.management() as management:
        answer = await management.get(f"/chargers/{charger}/state")
    return {item["id"]: item for item in answer.json()["observations"]}


async def quarantined(stack: Stack) -> list[dict[str, Any]]:
    async with stack.host.management() as management:
        found: list[dict[str, Any]] = (await management.get("/quarantine")).json()["items"]
    return found


async def now(stack: Stack) -> datetime:
    return (await stack.simulator.clock()).now


async def test_what_chargers_do_is_shown_in_words_within_moments(streaming: Stack, charger: str) -> None:
    await streaming.simulator.plug(charger, driver="Kari")
    await streaming.simulator.advance(1)
    states = await state_of(streaming, charger)
    await streaming.simulator.unplug(charger)
    assert states[710]["meaning"] == "vehicle connected; waiting to charge"
    assert (states[710]["name"], states[710]["value"]) == ("ChargerOperationMode", "2")


async def test_arbitrary_bytes_from_the_real_sdk_stop_nothing(streaming: Stack, charger: str, seed: int) -> None:
    random = Random(seed)
    before = {item["id"] for item in await quarantined(streaming)}
    at = await now(streaming)
    bodies, expected = [], {}
    for number in range(60):
        good = said(charger, 5000 + number, f"value {number}", at)
        record = random.choice(records_for(len(good)))
        bodies.append(enveloped(good, record) if number % 5 else good)
        expected[5000 + number] = f"value {number}"
        size = random.choice([0, 1, 3, 70, 400, 20_000])
        bodies.append(random.randbytes(size))
        bodies.append(enveloped(random.randbytes(size), random.choice(records_for(size))))
        bodies.append(enveloped(good, record)[: -random.randrange(20, 120)])
    random.shuffle(bodies)
    await send(streaming, *bodies)

    states = await state_of(streaming, charger)
    assert {state: states[state]["value"] for state in expected if state in states} == expected
    new = [item for item in await quarantined(streaming) if item["id"] not in before]
    assert {item["kind"] for item in new} == {"stream-message"}
    assert len(new) >= 100
    await streaming.wait_for_listeners()
    await send(streaming, said(charger, 5000, "still here", at + timedelta(seconds=1)))
    assert (await state_of(streaming, charger))[5000]["value"] == "still here"


async def test_a_body_in_quarantine_is_there_byte_by_byte(streaming: Stack) -> None:
    body = bytes(range(256)) * 300
    await send(streaming, body)
    (item,) = [item for item in await quarantined(streaming) if item["sizeBytes"] == len(body)]
    async with streaming.host.management() as management:
        assert (await management.get(f"/quarantine/{item['id']}")).content == body


async def test_a_signed_value_of_several_kilobytes_comes_back_whole(streaming: Stack, charger: str) -> None:
    value = "OCMF|" + json.dumps({"RD": [{"RV": number / 1000} for number in range(2000)]})
    await send(streaming, enveloped(said(charger, 554, value, await now(streaming)), 0x9A))
    assert (await state_of(streaming, charger))[554]["value"] == value


async def test_an_old_value_that_comes_late_changes_nothing(streaming: Stack, charger: str) -> None:
    at = await now(streaming)
    await send(streaming, said(charger, 201, "21.5", at))
    await send(streaming, said(charger, 201, "19.0", at - timedelta(seconds=30)))
    assert (await state_of(streaming, charger))[201]["value"] == "21.5"


async def test_a_restart_of_the_streams_costs_no_message_and_no_driver(streaming: Stack, charger: str) -> None:
    """The rotation that every change of credentials ends with, while a driver asks to charge."""
    async with streaming.host.management() as management:
        (await management.put("/tokens", json={"token": "04A1B2FFFFFFFE", "driver": "Kari"})).raise_for_status()
    await streaming.simulator.rotate_messaging(streaming.installations[0].id)
    await streaming.refresh_credentials()
    await streaming.simulator.plug(charger, driver="Kari")
    await streaming.simulator.scan(charger, "04A1B2FFFFFFFE")
    await streaming.simulator.advance(120)
    states = await state_of(streaming, charger)
    assert states[710]["value"] == "3"
    async with streaming.host.management() as management:
        session = (await management.get(f"/sessions/{states[721]['value']}")).json()
        details = (await management.get("/health/details")).json()
    assert (session["driver"], session["status"], session["source"]) == ("Kari", "charging", "observation")
    assert session["energyKwh"] > 0
    (stream,) = details["streams"]
    assert not stream["silent"]
    assert stream["ageSeconds"] < 120
    await streaming.simulator.unplug(charger)


async def test_the_history_has_each_minute_once(streaming: Stack, charger: str) -> None:
    at = (await now(streaming)).replace(second=0, microsecond=0)
    bodies = [
        said(charger, 513, str(1000 * minute), at + timedelta(minutes=minute, seconds=second))
        for minute in range(3)
        for second in (0, 20, 20, 10)
    ]
    await streaming.simulator.advance(180)
    await send(streaming, *bodies, *bodies)
    span = {"from": at.isoformat(), "to": (at + timedelta(minutes=3)).isoformat()}
    async with streaming.host.management() as management:
        answer = await management.get(f"/chargers/{charger}/history", params=span)
        hourly = await management.get(f"/chargers/{charger}/history", params={**span, "resolution": "1d"})
    assert [(item["at"], item["powerW"]) for item in answer.json()["items"]] == [
        ((at + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z"), 1000.0 * minute) for minute in range(3)
    ]
    assert [item["powerW"] for item in hourly.json()["items"]] == [1000.0]
