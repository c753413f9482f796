"""Who may use the simulated Service Bus: keys, their rotation, links that outlive them, and disabled subscriptions."""

import base64
import hmac
import time
from collections.abc import AsyncIterator
from urllib.parse import quote_plus

import pytest
from azure.core.credentials import AzureSasCredential
from azure.servicebus import ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import (
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
)

from simulator.errors import NotFoundError
from simulator.servicebus import cbs
from simulator.servicebus.cbs import Key
from simulator.servicebus.conditions import RefusedError
from tests.conftest import HandClock
from tests.simulator.servicebus import (
    KEY,
    KEY_NAME,
    SUBSCRIPTION,
    TOPIC,
    WAIT_S,
    Bus,
    data,
    nothing_comes,
    receive,
    running_bus,
)

NEW_KEY = "the key after"


@pytest.fixture
async def bus(clock: HandClock) -> AsyncIterator[Bus]:
    async with running_bus(clock.now) as running:
        yield running


async def use(bus: Bus, **options: str) -> None:
    """Attach and ask for a message, which is when the SDK learns that its link was refused."""
    async with bus.receiver(**options) as receiver:
        assert await nothing_comes(receiver)


async def test_a_wrong_key_is_refused(bus):
    with pytest.raises(ServiceBusAuthenticationError):
        await use(bus, key="another key")
    with pytest.raises(ServiceBusAuthenticationError):
        async with bus.sender(key="another key"):
            pass
    await use(bus)


async def test_what_does_not_exist_is_not_found(bus):
    with pytest.raises(MessagingEntityNotFoundError):
        await use(bus, topic="installation_none")
    with pytest.raises(MessagingEntityNotFoundError):
        await use(bus, subscription="none")
    with pytest.raises(NotFoundError):
        bus.broker.publish("installation_none", [b"lost"])
    with pytest.raises(NotFoundError):
        bus.counts("none")


async def test_a_topic_that_never_had_a_key_lets_nobody_in(bus):
    bus.broker.add_topic("keyless", SUBSCRIPTION)
    with pytest.raises(ServiceBusAuthenticationError):
        await use(bus, topic="keyless")


async def test_a_key_is_for_one_topic(bus):
    bus.broker.add_topic("installation_other", SUBSCRIPTION)
    bus.broker.set_key("installation_other", KEY_NAME, "the other's key")
    with pytest.raises(ServiceBusAuthenticationError):
        await use(bus, topic="installation_other")
    await use(bus, topic="installation_other", key="the other's key")


async def test_a_token_made_by_somebody_else_is_good_until_it_expires(bus):
    def client(token: str) -> ServiceBusClient:
        host = f"127.0.0.1:{bus.broker.port}"
        return ServiceBusClient(host, AzureSasCredential(token), retry_total=0, use_tls=False)

    def token(resource: str, expires_in_s: int) -> str:
        return str(signed(f"sb://127.0.0.1/{resource}", int(time.time()) + expires_in_s))

    bus.publish(b"one")
    for resource in ("", TOPIC, f"{TOPIC}/Subscriptions/{SUBSCRIPTION}"):
        async with (
            client(token(resource, 600)) as made,
            made.get_subscription_receiver(TOPIC, SUBSCRIPTION) as receiver,
        ):
            (message,) = await receive(receiver, 1)
            await receiver.abandon_message(message)
    for bad in (token(TOPIC, -1), token("installation_other", 600)):
        async with client(bad) as made:
            with pytest.raises(ServiceBusAuthenticationError):
                async with made.get_subscription_receiver(TOPIC, SUBSCRIPTION):
                    pass


async def test_after_a_rotation_only_the_new_key_opens_and_old_links_go_on(bus):
    async with bus.receiver() as receiver, bus.sender() as sender:
        bus.broker.set_key(TOPIC, KEY_NAME, NEW_KEY)
        with pytest.raises(ServiceBusAuthenticationError):
            await use(bus)
        await use(bus, key=NEW_KEY)
        await sender.send_messages(ServiceBusMessage(b"as before"))
        (message,) = await receive(receiver, 1)
        await receiver.complete_message(message)
        assert bus.counts().completed == 1


async def test_a_connection_with_an_old_token_cannot_attach_again(bus):
    async with bus.client() as client, client.get_subscription_receiver(TOPIC, SUBSCRIPTION) as receiver:
        bus.broker.set_key(TOPIC, KEY_NAME, NEW_KEY)
        with pytest.raises(ServiceBusError, match="Management"):
            await receiver.peek_messages(1)


async def test_a_silenced_link_gets_nothing_and_is_told_nothing(bus):
    async with bus.receiver() as zombie:
        bus.publish(b"before")
        (message,) = await receive(zombie, 1)
        bus.broker.set_key(TOPIC, KEY_NAME, NEW_KEY)
        bus.broker.silence(TOPIC)
        assert bus.counts().listeners == 0
        bus.publish(b"after")
        assert await nothing_comes(zombie)
        async with bus.receiver(key=NEW_KEY) as receiver:
            assert bus.counts().listeners == 1
            assert [data(message) for message in await receive(receiver, 1)] == [b"after"]
        assert await nothing_comes(zombie)
        await zombie.complete_message(message)
    assert bus.counts().completed == 1


