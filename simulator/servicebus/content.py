"""Messages as publishers send them and as consumers get them.

A message is a row of sections (AMQP 1.0, part 3, section 3.2). The broker writes the header and adds annotations of its
own (Microsoft Learn, "AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide"); properties and body go through as
they came.
"""

import uuid
from datetime import UTC, datetime, timedelta

import msgspec

from simulator.servicebus import conditions, wire
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.messages import DeadLettering, Message, State
from simulator.servicebus.wire import MILLISECOND, Items

HEADER, ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES = 0x70, 0x72, 0x73, 0x74
DATA, SEQUENCE, VALUE, FOOTER = 0x75, 0x76, 0x77, 0x78
TTL_IN_HEADER = 2

_ENQUEUED_TIME = wire.symbol("x-opt-enqueued-time")
_SEQUENCE_NUMBER = wire.symbol("x-opt-sequence-number")
_LOCKED_UNTIL = wire.symbol("x-opt-locked-until")
_STATE = wire.symbol("x-opt-message-state")
_DEFERRED = wire.int32(1)


class Content(msgspec.Struct, frozen=True):
    """What a publisher sent; `body` with the footer, `properties` with all that makes it a section."""

    body: bytes
    properties: bytes = b""
    annotations: Items = Items()
    application_properties: Items = Items()
    ttl: timedelta | None = None


def of_data(data: bytes) -> Content:
    """A message of arbitrary bytes with an id, as a .NET publisher sends it."""
    message_id = Items(wire.string(uuid.uuid4().hex), 1)
    return Content(
        body=wire.section(DATA, wire.binary(data)), properties=wire.section(PROPERTIES, wire.list_of(message_id))
    )


def data_of(content: Content) -> bytes:
    """The bytes in a message's data sections, joined; empty if its body is something else."""
    return b"".join(wire.binary_in(one.value) for one in wire.sections(content.body) if one.code == DATA)


def parse(encoded: bytes) -> list[Content]:
    """The messages in one transfer: one, or as many as a batch holds.

    A batch is a message whose data sections are messages. Its transfer says so too, by the message format 0x80013700,
    but proton does not tell: a message that carries nothing but another encoded message is taken for a batch of one.

    Raises:
        RefusedError: it is not an AMQP message.
    """
    sections = wire.sections(encoded)
    if not sections:
        raise RefusedError(conditions.DECODE_ERROR, "There is nothing in the message.")
    held = [_message_in(wire.binary_in(one.value)) for one in sections if one.code == DATA]
    batch = [one for one in held if one]
    return batch if batch and len(batch) == len(held) else [_content(sections)]


def encode(message: Message[Content], now: datetime) -> bytes:
    """A message with its header and annotations, as it stands in its queue now."""
    content = message.content
    annotations = _ENQUEUED_TIME + wire.timestamp(message.enqueued_at)
    annotations += _SEQUENCE_NUMBER + wire.int64(message.number)
    count = 4
    if message.locked_until:
        annotations += _LOCKED_UNTIL + wire.timestamp(on_clients_clock(message.locked_until, now))
        count += 2
    if message.state is State.DEFERRED:
        annotations += _STATE + _DEFERRED
        count += 2
    return b"".join(
        (
            _header(message),
            wire.section(ANNOTATIONS, wire.map_of(content.annotations + Items(annotations, count))),
            content.properties,
            _application_properties(content.application_properties, message.dead_lettering),
            content.body,
        )
    )


def on_clients_clock(instant: datetime, now: datetime) -> datetime:
    """When an instant comes by the clock of the clients, if it is `now` by the broker's.

    SDKs compare the end of a lock with the system's clock, and do not settle a message after it.
    """
    return datetime.now(UTC) + (instant - now)


def _message_in(data: bytes) -> Content | None:
    """The message that the bytes encode, if they do."""
    try:
        content = _content(wire.sections(data))
    except RefusedError:
        return None
    return content if content.body else None


def _content(sections: list[wire.Section]) -> Content:
    first = {section.code: section for section in reversed(sections)}
    body = [section.encoded for section in sections if section.code in (DATA, SEQUENCE, VALUE, FOOTER)]
    ttl_ms = wire.uint_at(wire.items_in(first[HEADER].value), TTL_IN_HEADER) if HEADER in first else None
    return Content(
        body=b"".join(body),
        properties=first[PROPERTIES].encoded if PROPERTIES in first else b"",
        annotations=wire.items_in(first[ANNOTATIONS].value) if ANNOTATIONS in first else Items(),
        application_properties=(
            wire.items_in(first[APPLICATION_PROPERTIES].value) if APPLICATION_PROPERTIES in first else Items()
        ),
        ttl=ttl_ms * MILLISECOND if ttl_ms is not None else None,
    )


def _header(message: Message[Content]) -> bytes:
    life = message.expires_at - message.enqueued_at if message.expires_at else message.content.ttl
    ttl_ms = wire.uint32(min(life // MILLISECOND, wire.MAX_UINT32)) if life is not None else wire.NULL
    items = Items(wire.TRUE + wire.NULL + ttl_ms + wire.NULL + wire.uint32(message.delivery_count), 5)
    return wire.section(HEADER, wire.list_of(items))


def _application_properties(given: Items, dead_lettering: DeadLettering | None) -> bytes:
    if dead_lettering:
        why = (("DeadLetterReason", dead_lettering.reason), ("DeadLetterErrorDescription", dead_lettering.description))
        for name, value in why:
            if value is not None:
                given += Items(wire.string(name) + wire.string(value), 2)
    return wire.section(APPLICATION_PROPERTIES, wire.map_of(given)) if given.count else b""
