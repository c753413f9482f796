"""The real SDK sends, receives and settles messages at the simulated Service Bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.amqp import AmqpAnnotatedMessage
from azure.servicebus.exceptions import MessageNotFoundError, MessageSizeExceededError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clock import system_clock
from tests.conftest import MONDAY_MORNING, HandClock
from tests.simulator.servicebus import SUBSCRIPTION, TOPIC, WAIT_S, Bus, data, nothing_comes, receive, running_bus


@pytest.fixture
async def bus(clock: HandClock) -> AsyncIterator[Bus]:
    async with running_bus(clock.now) as running:
        yield running


async def test_a_published_message_is_received_and_gone_when_it_is_completed(bus):
    bus.publish(b"\x00\xff one", b"")
    async with bus.receiver() as receiver:
        first, second = await receive(receiver, 2)
        assert (data(first), data(second)) == (b"\x00\xff one", b"")
        assert (first.sequence_number, second.sequence_number) == (1, 2)
        assert first.enqueued_time_utc == MONDAY_MORNING
        assert first.time_to_live == timedelta(minutes=5)
        assert first.delivery_count == 0
        assert first.message_id
        assert first.message_id != second.message_id
        assert (bus.counts().waiting, bus.counts().locked) == (0, 2)
        await receiver.complete_message(first)
        await receiver.complete_message(second)
        assert await nothing_comes(receiver)
    counts = bus.counts()
    assert (counts.published, counts.delivered, counts.completed) == (2, 2, 2)
    assert (counts.waiting, counts.locked) == (0, 0)


async def test_a_published_message_may_have_been_enqueued_before(bus):
    earlier = MONDAY_MORNING - timedelta(minutes=2)
    bus.broker.publish(TOPIC, [b"late"], enqueued_at=earlier)
    async with bus.receiver() as receiver:
        (message,) = await receive(receiver, 1)
        assert message.enqueued_time_utc == earlier


async def test_what_is_sent_to_a_topic_goes_to_every_subscription_as_it_was_sent(bus):
    bus.broker.add_topic(TOPIC, "second")
    async with bus.sender() as sender:
        await sender.send_messages(
            ServiceBusMessage(
                "text",
                application_properties={"number": 7, "name": "Ada"},
                subject="observation",
                content_type="text/plain",
                message_id="one",
                time_to_live=timedelta(seconds=90),
            )
        )
    for subscription in (SUBSCRIPTION, "second"):
        async with bus.receiver(subscription=subscription) as receiver:
            (message,) = await receive(receiver, 1)
            assert str(message) == "text"
            assert message.application_properties == {b"number": 7, b"name": b"Ada"}
            assert (message.subject, message.content_type, message.message_id) == ("observation", "text/plain", "one")
            assert message.time_to_live == timedelta(seconds=90)
            await receiver.complete_message(message)


async def test_bodies_that_are_not_data_go_through(bus):
    async with bus.sender() as sender:
        await sender.send_messages(AmqpAnnotatedMessage(value_body="a string"))
        await sender.send_messages(AmqpAnnotatedMessage(value_body=b"bytes"))
        await sender.send_messages(AmqpAnnotatedMessage(value_body={"a": [1, None, True]}))
        await sender.send_messages(AmqpAnnotatedMessage(sequence_body=[1, "two"]))
        await sender.send_messages(AmqpAnnotatedMessage(data_body=[b"in ", b"parts"]))
    async with bus.receiver() as receiver:
        text, binary, mapped, sequence, parts = messages = await receive(receiver, 5)
        assert text.body == b"a string"
        assert binary.body == b"bytes"
        assert mapped.body == {b"a": [1, None, True]}
        assert list(sequence.body) == [[1, b"two"]]
        assert list(parts.body) == [b"in ", b"parts"]
        for message in messages:
            await receiver.abandon_message(message)
    assert bus.broker.steal(TOPIC, SUBSCRIPTION, 9) == [b"", b"", b"", b"", b"in parts"]


async def test_a_batch_is_split_into_its_messages(bus):
    async with bus.sender() as sender:
        batch = await sender.create_message_batch()
        assert batch.max_size_in_bytes == 256 * 1024
        for number in range(100):
            batch.add_message(ServiceBusMessage(f"message {number}", subject=str(number)))
        await sender.send_messages(batch)
        await sender.send_messages([ServiceBusMessage("a batch of one")])
    async with bus.receiver() as receiver:
        messages = await receive(receiver, 101)
    assert [str(message) for message in messages] == [f"message {number}" for number in range(100)] + ["a batch of one"]
    assert [message.subject for message in messages][:100] == [str(number) for number in range(100)]


async def test_a_message_larger_than_the_link_allows_is_refused(bus):
    async with bus.sender() as sender:
        with pytest.raises(MessageSizeExceededError):
            await sender.send_messages(ServiceBusMessage(b"x" * (256 * 1024)))
        await sender.send_messages(ServiceBusMessage(b"x" * 200_000))
    async with bus.receiver() as receiver:
        (message,) = await receive(receiver, 1)
        assert data(message) == b"x" * 200_000


@pytest.fixture(scope="module")
async def round_trip() -> AsyncIterator[Callable[[list[bytes]], Awaitable[list[bytes]]]]:
    """Sends bodies in a batch, publishes them, and answers with all that is received."""
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    async with running_bus(system_clock) as bus, bus.sender() as sender, bus.receiver(receive_mode=mode) as receiver:

        async def go(bodies: list[bytes]) -> list[bytes]:
            await sender.send_messages([ServiceBusMessage(body) for body in bodies])
            bus.publish(*bodies)
            return [data(message) for message in await receive(receiver, 2 * len(bodies))]

        yield go


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(small=st.lists(st.binary(max_size=2000), max_size=8), large=st.integers(0, 200_000), at=st.integers(0, 8))
async def test_arbitrary_bytes_come_back_as_they_were_sent(round_trip, small, large, at):
    bodies = [*small[:at], bytes(index * 31 % 256 for index in range(large)), *small[at:]]
    assert await round_trip(bodies) == bodies + bodies


async def test_an_abandoned_message_comes_again_and_counts_its_deliveries(bus):
    bus.publish(b"one", b"two")
    async with bus.receiver() as receiver:
        (first,) = await receive(receiver, 1)
        await receiver.abandon_message(first)
        again, second = await receive(receiver, 2)
        assert (data(again), again.delivery_count, again.sequence_number) == (b"one", 1, 1)
        assert (data(second), second.delivery_count) == (b"two", 0)
    assert bus.counts().abandoned == 1


async def test_after_ten_deliveries_a_message_is_dead(bus):
    bus.publish(b"poison")
    async with bus.receiver() as receiver:
        for delivery in range(10):
            (message,) = await receive(receiver, 1)
            assert message.delivery_count == delivery
            await receiver.abandon_message(message)
        assert await nothing_comes(receiver)
    assert (bus.counts().abandoned, bus.counts().dead_lettered, bus.counts().waiting) == (10, 1, 0)
    async with bus.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        (message,) = await receive(dead_letters, 1)
        assert data(message) == b"poison"
        assert message.dead_letter_reason == "MaxDeliveryCountExceeded"


async def test_a_dead_letter_keeps_its_reason_until_it_is_completed(bus):
    async with bus.sender() as sender:
        await sender.send_messages(ServiceBusMessage("odd", application_properties={"kept": True}))
    async with bus.receiver() as receiver:
        (message,) = await receive(receiver, 1)
        await receiver.dead_letter_message(message, reason="unreadable", error_description="no envelope")
        assert await nothing_comes(receiver)
    async with bus.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        (message,) = await receive(dead_letters, 1)
        assert (message.dead_letter_reason, message.dead_letter_error_description) == ("unreadable", "no envelope")
        assert message.application_properties[b"kept"] is True
        await dead_letters.dead_letter_message(message)
        (message,) = await receive(dead_letters, 1)
        await dead_letters.complete_message(message)
        assert await nothing_comes(dead_letters)


async def test_a_deferred_message_comes_only_to_who_asks_for_it(bus):
    bus.publish(b"later", b"now")
    async with bus.receiver() as receiver:
        later, now = await receive(receiver, 2)
        await receiver.defer_message(later)
        await receiver.complete_message(now)
        assert await nothing_comes(receiver)
        (peeked,) = await receiver.peek_messages(10, sequence_number=1)
        assert peeked.state is ServiceBusMessageState.DEFERRED
        (asked_for,) = await receiver.receive_deferred_messages(later.sequence_number)
        assert data(asked_for) == b"later"
        await receiver.abandon_message(asked_for)
        assert await nothing_comes(receiver)
        (asked_for,) = await receiver.receive_deferred_messages([later.sequence_number])
        await receiver.complete_message(asked_for)
        with pytest.raises(MessageNotFoundError):
            await receiver.receive_deferred_messages(later.sequence_number)
    assert bus.counts().completed == 2


async def test_a_deferred_message_may_be_dead_lettered_or_taken_away_at_once(bus):
    bus.publish(b"dead", b"gone")
    async with bus.receiver() as receiver:
        for message in await receive(receiver, 2):
            await receiver.defer_message(message)
        (dead,) = await receiver.receive_deferred_messages(1)
        await receiver.dead_letter_message(dead, reason="by request")
    async with bus.receiver(receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver:
        (gone,) = await receiver.receive_deferred_messages(2)
        assert data(gone) == b"gone"
    async with bus.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        (dead,) = await receive(dead_letters, 1)
        assert dead.dead_letter_reason == "by request"
    assert (bus.counts().completed, bus.counts().dead_lettered) == (1, 1)


async def test_peeking_locks_nothing(bus):
    bus.publish(*(f"{number}".encode() for number in range(5)))
    async with bus.receiver() as receiver:
        assert [data(message) for message in await receiver.peek_messages(2)] == [b"0", b"1"]
        assert [data(message) for message in await receiver.peek_messages(9)] == [b"2", b"3", b"4"]
        assert await receiver.peek_messages(9) == []
        assert bus.counts().waiting == 5
        assert len(await receive(receiver, 5)) == 5


async def test_receive_and_delete_settles_when_it_delivers(bus):
    bus.publish(b"one", b"two")
    async with bus.receiver(receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver:
        assert [data(message) for message in await receive(receiver, 2)] == [b"one", b"two"]
        assert (bus.counts().completed, bus.counts().locked, bus.counts().waiting) == (2, 0, 0)


async def test_a_consumer_gets_no_more_than_it_asks_for(bus):
    bus.publish(*(f"{number}".encode() for number in range(50)))
    async with bus.receiver() as receiver:
        for _ in range(5):
            assert len(await receive(receiver, 7)) == 7
        assert (bus.counts().locked, bus.counts().waiting) == (35, 15)


async def test_what_arrives_while_nobody_receives_is_released_undamaged(bus):
    async with bus.receiver() as receiver:
        assert await nothing_comes(receiver)
        bus.publish(b"meanwhile")
    assert (bus.counts().waiting, bus.counts().locked) == (1, 0)
    async with bus.receiver() as receiver:
        (message,) = await receive(receiver, 1)
        assert message.delivery_count == 0


async def test_prefetched_messages_are_given_back_when_the_receiver_closes(bus):
    bus.publish(*(f"{number}".encode() for number in range(20)))
    async with bus.receiver(prefetch_count=10) as receiver:
        (first,) = await receive(receiver, 1)
        await receiver.complete_message(first)
    assert (bus.counts().completed, bus.counts().locked, bus.counts().waiting) == (1, 0, 19)


async def test_competing_consumers_get_each_message_once(bus):
    bodies = [f"{number}".encode() for number in range(300)]
    async with bus.receiver() as one, bus.receiver() as other:
        assert bus.counts().listeners == 2
        got = []
        bus.publish(*bodies[:200])
        while len(got) < 300:
            if len(got) == 200:
                bus.publish(*bodies[200:])
            for receiver in (one, other):
                messages = await receiver.receive_messages(50, max_wait_time=WAIT_S)
                got += [data(message) for message in messages]
                for message in messages:
                    await receiver.complete_message(message)
        assert sorted(got) == sorted(bodies)
        assert await nothing_comes(one)
    assert bus.counts().delivered == 300


async def test_what_somebody_else_steals_does_not_come(bus):
    bus.publish(b"one", b"two", b"three")
    assert bus.broker.steal(TOPIC, SUBSCRIPTION, 2) == [b"one", b"two"]
    async with bus.receiver() as receiver:
        (three,) = await receive(receiver, 1)
        assert data(three) == b"three"
        assert bus.broker.steal(TOPIC, SUBSCRIPTION, 5) == []
        await receiver.abandon_message(three)
    assert bus.broker.steal(TOPIC, SUBSCRIPTION, 5) == [b"three"]
    assert bus.broker.steal(TOPIC, SUBSCRIPTION, 5) == []
    assert (bus.counts().stolen, bus.counts().delivered) == (3, 1)


async def test_names_are_the_same_in_any_letter_case(bus):
    bus.publish(b"one")
    async with bus.receiver(topic=TOPIC.upper(), subscription=SUBSCRIPTION.title()) as receiver:
        assert [data(message) for message in await receive(receiver, 1)] == [b"one"]


async def test_the_synchronous_client_works_as_well(bus):
    def use() -> list[bytes]:
        with ServiceBusClient.from_connection_string(bus.connection_string(), retry_total=0) as client:
            with client.get_topic_sender(TOPIC) as sender:
                sender.send_messages([ServiceBusMessage(b"one"), ServiceBusMessage(b"two")])
            with client.get_subscription_receiver(TOPIC, SUBSCRIPTION) as receiver:
                one, two = receiver.receive_messages(2, max_wait_time=WAIT_S)
                receiver.renew_message_lock(two)
                receiver.complete_message(one)
                receiver.complete_message(two)
                return [data(one), data(two)]

    assert await asyncio.to_thread(use) == [b"one", b"two"]
    assert bus.counts().completed == 2