async def test_silence_and_drop_leave_links_under_the_current_key_alone(bus):
    async with bus.receiver() as receiver:
        bus.broker.silence(TOPIC)
        bus.broker.drop(TOPIC)
        bus.publish(b"one")
        assert len(await receive(receiver, 1)) == 1


async def test_a_dropped_link_is_told_that_it_is_unauthorized(bus):
    async with bus.receiver() as receiver, bus.sender() as sender:
        bus.broker.set_key(TOPIC, KEY_NAME, NEW_KEY)
        bus.broker.drop(TOPIC)
        assert bus.counts().listeners == 0
        with pytest.raises(ServiceBusAuthorizationError):
            await receiver.receive_messages(1, max_wait_time=WAIT_S)
        with pytest.raises(ServiceBusError):
            await sender.send_messages(ServiceBusMessage(b"lost"))
    assert bus.counts().published == 0


async def test_a_disabled_subscription_refuses_detaches_and_keeps_nothing(bus):
    bus.broker.add_topic(TOPIC, "second")
    async with bus.receiver() as receiver, bus.receiver(subscription="second") as unharmed:
        bus.publish(b"kept")
        bus.broker.set_enabled(TOPIC, SUBSCRIPTION, False)
        with pytest.raises(MessagingEntityDisabledError):
            await receiver.receive_messages(1, max_wait_time=WAIT_S)
        with pytest.raises(MessagingEntityDisabledError):
            await use(bus)
        bus.publish(b"not kept")
        assert [data(message) for message in await receive(unharmed, 2)] == [b"kept", b"not kept"]
    assert (bus.counts().published, bus.counts("second").published) == (1, 2)
    bus.broker.set_enabled(TOPIC, SUBSCRIPTION, True)
    bus.publish(b"again")
    async with bus.receiver() as receiver:
        assert [data(message) for message in await receive(receiver, 2)] == [b"kept", b"again"]


async def test_a_topic_cannot_be_received_from(bus):
    async with bus.client() as client:
        with pytest.raises(MessagingEntityNotFoundError):
            async with client.get_queue_receiver(TOPIC) as receiver:
                await receiver.receive_messages(1, max_wait_time=WAIT_S)


async def test_the_dead_letter_queue_needs_the_key_too(bus):
    async with bus.client("another key") as client:
        with pytest.raises(ServiceBusAuthenticationError):
            async with client.get_subscription_receiver(TOPIC, SUBSCRIPTION, sub_queue=ServiceBusSubQueue.DEAD_LETTER):
                pass


def signed(resource: str, expires_at: int) -> str:
    """A shared access signature, made as Microsoft's documentation shows it."""
    encoded = quote_plus(resource)
    digest = hmac.digest(KEY.encode(), f"{encoded}\n{expires_at}".encode(), "sha256")
    signature = quote_plus(base64.b64encode(digest))
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expires_at}&skn={KEY_NAME}"


@pytest.mark.parametrize(
    ("audience", "at", "path"),
    [
        ("amqps://127.0.0.1/topic/Subscriptions/sub", 999, "topic/subscriptions/sub"),
        ("sb://127.0.0.1:5672/TOPIC/subscriptions/SUB", 999, "topic/subscriptions/sub"),
        ("sb://127.0.0.1/topic", 999, "topic"),
        ("sb://127.0.0.1/topic2", 999, None),
        ("sb://127.0.0.1/", 999, None),
        ("sb://127.0.0.1/topic", 1000, None),
    ],
)
def test_a_token_is_for_what_lies_under_its_resource_until_it_expires(audience, at, path):
    token = signed("sb://127.0.0.1/topic", 1000)
    key = Key(KEY_NAME, KEY)
    if path:
        assert cbs.check(token, audience, key, at).path == path
    else:
        with pytest.raises(RefusedError):
            cbs.check(token, audience, key, at)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.replace("sig=", "sig=A"),
        lambda token: token.replace("sig=", "sig=%C3%A4"),
        lambda token: token.replace("se=1000", "se=2000"),
        lambda token: token.replace("se=1000", "se=soon"),
        lambda token: token.replace(f"skn={KEY_NAME}", "skn=other"),
        lambda token: token.replace("topic", "topiC"),
        lambda token: token.replace("&skn", "&x"),
        lambda token: token.partition(" ")[2],
        lambda _: "",
    ],
)
def test_a_token_that_was_changed_is_refused(change):
    token = signed("sb://127.0.0.1/topic", 1000)
    assert change(token) != token
    with pytest.raises(RefusedError):
        cbs.check(change(token), "sb://127.0.0.1/topic", Key(KEY_NAME, KEY), 0)


def test_a_right_ends_with_the_token_and_with_the_key():
    key = Key(KEY_NAME, KEY)
    claim = cbs.check(signed("sb://127.0.0.1/topic", 1000), "sb://127.0.0.1/topic", key, 0)
    assert claim.covers("topic/subscriptions/sub", key, 999)
    assert not claim.covers("topic/subscriptions/sub", key, 1000)
    assert not claim.covers("topic/subscriptions/sub", Key(KEY_NAME, NEW_KEY), 999)
    assert not claim.covers("topic2", key, 999)


def test_without_a_key_no_token_is_good():
    with pytest.raises(RefusedError):
        cbs.check(signed("sb://127.0.0.1/topic", 1000), "sb://127.0.0.1/topic", None, 0)
