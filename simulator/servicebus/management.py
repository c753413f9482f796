"""The node `$management` of a queue: requests about its messages, each with an answer.

Operations, fields and status codes are those of Microsoft Learn, "AMQP 1.0 in Azure Service Bus: request-response-based
operations".
"""

from collections.abc import Mapping
from typing import Literal, cast
from uuid import UUID

import msgspec
from proton import UNDESCRIBED, Array, Data, timestamp

from simulator.servicebus import conditions, content, wire
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.content import Content
from simulator.servicebus.messages import DeadLettering
from simulator.servicebus.queues import Queue

OK, NO_CONTENT = 200, 204
SETTLED_WHEN_SENT = 0

type Fields = Mapping[str, object]


class Answer(msgspec.Struct, frozen=True):
    """What goes back; `condition` says why it was refused."""

    status: int
    description: str
    fields: Fields = {}
    condition: str | None = None


class RenewLock(msgspec.Struct, frozen=True, rename="kebab"):
    """Lock these messages anew."""

    lock_tokens: list[UUID]


class Peek(msgspec.Struct, frozen=True, rename="kebab"):
    """Show messages without locking them."""

    from_sequence_number: int
    message_count: int


class Settle(msgspec.Struct, frozen=True, rename="kebab"):
    """Settle these messages, as by a disposition."""

    lock_tokens: list[UUID]
    disposition_status: Literal["completed", "abandoned", "defered", "suspended"]
    deadletter_reason: str | None = None
    deadletter_description: str | None = None


class ReceiveDeferred(msgspec.Struct, frozen=True, rename="kebab"):
    """Lock these deferred messages, or take them away."""

    sequence_numbers: list[int]
    receiver_settle_mode: int


def answer(queue: Queue[Content], operation: str, fields: Fields) -> Answer:
    """Do what a client asks of a queue."""
    try:
        match operation:
            case "com.microsoft:renew-lock":
                return _renew(queue, _read(fields, RenewLock))
            case "com.microsoft:peek-message":
                return _peek(queue, _read(fields, Peek))
            case "com.microsoft:update-disposition":
                return _settle(queue, _read(fields, Settle))
            case "com.microsoft:receive-by-sequence-number":
                return _receive_deferred(queue, _read(fields, ReceiveDeferred))
    except RefusedError as refused:
        return Answer(conditions.STATUS[refused.condition], refused.description, condition=refused.condition)
    description = f"The simulated Service Bus does not know the operation {operation!r}."
    return Answer(conditions.STATUS[conditions.NOT_IMPLEMENTED], description, condition=conditions.NOT_IMPLEMENTED)


def _renew(queue: Queue[Content], request: RenewLock) -> Answer:
    until = content.on_clients_clock(queue.renew(request.lock_tokens), queue.now())
    milliseconds = timestamp((until - wire.EPOCH) // wire.MILLISECOND)
    undescribed = cast("str", UNDESCRIBED)  # proton's own constant, which its annotations forget
    times = Array(undescribed, Data.TIMESTAMP, *[milliseconds] * len(request.lock_tokens))
    return Answer(OK, "OK", {"expirations": times})


def _peek(queue: Queue[Content], request: Peek) -> Answer:
    found = queue.peek(request.from_sequence_number, request.message_count)
    messages = [{"message": content.encode(message, queue.now())} for message in found]
    return Answer(OK, "OK", {"messages": messages}) if messages else Answer(NO_CONTENT, "No messages")


def _settle(queue: Queue[Content], request: Settle) -> Answer:
    for token in request.lock_tokens:
        match request.disposition_status:
            case "completed":
                queue.complete(token)
            case "abandoned":
                queue.abandon(token)
            case "defered":
                queue.defer(token)
            case "suspended":
                queue.dead_letter(token, DeadLettering(request.deadletter_reason, request.deadletter_description))
    return Answer(OK, "OK")


def _receive_deferred(queue: Queue[Content], request: ReceiveDeferred) -> Answer:
    found = queue.take_deferred(request.sequence_numbers)
    messages = [{"message": content.encode(one, queue.now()), "lock-token": one.token} for one in found]
    if request.receiver_settle_mode == SETTLED_WHEN_SENT:
        for one in found:
            queue.complete(cast("UUID", one.token))
    return Answer(OK, "OK", {"messages": messages})


def _read[Request](fields: Fields, request: type[Request]) -> Request:
    plain = {name: list(value) if isinstance(value, Array) else value for name, value in fields.items()}
    try:
        return msgspec.convert(plain, request)
    except msgspec.ValidationError as error:
        raise RefusedError(conditions.ARGUMENT_ERROR, f"The request cannot be read: {error}") from error
