"""Service Bus triggers: through the whole host, from a broker that the real SDK speaks to."""

import json
import os
import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from tests.devhost.bus import Bus
from tests.devhost.conftest import HostProcess

TRIGGER = """
import json, os, typing

@app.service_bus_topic_trigger(arg_name="messages", connection="BUS", topic_name="%TOPIC%",
                               subscription_name="default", {how})
async def observations(messages: {type}) -> None:
    batch = messages if isinstance(messages, list) else [messages]
{body}

@app.route(route="ping")
async def ping(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("here")
"""
MANY = 'cardinality="many", data_type="binary"'


def app(body: str, how: str = MANY) -> str:
    kind = "typing.List[func.ServiceBusMessage]" if "many" in how else "func.ServiceBusMessage"
    return TRIGGER.format(how=how, type=kind, body=body)


COUNTING = app('    print("batch", json.dumps([message.get_body().decode() for message in batch]), flush=True)')
TELLING = app("""
    for message in batch:
        names = ("application_properties", "content_type", "correlation_id", "dead_letter_source", "delivery_count",
                 "enqueued_time_utc", "expires_at_utc", "label", "lock_token", "locked_until", "message_id",
                 "partition_key", "reply_to", "reply_to_session_id", "sequence_number", "session_id", "subject", "to",
                 "user_properties")
        found = {"body": list(message.get_body())}
        print("message", json.dumps(found | {name: getattr(message, name) for name in names}, default=str), flush=True)
""")
FAILING_ONCE = app("""
    print("batch", json.dumps([[m.get_body().decode(), m.delivery_count] for m in batch]), flush=True)
    if any(message.delivery_count == 1 for message in batch):
        raise RuntimeError("not this time")
""")
HOLDING = app("""
    import asyncio, pathlib
    print("holding", len(batch), flush=True)
    await asyncio.to_thread(pathlib.Path("gate").read_text)
""")


def settings_of(bus: Bus, **others: object) -> dict[str, object]:
    return {"BUS": bus.connection_string(), "TOPIC": Bus.TOPIC} | others


def said(host: HostProcess, word: str) -> object:
    return json.loads(host.out.wait_for(f"{word} ").removeprefix(f"{word} "))


def listener(host: HostProcess) -> str:
    answer = host.client.get("/admin/functions/observations", headers=host.master)
    return str(answer.json()["listener"])


def test_a_batch_comes_whole_with_the_metadata_of_the_real_host(start: Callable, bus: Bus) -> None:
    token = uuid.uuid4()
    told = ServiceBusMessage(
        bytes(range(256)),
        application_properties={"kind": "state", "number": 7},
        content_type="application/octet-stream",
        correlation_id="asked for",
        subject="observation",
        message_id=str(token),
        reply_to="nobody",
        to="somebody",
        time_to_live=timedelta(seconds=90),
    )
    with (
        ServiceBusClient.from_connection_string(bus.connection_string()) as client,
        client.get_topic_sender(Bus.TOPIC) as sender,
    ):
        sender.send_messages(told)
    bus.publish(b"plain", b"plain too")
    before = datetime.now(UTC)
    host = start(TELLING, settings=settings_of(bus))
    first, plain, _ = (said(host, "message") for _ in range(3))
    assert first == {
        "body": list(range(256)),
        "application_properties": {"kind": "state", "number": 7},
        "user_properties": {"kind": "state", "number": 7},
        "content_type": "application/octet-stream",
        "correlation_id": "asked for",
        "subject": "observation",
        "label": "observation",
        "message_id": str(token),
        "reply_to": "nobody",
        "to": "somebody",
        "delivery_count": 1,
        "sequence_number": 1,
        "lock_token": first["lock_token"],
        "locked_until": None,
        "dead_letter_source": None,
        "partition_key": None,
        "reply_to_session_id": None,
        "session_id": None,
        "enqueued_time_utc": first["enqueued_time_utc"],
        "expires_at_utc": first["expires_at_utc"],
    }
    assert uuid.UUID(first["lock_token"]) != uuid.UUID(plain["lock_token"])
    enqueued, expires = (datetime.fromisoformat(first[name]) for name in ("enqueued_time_utc", "expires_at_utc"))
    assert enqueued.tzinfo is None
    assert timedelta() <= before - enqueued.replace(tzinfo=UTC) < timedelta(minutes=1)
    assert expires - enqueued == timedelta(seconds=90)
    assert (plain["body"], plain["sequence_number"], plain["application_properties"]) == (list(b"plain"), 2, {})
    counts = bus.settle()
    assert (counts.completed, counts.delivered) == (3, 3)


