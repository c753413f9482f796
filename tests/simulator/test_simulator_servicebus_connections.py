"""Other clients of the simulated Service Bus than the SDK, well-behaved and not."""

import asyncio
import base64
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from proton import Condition, Delivery, Message, Timeout, symbol
from proton.utils import BlockingConnection, LinkDetached, SendException

from tests.conftest import HandClock
from tests.simulator.servicebus import KEY, KEY_NAME, SUBSCRIPTION, TOPIC, WAIT_S, Bus, data, receive, running_bus

ENTITY = f"{TOPIC}/Subscriptions/{SUBSCRIPTION}"


@pytest.fixture
async def bus(clock: HandClock) -> AsyncIterator[Bus]:
    async with running_bus(clock.now) as running:
        yield running


class ProtonClient:
    """A blocking client on Apache Qpid Proton, whose links show what the SDK hides."""

    def __init__(self, port: int, **options: Any) -> None:
        url = f"amqp://127.0.0.1:{port}"
        self.connection = BlockingConnection(url, timeout=WAIT_S, allowed_mechs="ANONYMOUS", **options)

    def put_token(self, resource: str = f"sb://127.0.0.1/{TOPIC}", **properties: str) -> dict[str, Any]:
        encoded, expiry = quote_plus(resource), int(time.time()) + 600
        signature = hmac.digest(KEY.encode(), f"{encoded}\n{expiry}".encode(), "sha256")
        token = (
            f"SharedAccessSignature sr={encoded}&sig={quote_plus(base64.b64encode(signature))}"
            f"&se={expiry}&skn={KEY_NAME}"
        )
        answers = self.connection.create_receiver("$cbs", credit=1)
        requests = self.connection.create_sender("$cbs")
        asked = {"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": resource} | properties
        requests.send(Message(token, id="1", properties=asked))
        answer = answers.receive(timeout=WAIT_S)
        assert answer.correlation_id == "1"
        answers.close()
        requests.close()
        return answer.properties


async def as_client[T](bus: Bus, use: Callable[[ProtonClient], T], **options: Any) -> T:
    """Use a client in a thread, since it blocks."""

    def run() -> T:
        client = ProtonClient(bus.broker.port, **options)
        try:
            return use(client)
        finally:
            client.connection.close()

    return await asyncio.to_thread(run)


async def test_no_more_is_sent_than_there_is_credit_for(bus):
    bus.publish(*(b"%d" % number for number in range(10)))

    def use(client: ProtonClient) -> None:
        client.put_token()
        receiver = client.connection.create_receiver(ENTITY, credit=0)
        receiver.link.flow(3)
        client.connection.wait(lambda: len(receiver.fetcher.incoming) == 3)
        assert receiver.link.credit == 0
        client.put_token()
        assert len(receiver.fetcher.incoming) == 3, "while the broker had time for something else"
        receiver.link.drain(20)
        client.connection.wait(lambda: len(receiver.fetcher.incoming) == 10 and not receiver.link.draining())
        assert receiver.link.credit == 0

    await as_client(bus, use)
    assert (bus.counts().delivered, bus.counts().locked) == (10, 10)


async def test_consumers_take_turns(bus):
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def use(client: ProtonClient) -> list[list[bytes]]:
        client.put_token()
        receivers = [client.connection.create_receiver(ENTITY, credit=0, name=f"{number}") for number in range(3)]
        for receiver in receivers:
            receiver.link.flow(10)
        client.put_token()
        loop.call_soon_threadsafe(ready.set)
        client.connection.wait(lambda: sum(len(receiver.fetcher.incoming) for receiver in receivers) == 6)
        return [[bytes(message.body) for message, _ in receiver.fetcher.incoming] for receiver in receivers]

    using = asyncio.create_task(as_client(bus, use))
    await asyncio.wait_for(ready.wait(), WAIT_S)
    bus.publish(b"0", b"1", b"2", b"3", b"4", b"5")
    assert sorted(await using) == [[b"0", b"3"], [b"1", b"4"], [b"2", b"5"]]


async def test_a_producer_does_not_run_out_of_credit(bus):
    def use(client: ProtonClient) -> None:
        client.put_token()
        sender = client.connection.create_sender(TOPIC)
        client.connection.wait(lambda: sender.link.credit > 0)
        for number in range(sender.link.credit + 10):
            sender.send(Message(number))

    await as_client(bus, use)
    assert bus.counts().waiting > 10


