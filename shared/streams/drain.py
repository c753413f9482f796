"""Receives what waits in a stream's subscription without the trigger, for when that has fallen silent."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from shared.clock import Clock
from shared.observations.reading import Message
from shared.stream import StreamAddress
from shared.streams.intake import lock_left

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage

_BATCH = 256
_WAIT_SECONDS = 3.0
_LONGEST_SECONDS = 25.0

Take = Callable[[list[Message], timedelta], Awaitable[None]]


class Drained(msgspec.Struct):
    """How many messages were received, and why no more could be (None where there were no more)."""

    messages: int = 0
    failure: str | None = None


async def drain(address: StreamAddress, take: Take, clock: Clock) -> Drained:
    """Give everything that waits to `take`, and complete what it took; a message that was not completed comes again.

    Raises whatever `take` raises.
    """
    from azure.servicebus.aio import ServiceBusClient
    from azure.servicebus.exceptions import ServiceBusError

    drained = Drained()
    until = time.monotonic() + _LONGEST_SECONDS
    try:
        async with (
            ServiceBusClient.from_connection_string(address.connection, retry_total=0) as client,
            client.get_subscription_receiver(address.topic, address.subscription) as receiver,
        ):
            while time.monotonic() < until:
                batch = await receiver.receive_messages(max_message_count=_BATCH, max_wait_time=_WAIT_SECONDS)
                if not batch:
                    break
                now = clock()
                drained.messages += len(batch)
                messages = [(_body(message), message.enqueued_time_utc or now) for message in batch]
                await take(messages, lock_left(batch[0].locked_until_utc, now))
                for message in batch:
                    await receiver.complete_message(message)
    except ServiceBusError as error:
        drained.failure = f"the subscription cannot be drained ({type(error).__name__})"
    except ValueError:
        drained.failure = "the connection string cannot be used"
    return drained


def _body(message: "ServiceBusReceivedMessage") -> bytes:
    """The body as one run of bytes; text that came as an AMQP value, in UTF-8."""
    body = message.body
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return b"".join(part for part in body if isinstance(part, bytes))