def batches(host: HostProcess) -> list[list[object]]:
    """Every batch the function was given, once the host has stopped."""
    assert host.stop() == 0
    lines = host.out.all().splitlines()
    return [json.loads(line.removeprefix("batch ")) for line in lines if line.startswith("batch ")]


def test_batches_are_as_large_as_host_json_allows(start: Callable, bus: Bus) -> None:
    bus.publish(*(str(number).encode() for number in range(60)))
    host = start(COUNTING, settings=settings_of(bus), host={"extensions": {"serviceBus": {"maxMessageBatchSize": 3}}})
    host.out.wait_for("batch ")
    assert bus.settle().completed == 60
    bus.publish(b"a late one")
    host.out.wait_for("a late one")
    bus.settle()
    given = batches(host)
    assert max(map(len, given)) == 3
    assert [body for batch in given for body in batch] == [*map(str, range(60)), "a late one"]


def test_a_function_that_raises_gets_the_whole_batch_again(start: Callable, bus: Bus) -> None:
    bus.publish(*(str(number).encode() for number in range(20)))
    host = start(FAILING_ONCE, settings=settings_of(bus))
    host.err.wait_for("RuntimeError: not this time")
    counts = bus.settle()
    given = batches(host)
    failed = [batch for batch in given if any(count == 1 for _, count in batch)]
    assert max(map(len, failed)) > 1
    assert sorted(message for batch in given for message in batch) == sorted(
        [str(number), count]
        for number in range(20)
        for count in range(1, 2 + sum(str(number) in dict(batch) for batch in failed))
    )
    assert (counts.completed, counts.abandoned) == (20, sum(map(len, failed)))


@pytest.mark.parametrize("kind", ["binary", "string"])
def test_single_messages_come_one_after_the_other(start: Callable, bus: Bus, kind: str) -> None:
    bus.publish(b"first", "zweite, sch\u00f6ne".encode())
    telling = TELLING.replace("typing.List[func.ServiceBusMessage]", "func.ServiceBusMessage")
    host = start(telling.replace(MANY, f'cardinality="one", data_type="{kind}"'), settings=settings_of(bus))
    first, second = (said(host, "message") for _ in range(2))
    assert (bytes(first["body"]), first["sequence_number"]) == (b"first", 1)
    assert (bytes(second["body"]).decode(), second["delivery_count"]) == ("zweite, sch\u00f6ne", 1)
    assert (first["user_properties"], first["locked_until"], first["message_id"] is None) == ({}, None, False)
    assert bus.settle().completed == 2


def test_text_that_is_not_utf_8_is_damaged_where_text_was_asked_for(start: Callable, bus: Bus) -> None:
    bus.publish(b"\x98ok", b"fine")
    host = start(TELLING.replace('"binary"', '"string"'), settings=settings_of(bus))
    first, second = (said(host, "message") for _ in range(2))
    assert bytes(first["body"]).decode() == "\ufffdok"
    assert bytes(second["body"]) == b"fine"


