"""A consumer of a message subscription on the real SDK, which understands ZapCloud's messages by itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import ServiceBusError

from simulator.shapes import StreamView
from simulator.truth import Known

HEADER = b"\x40\x06string\x08\x33http://schemas.microsoft.com/2003/10/Serialization/"
RECORDS = (b"\x98", b"\x99", b"\x9a", b"\x9b", b"\x9c", b"\x9d")
WIDTHS = {0x98: 1, 0x99: 1, 0x9A: 2, 0x9B: 2, 0x9C: 4, 0x9D: 4}


@dataclass(frozen=True)
class Received:
    body: bytes
    enqueued_at: datetime

    @property
    def state(self) -> dict[str, Any]:
        """The JSON in the envelope; raises ValueError where there is none."""
        return json.loads(unwrap(self.body))


class Consumer:
    """Takes and completes all that comes, until it is stopped."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.error: ServiceBusError | None = None
        self.came = asyncio.Event()

    async def wait_for(self, count: int) -> list[Received]:
        """So many messages, which must come within 20 real seconds."""
        async with asyncio.timeout(20):
            while len(self.received) < count:
                self.came.clear()
                await self.came.wait()
        return self.received

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message.state for message in self.received]

    def values(self, state_id: int) -> list[str | None]:
        return [state.get("ValueAsString") for state in self.states if state["StateId"] == state_id]

    def newest(self) -> dict[tuple[str, int], Known]:
        """What an app ends up with that reads everything; unreadable messages and those of charger 0 are left out."""
        known: dict[tuple[str, int], Known] = {}
        for message in self.received:
            try:
                key, found = read(message)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if key[0] != "00000000-0000-0000-0000-000000000000" and (key not in known or found.is_after(known[key])):
                known[key] = found
        return known

    async def consume(self, receiver: ServiceBusReceiver) -> None:
        try:
            async for message in receiver:
                self.received.append(Received(b"".join(message.body), message.enqueued_time_utc))
                await receiver.complete_message(message)
                self.came.set()
        except ServiceBusError as error:
            self.error = error
            self.came.set()


@asynccontextmanager
async def attached(view: StreamView, connection_string: str | None = None) -> AsyncIterator[ServiceBusReceiver]:
    """A receiver of the SDK, which may hold messages that nobody has asked it for.

    It sends no keep-alives, since the SDK waits for the next one whenever it is closed.
    """
    given = connection_string or view.connection_string
    async with (
        ServiceBusClient.from_connection_string(given, retry_total=0) as client,
        client.get_subscription_receiver(view.topic, view.subscription, prefetch_count=100, keep_alive=0) as receiver,
    ):
        yield receiver


@asynccontextmanager
async def consuming(view: StreamView, connection_string: str | None = None) -> AsyncIterator[Consumer]:
    """A consumer that listens from now on, until the context ends."""
    consumer = Consumer()
    async with attached(view, connection_string) as receiver:
        task = asyncio.create_task(consumer.consume(receiver))
        try:
            yield consumer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def unwrap(body: bytes) -> bytes:
    if body[len(HEADER) : len(HEADER) + 1] not in RECORDS:
        return body[body.index(b'{"') : body.rindex(b"}") + 1]
    record, width = body[len(HEADER)], WIDTHS[body[len(HEADER)]]
    begin = len(HEADER) + 1 + width
    text = body[begin:] if record & 1 else body[begin:-1]
    if not record & 1 and body[-1] != 1:
        raise ValueError("the element has no end")
    if int.from_bytes(body[begin - width : begin], "little") != len(text):
        raise ValueError("the length is wrong")
    return text


def read(message: Received) -> tuple[tuple[str, int], Known]:
    """Charger and state, and what the message says of it, by the rule for clocks that are ahead."""
    state = message.state
    at = datetime.fromisoformat(state["Timestamp"].removesuffix("Z")).replace(tzinfo=UTC)
    key = (str(UUID(state["ChargerId"])), int(state["StateId"]))
    value = state.get("ValueAsString")
    if at - message.enqueued_at > timedelta(minutes=5):
        return key, Known(message.enqueued_at, value, at)
    return key, Known(at, value)
