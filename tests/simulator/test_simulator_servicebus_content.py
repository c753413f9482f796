"""What the simulated Service Bus reads of a message, whatever it is sent."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from azure.servicebus import ServiceBusReceivedMessage
from hypothesis import example, given
from hypothesis import strategies as st
from proton import Message as AmqpMessage
from proton import symbol, timestamp

from simulator.servicebus import content
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.content import Content
from simulator.servicebus.messages import DeadLettering, Message

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=300) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=10,
)
names = st.text(min_size=1, max_size=300)


def queued(sent: Content, **changes: object) -> Message[Content]:
    message = Message(7, sent, NOW, NOW + timedelta(minutes=5))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def decoded(encoded: bytes) -> AmqpMessage:
    message = AmqpMessage()
    message.decode(encoded)
    return message


@given(body=values, properties=st.dictionaries(names, st.text() | st.integers(-9, 9), max_size=9), subject=st.text())
def test_another_implementations_messages_go_through_with_all_they_carry(body, properties, subject):
    sent = AmqpMessage(body, properties=properties, subject=subject, id="id", annotations={symbol("x-opt-own"): 1})
    (parsed,) = content.parse(bytes(sent.encode()))
    got = decoded(content.encode(queued(parsed, delivery_count=3), NOW))
    assert (got.body, got.properties or {}, got.subject, got.id) == (body, properties, subject, "id")
    assert got.delivery_count == 3
    assert got.annotations == {
        symbol("x-opt-own"): 1,
        symbol("x-opt-sequence-number"): 7,
        symbol("x-opt-enqueued-time"): timestamp(int(NOW.timestamp() * 1000)),
    }


@given(properties=st.dictionaries(names, st.text(), max_size=30), reason=st.text(max_size=300))
def test_a_dead_letter_carries_its_reason_beside_the_publishers_properties(properties, reason):
    (parsed,) = content.parse(bytes(AmqpMessage(b"x", properties=properties).encode()))
    got = decoded(content.encode(queued(parsed, dead_lettering=DeadLettering(reason, None)), NOW))
    assert got.properties == properties | {"DeadLetterReason": reason}


@given(st.binary(max_size=70_000))
def test_published_bytes_are_the_body(data):
    published = content.of_data(data)
    assert content.data_of(published) == data
    token = UUID(int=1)
    encoded = content.encode(queued(published, token=token, locked_until=NOW + timedelta(seconds=30)), NOW)
    message = ServiceBusReceivedMessage.from_bytes(encoded)
    assert b"".join(message.body) == data
    left = message.locked_until_utc - datetime.now(UTC)
    assert timedelta(seconds=20) < left < timedelta(seconds=31), (
        "by the clock of the client, whatever the broker's says"
    )


@example(b"\x00" * 5000)
@example(b"\x00\x53\x75")
@example(b"\x00\x53\x75\xa0\xff")
@example(b"\x00\x53\x70\xc0\x04\x03\x40\x40\xa1\x00\x00\x53\x75\xa0\x00")
@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"\x00\x53", b"\x70", b"\x75", b"\xa0\x01x", b"\xc0"])).map(b"".join)
)
def test_nothing_that_is_sent_breaks_the_broker(encoded):
    with suppress(RefusedError):
        for parsed in content.parse(encoded):
            content.encode(queued(parsed), NOW)


def test_data_that_is_a_message_without_a_body_is_only_data():
    header_alone = b"\x00\x53\x70\x45"
    (parsed,) = content.parse(bytes(AmqpMessage(header_alone, inferred=True).encode()))
    assert content.data_of(parsed) == header_alone


def test_a_message_that_is_cut_short_is_refused():
    encoded = bytes(AmqpMessage({"a": "b" * 400}).encode())
    body = encoded.index(b"\x00\x53\x77")
    for length in range(body + 1, len(encoded)):
        with pytest.raises(RefusedError):
            content.parse(encoded[:length])