@pytest.mark.parametrize("where", ["host.json", "binding"])
def test_messages_are_left_alone_where_the_function_settles_them(start: Callable, bus: Bus, where: str) -> None:
    bus.publish(b"a", b"b")
    source, host_json = COUNTING, {"extensions": {"serviceBus": {"autoCompleteMessages": False}}}
    if where == "binding":
        source, host_json = COUNTING.replace(MANY, f"{MANY}, auto_complete_messages=False"), {}
    host = start(source, settings=settings_of(bus), host=host_json)
    seen: list[object] = []
    while len(seen) < 2:
        seen += said(host, "batch")
    assert host.stop() == 0
    counts = bus.counts()
    assert (counts.completed, counts.abandoned, counts.locked) == (0, 0, 2)


def wrong_key(bus: Bus) -> Callable[[], None]:
    bus.ask(lambda broker: broker.set_key(Bus.TOPIC, "reader", "another key"))
    return lambda: bus.ask(lambda broker: broker.set_key(Bus.TOPIC, "reader", Bus.KEY))


def disabled(bus: Bus) -> Callable[[], None]:
    bus.ask(lambda broker: broker.set_enabled(Bus.TOPIC, Bus.SUBSCRIPTION, False))
    return lambda: bus.ask(lambda broker: broker.set_enabled(Bus.TOPIC, Bus.SUBSCRIPTION, True))


@pytest.mark.parametrize(
    ("break_it", "error"), [(wrong_key, "ServiceBusAuthenticationError"), (disabled, "MessagingEntityDisabledError")]
)
def test_a_listener_that_is_refused_tries_again_and_the_host_goes_on(
    start: Callable, bus: Bus, break_it: Callable[[Bus], Callable[[], None]], error: str
) -> None:
    mend = break_it(bus)
    host = start(COUNTING, settings=settings_of(bus))
    host.err.wait_for(f"Function 'observations' does not listen, next try in 0.5 s: {error}")
    host.err.wait_for(f"next try in 1 s: {error}")
    assert listener(host) == "failing"
    assert host.client.get("/api/ping").text == "here"
    mend()
    bus.publish(b"at last")
    assert said(host, "batch") == ["at last"]
    assert listener(host) == "listening"
    assert host.stop() == 0
    assert Bus.KEY not in host.out.all() + host.err.all()


def detached(bus: Bus) -> None:
    bus.ask(lambda broker: broker.set_key(Bus.TOPIC, "reader", "another key"))
    bus.ask(lambda broker: broker.drop(Bus.TOPIC))
    bus.ask(lambda broker: broker.set_key(Bus.TOPIC, "reader", Bus.KEY))


@pytest.mark.parametrize("lose_it", [Bus.restart, detached])
def test_a_listener_whose_connection_is_lost_connects_again(
    start: Callable, bus: Bus, lose_it: Callable[[Bus], None]
) -> None:
    host = start(COUNTING, settings=settings_of(bus))
    bus.publish(b"before")
    assert said(host, "batch") == ["before"]
    bus.settle()
    lose_it(bus)
    host.err.wait_for("Function 'observations' does not listen, next try in 0.5 s: ")
    bus.publish(b"after")
    assert said(host, "batch") == ["after"]


