"""Locks and messages end in the simulated Service Bus's time; consumers are waited for in real time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.exceptions import MessageLockLostError

from shared.clock import system_clock
from tests.conftest import HandClock
from tests.simulator.servicebus import SUBSCRIPTION, TOPIC, WAIT_S, Bus, data, nothing_comes, receive, running_bus

NEW_KEY = "the key after"


@pytest.fixture
async def bus(clock: HandClock) -> AsyncIterator[Bus]:
    async with running_bus(clock.now) as running:
        yield running


@pytest.fixture
async def real_time_bus() -> AsyncIterator[Bus]:
    async with running_bus(system_clock) as running:
        yield running


async def test_a_message_lives_five_minutes(bus, clock):
    bus.publish(b"old")
    clock.advance(1)
    bus.publish(b"young")
    clock.advance(299)
    async with bus.receiver() as receiver:
        assert [data(message) for message in await receive(receiver, 1)] == [b"young"]
    assert (bus.counts().expired, bus.counts().waiting) == (1, 0)


async def test_a_message_may_ask_for_a_shorter_life_but_not_for_a_longer_one(bus, clock):
    async with bus.sender() as sender:
        await sender.send_messages(ServiceBusMessage("brief", time_to_live=timedelta(seconds=10)))
        await sender.send_messages(ServiceBusMessage("long", time_to_live=timedelta(days=10)))
    clock.advance(10)
    assert (bus.counts().expired, bus.counts().waiting) == (1, 1)
    clock.advance(290)
    assert (bus.counts().expired, bus.counts().waiting) == (2, 0)


async def test_life_begins_when_the_message_was_enqueued(bus, clock):
    bus.broker.publish(TOPIC, [b"late"], enqueued_at=clock.now() - timedelta(minutes=4))
    assert bus.counts().waiting == 1
    clock.advance(60)
    assert bus.counts().expired == 1


async def test_what_expires_goes_to_the_dead_letters_if_the_subscription_says_so(bus, clock):
    bus.broker.add_topic(TOPIC, "careful", ttl=timedelta(seconds=60), bury_expired=True)
    bus.publish(b"old")
    clock.advance(60)
    assert (bus.counts("careful").expired, bus.counts("careful").dead_lettered) == (1, 1)
    async with bus.receiver(subscription="careful", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        clock.advance(3600)
        (message,) = await receive(dead_letters, 1)
        assert message.dead_letter_reason == "TTLExpiredException"
        await dead_letters.complete_message(message)


async def test_a_lost_lock_gives_the_message_back_and_settles_nothing(bus, clock):
    bus.publish(b"one")
    async with bus.receiver() as slow, bus.receiver() as other:
        (message,) = await receive(slow, 1)
        clock.advance(30)
        with pytest.raises(MessageLockLostError):
            await slow.complete_message(message)
        (again,) = await receive(other, 1)
        assert (data(again), again.delivery_count) == (b"one", 1)
        await other.complete_message(again)
    counts = bus.counts()
    assert (counts.completed, counts.locks_lost, counts.delivered) == (1, 1, 2)


async def test_a_renewed_lock_holds_on(bus, clock):
    bus.publish(b"one")
    async with bus.receiver() as receiver:
        (message,) = await receive(receiver, 1)
        clock.advance(20)
        before = message.locked_until_utc
        assert await receiver.renew_message_lock(message) > before
        clock.advance(20)
        await receiver.complete_message(message)
        assert bus.counts().completed == 1


async def test_a_lost_lock_cannot_be_renewed(bus, clock):
    bus.publish(b"one")
    async with bus.receiver() as receiver:
        (message,) = await receive(receiver, 1)
        clock.advance(30)
        with pytest.raises(MessageLockLostError):
            await receiver.renew_message_lock(message)


async def test_a_message_whose_life_ends_while_it_is_locked_can_still_be_completed(bus, clock):
    bus.broker.add_topic(TOPIC, "brief", ttl=timedelta(seconds=5))
    bus.publish(b"one", b"two")
    async with bus.receiver(subscription="brief") as receiver:
        one, two = await receive(receiver, 2)
        clock.advance(6)
        await receiver.complete_message(one)
        await receiver.abandon_message(two)
        assert await nothing_comes(receiver)
    assert (bus.counts("brief").completed, bus.counts("brief").expired) == (1, 1)


async def test_what_a_broken_connection_had_locked_comes_again_after_the_lock(bus, clock):
    bus.publish(b"one")
    async with bus.receiver() as receiver:
        await receive(receiver, 1)
    assert (bus.counts().locked, bus.counts().listeners) == (1, 0)
    clock.advance(30)
    async with bus.receiver() as receiver:
        (again,) = await receive(receiver, 1)
        assert again.delivery_count == 1


async def test_in_real_time_locks_and_lives_end_by_themselves(real_time_bus):
    bus = real_time_bus
    bus.broker.add_topic(TOPIC, "quick", lock=timedelta(seconds=0.5))
    bus.broker.add_topic(TOPIC, "brief", ttl=timedelta(seconds=0.5), bury_expired=True)
    bus.publish(b"one")
    async with bus.receiver(subscription="quick") as slow, bus.receiver(subscription="quick") as other:
        await receive(slow, 1)
        (again,) = await receive(other, 1)
        assert again.delivery_count == 1
    async with bus.receiver(subscription="brief", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        assert [data(message) for message in await receive(dead_letters, 1)] == [b"one"]
        bus.publish(b"two")
        assert [data(message) for message in await receive(dead_letters, 1)] == [b"two"]


async def test_settled_waits_until_what_waits_has_been_completed(real_time_bus):
    bus = real_time_bus
    assert await bus.broker.settled(0)
    bus.publish(b"one", b"two")
    assert await bus.broker.settled(0), "nobody listens"
    async with bus.receiver() as receiver:
        assert not await bus.broker.settled(0.05)
        one, two = await receive(receiver, 2)
        assert not await bus.broker.settled(0.05)
        settled = asyncio.create_task(bus.broker.settled(WAIT_S))
        await receiver.complete_message(one)
        assert not settled.done()
        await receiver.complete_message(two)
        assert await settled
        assert bus.counts().completed == 2


async def test_settled_does_not_wait_for_who_gets_nothing(real_time_bus):
    bus = real_time_bus
    bus.broker.add_topic(TOPIC, "idle")
    async with bus.receiver() as receiver:
        bus.publish(b"one")
        waiting = asyncio.create_task(bus.broker.settled(WAIT_S))
        (message,) = await receive(receiver, 1)
        assert not waiting.done()
        bus.broker.set_key(TOPIC, "listen", NEW_KEY)
        bus.broker.silence(TOPIC)
        assert await waiting
        await receiver.complete_message(message)
    async with bus.receiver(key=NEW_KEY):
        bus.publish(b"two")
        waiting = asyncio.create_task(bus.broker.settled(WAIT_S))
        await asyncio.sleep(0)
        bus.broker.set_enabled(TOPIC, SUBSCRIPTION, False)
        assert await waiting
    bus.broker.set_enabled(TOPIC, SUBSCRIPTION, True)
    async with bus.receiver(key=NEW_KEY):
        waiting = asyncio.create_task(bus.broker.settled(WAIT_S))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert await waiting, "the only consumer has gone"


async def test_dead_letters_keep_nobody_waiting(bus):
    bus.publish(b"odd")
    async with bus.receiver() as receiver, bus.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER):
        (message,) = await receive(receiver, 1)
        await receiver.dead_letter_message(message)
        assert await bus.broker.settled(1)