async def test_an_outcome_is_echoed_and_a_late_one_refused(bus, clock):
    bus.publish(b"one", b"two", b"three")

    def use(client: ProtonClient) -> list[tuple[int, Condition | None]]:
        client.put_token()
        receiver = client.connection.create_receiver(ENTITY, credit=0)
        receiver.link.flow(3)
        client.connection.wait(lambda: len(receiver.fetcher.incoming) == 3)
        deliveries = [delivery for _, delivery in receiver.fetcher.incoming]
        deliveries[0].update(Delivery.ACCEPTED)
        deliveries[1].update(Delivery.RELEASED)
        client.connection.wait(lambda: deliveries[0].settled and deliveries[1].settled)
        clock.advance(30)
        deliveries[2].update(Delivery.ACCEPTED)
        client.connection.wait(lambda: deliveries[2].settled)
        return [(delivery.remote_state, delivery.remote.condition) for delivery in deliveries]

    accepted, released, late = await as_client(bus, use)
    assert accepted == (Delivery.ACCEPTED, None)
    assert released == (Delivery.RELEASED, None)
    assert late[0] == Delivery.REJECTED
    assert late[1].name == "com.microsoft:message-lock-lost"
    assert (bus.counts().completed, bus.counts().locks_lost, bus.counts().waiting) == (1, 1, 2)


async def test_a_link_without_a_token_is_detached(bus):
    def use(client: ProtonClient) -> None:
        with pytest.raises(LinkDetached, match="amqp:unauthorized-access"):
            client.connection.create_receiver(ENTITY, credit=1)
        with pytest.raises(LinkDetached, match="amqp:not-found"):
            client.connection.create_receiver("nowhere/Subscriptions/none", credit=1)
        assert client.put_token()["status-code"] == 202
        client.connection.create_receiver(ENTITY, credit=1)

    await as_client(bus, use)


async def test_requests_that_make_no_sense_are_answered(bus):
    def use(client: ProtonClient) -> list[dict[str, Any]]:
        assert client.put_token(operation="delete-token")["status-code"] == 400
        assert client.put_token()["status-code"] == 202
        node = f"{ENTITY}/$management"
        requests = client.connection.create_sender(node)
        with pytest.raises(SendException):
            requests.send(Message({}, properties={"operation": "com.microsoft:peek-message"}))
        answers = client.connection.create_receiver(node, credit=10)
        got = []
        for body, operation in (
            ({}, "com.microsoft:peek-message"),
            ({"from-sequence-number": "one", "message-count": 1}, "com.microsoft:peek-message"),
            ({"lock-tokens": None}, "com.microsoft:renew-lock"),
            (b"not a map", "com.microsoft:update-disposition"),
            ({}, "com.microsoft:open-sesame"),
            ({"from-sequence-number": 1, "message-count": 1}, "com.microsoft:peek-message"),
        ):
            requests.send(Message(body, properties={"operation": operation}))
            got.append(answers.receive(timeout=WAIT_S).properties)
        return got

    answers = await as_client(bus, use)
    assert [answer["statusCode"] for answer in answers] == [400, 400, 400, 400, 501, 204]
    assert answers[0]["errorCondition"] == symbol("com.microsoft:argument-error")


async def test_what_is_no_message_is_rejected(bus):
    def use(client: ProtonClient) -> Condition:
        client.put_token()
        sender = client.connection.create_sender(TOPIC)
        delivery = sender.link.delivery(b"1")
        sender.link.stream(b"no message")
        sender.link.advance()
        client.connection.wait(lambda: delivery.settled)
        assert delivery.remote_state == Delivery.REJECTED
        return delivery.remote.condition

    assert (await as_client(bus, use)).name == "amqp:decode-error"
    assert bus.counts().published == 0


async def test_a_client_that_wants_heartbeats_gets_them(bus):
    def use(client: ProtonClient) -> None:
        with pytest.raises(Timeout):
            client.connection.wait(lambda: False, timeout=3)
        client.put_token()

    await as_client(bus, use, heartbeat=1)


@pytest.mark.parametrize(
    "nonsense",
    [b"GET / HTTP/1.1\r\n\r\n", b"AMQP\x03\x01\x00\x00" + bytes(200), b"AMQP\x00\x01\x00\x00\xff\xff\xff\xff", b"A"],
)
async def test_a_client_that_talks_nonsense_is_alone_with_it(bus, caplog, nonsense):
    bus.publish(b"one")
    async with bus.receiver() as receiver:
        reader, writer = await asyncio.open_connection("127.0.0.1", bus.broker.port)
        writer.write(nonsense)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), WAIT_S)
        writer.close()
        assert [data(message) for message in await receive(receiver, 1)] == [b"one"]
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR]


async def test_five_hundred_topics(bus):
    topics = [f"installation_{number}" for number in range(500)]
    for topic in topics:
        bus.broker.add_topic(topic, SUBSCRIPTION)
        bus.broker.set_key(topic, KEY_NAME, KEY)
        bus.broker.publish(topic, [topic.encode()])
    async with bus.receiver(topic=topics[7]) as some, bus.receiver(topic=topics[499]) as last:
        waiting = asyncio.create_task(bus.broker.settled(WAIT_S))
        for receiver, topic in ((some, topics[7]), (last, topics[499])):
            (message,) = await receive(receiver, 1)
            assert data(message) == topic.encode()
            await receiver.complete_message(message)
        assert await waiting
    assert sum(bus.broker.counts(topic, SUBSCRIPTION).waiting for topic in topics) == 498