def test_an_entity_that_does_not_exist_is_waited_for(start: Callable, bus: Bus) -> None:
    host = start(COUNTING, settings=settings_of(bus, TOPIC="later"))
    host.err.wait_for("does not listen")
    bus.open_topic("later", Bus.KEY)
    bus.publish(b"here now", topic="later")
    assert said(host, "batch") == ["here now"]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Holds up an app that is HOLDING, until something is written to it."""
    (tmp_path / "app").mkdir()
    gate = tmp_path / "app" / "gate"
    os.mkfifo(gate)
    return gate


def test_a_message_whose_lock_was_lost_comes_again_and_the_listener_goes_on(
    start: Callable, bus: Bus, gate: Path
) -> None:
    bus.publish(b"a")
    host = start(HOLDING, settings=settings_of(bus))
    host.out.wait_for("holding 1")
    bus.ahead = timedelta(minutes=1)
    gate.write_text("go on")
    host.err.wait_for("took too long over a message")
    host.out.wait_for("holding 1")
    gate.write_text("go on")
    counts = bus.settle()
    assert (counts.completed, counts.locks_lost) == (1, 1)
    assert listener(host) == "listening"
    assert not any("does not listen" in line for line in host.err.seen)


@pytest.mark.parametrize("ending", ["restart", signal.SIGTERM])
def test_the_batch_under_way_is_finished_and_no_other_begun(
    start: Callable, bus: Bus, gate: Path, ending: str | int
) -> None:
    bus.publish(b"a")
    host = start(HOLDING, settings=settings_of(bus))
    host.out.wait_for("holding 1")
    bus.publish(b"b")
    if isinstance(ending, str):
        host.client.post("/admin/host/restart", headers=host.master)
    else:
        host.process.send_signal(ending)
    gate.write_text("go on")
    if isinstance(ending, str):
        host.out.wait_for("holding 1")
        counts = bus.counts()
        gate.write_text("go on")
        assert (counts.completed, counts.locked) == (1, 1)
    else:
        assert host.wait() == 0
        counts = bus.counts()
        assert (counts.completed, counts.waiting, counts.locked) == (1, 1, 0)


def test_a_restart_reads_the_secrets_anew_and_connects_with_them(start: Callable, bus: Bus, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"bus": bus.connection_string(), "topic": Bus.TOPIC}))
    vault = "@Microsoft.KeyVault(VaultName=local;SecretName={})"
    references = {"BUS": vault.format("bus"), "TOPIC": vault.format("topic")}
    host = start(COUNTING, "--secrets", str(secrets), settings=references)
    bus.publish(b"to the old one")
    assert said(host, "batch") == ["to the old one"]

    bus.open_topic("installation_2", "a new key")
    secrets.write_text(json.dumps({"bus": bus.connection_string("a new key"), "topic": "installation_2"}))
    assert host.client.post("/admin/host/restart", headers=host.master).status_code == 202
    bus.publish(b"to the new one", topic="installation_2")
    assert said(host, "batch") == ["to the new one"]
    assert bus.counts().listeners == 0


@pytest.mark.parametrize(
    ("source", "settings", "why"),
    [
        (COUNTING, {"TOPIC": "t"}, "there is no setting 'BUS'"),
        (COUNTING, {"TOPIC": "t", "BUS": "@Microsoft.KeyVault(VaultName=v;SecretName=geheim)"}, "'BUS' is not a"),
        (COUNTING, {"TOPIC": "t", "BUS": "Endpoint=sb://x;SharedAccessKey=geheim"}, "'BUS' is not a Service Bus"),
        (
            COUNTING,
            {
                "TOPIC": "t",
                "BUS": "Endpoint=sb://x;SharedAccessKeyName=n;SharedAccessKey=geheim;EntityPath=t/Subscriptions/s",
            },
            "'BUS' names an entity",
        ),
        (COUNTING, {"BUS": "geheim"}, "there is no setting 'TOPIC'"),
        (COUNTING.replace(MANY, f"{MANY}, is_sessions_enabled=True"), {"TOPIC": "t", "BUS": "geheim"}, "sessions"),
    ],
)
def test_a_trigger_that_cannot_run_leaves_the_rest_of_the_app_running(
    start: Callable, source: str, settings: dict[str, str], why: str
) -> None:
    host = start(source, settings=settings)
    assert why in host.err.wait_for("Function 'observations' is not run")
    assert host.client.get("/api/ping").text == "here"
    host.stop()
    assert "geheim" not in host.out.all() + host.err.all()


def test_it_is_run_by_messages_only(start: Callable, bus: Bus) -> None:
    host = start(COUNTING, settings=settings_of(bus))
    answer = host.run_function("observations")
    assert answer.status_code == 400
    assert "is run by messages" in answer.json()["message"]
