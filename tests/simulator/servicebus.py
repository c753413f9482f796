"""A simulated Service Bus with a topic, and clients of the real SDK for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from simulator.servicebus.broker import Broker, Counts

TOPIC = "installation_6d1e"
SUBSCRIPTION = "default"
KEY_NAME = "listen"
KEY = "a shared access key"
WAIT_S = 20
"""For something that is about to come."""


class Bus:
    """A broker with one topic, whose time is a clock's."""

    def __init__(self, now: Any) -> None:
        self.broker = Broker(now)
        self.broker.add_topic(TOPIC, SUBSCRIPTION)
        self.broker.set_key(TOPIC, KEY_NAME, KEY)

    def connection_string(self, key: str = KEY) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{self.broker.port};SharedAccessKeyName={KEY_NAME};SharedAccessKey={key};"
            "UseDevelopmentEmulator=true;"
        )

    def publish(self, *messages: bytes) -> None:
        self.broker.publish(TOPIC, messages)

    def counts(self, subscription: str = SUBSCRIPTION) -> Counts:
        return self.broker.counts(TOPIC, subscription)

    @asynccontextmanager
    async def client(self, key: str = KEY) -> AsyncIterator[ServiceBusClient]:
        async with ServiceBusClient.from_connection_string(self.connection_string(key), retry_total=0) as client:
            yield client

    @asynccontextmanager
    async def receiver(
        self, *, key: str = KEY, topic: str = TOPIC, subscription: str = SUBSCRIPTION, **options: Any
    ) -> AsyncIterator[ServiceBusReceiver]:
        async with self.client(key) as client, client.get_subscription_receiver(topic, subscription, **options) as one:
            yield one

    @asynccontextmanager
    async def sender(self, *, key: str = KEY, topic: str = TOPIC) -> AsyncIterator[ServiceBusSender]:
        async with self.client(key) as client, client.get_topic_sender(topic) as sender:
            yield sender


@asynccontextmanager
async def running_bus(now: Any) -> AsyncIterator[Bus]:
    bus = Bus(now)
    await bus.broker.start()
    try:
        yield bus
    finally:
        await bus.broker.close()


async def receive(receiver: ServiceBusReceiver, count: int) -> list:
    """So many messages, in as many calls as it takes."""
    messages: list = []
    while len(messages) < count:
        more = await receiver.receive_messages(count - len(messages), max_wait_time=WAIT_S)
        assert more, f"{count} messages expected, {len(messages)} came"
        messages += more
    return messages


async def nothing_comes(receiver: ServiceBusReceiver) -> bool:
    return not await receiver.receive_messages(10, max_wait_time=0.5)


def data(message: Any) -> bytes:
    return b"".join(message.body)
