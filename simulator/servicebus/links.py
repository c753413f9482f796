"""The broker's ends of links to entities: consumers of a queue, and producers for a topic."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from proton import Delivery, Disposition, Link, Receiver, Sender

from simulator.servicebus import conditions, content
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.connection import Connection, detach, reject
from simulator.servicebus.content import Content
from simulator.servicebus.messages import DeadLettering
from simulator.servicebus.queues import Queue
from simulator.servicebus.topics import Topic

MAX_MESSAGE_BYTES = 256 * 1024
"""What Service Bus takes in its Standard tier (Microsoft Learn, "Service Bus quotas and limits")."""

CREDIT = 1000
OUTCOMES = {Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED}


class EntityLink:
    """A link to an entity; `outdated` once the topic's key is not the one any more that the client attached it with."""

    def __init__(self, link: Link, connection: Connection, topic: Topic) -> None:
        self.topic = topic
        self._key = topic.key
        self._link = link
        self._connection = connection

    @property
    def outdated(self) -> bool:
        return self._key != self.topic.key

    def detach(self, why: RefusedError) -> None:
        """Close the link, and tell the client why."""
        detach(self._link, why)
        self._connection.forget(self._link)
        self._connection.has_output()


class Feed:
    """Shares a queue's messages out among its consumers, who take turns."""

    def __init__(self, queue: Queue[Content]) -> None:
        self.queue = queue
        self._consumers: deque[Consumer] = deque()

    @property
    def listeners(self) -> int:
        """How many consumers get messages when they ask for them."""
        return sum(not consumer.silenced for consumer in self._consumers)

    @property
    def busy(self) -> bool:
        """Whether a message waits, or is locked by a consumer who is still there and may settle it."""
        if self.queue.waiting:
            return True
        return any(self.queue.is_locked(token) for consumer in self._consumers for token in consumer.held)

    def join(self, consumer: "Consumer") -> None:
        self._consumers.append(consumer)

    def leave(self, consumer: "Consumer") -> None:
        self._consumers.remove(consumer)

    def pump(self) -> None:
        """Send what waits, as far as the consumers' credit goes."""
        passed = 0
        while passed < len(self._consumers):
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            if not consumer.ready:
                passed += 1
            elif consumer.send_next():
                passed = 0
            else:
                return


class Consumer(EntityLink):
    """Sends a queue's messages to a client, each when the client has given credit for it, until it is silenced."""

    def __init__(self, link: Sender, connection: Connection, topic: Topic, feed: Feed) -> None:
        super().__init__(link, connection, topic)
        self.feed = feed
        self._sender = link
        self.silenced = False
        self.held: dict[UUID, None] = {}
        """The locks of what the client was sent and has not settled, the oldest first."""
        self._settled_when_sent = link.remote_snd_settle_mode == Link.SND_SETTLED
        feed.join(self)

    @property
    def ready(self) -> bool:
        return not self.silenced and self._sender.credit > 0

    def send_next(self) -> bool:
        """Send the next message; answers whether there was one."""
        queue = self.feed.queue
        message = queue.take_away() if self._settled_when_sent else queue.take()
        if message is None:
            return False
        tag = message.token.bytes_le if message.token else message.number.to_bytes(8)
        delivery = self._sender.delivery(tag)  # type: ignore[arg-type]  # proton takes bytes, too
        self._sender.stream(content.encode(message, queue.now()))
        self._sender.advance()
        if message.token:
            delivery.token = message.token
            self.held[message.token] = None
        else:
            delivery.settle()
        self._connection.has_output()
        return True

    def on_flow(self) -> None:
        self.feed.pump()
        if self._sender.drain_mode:
            self._sender.drained()

    def on_delivery(self, delivery: Delivery) -> None:
        outcome = delivery.remote_state
        if outcome in OUTCOMES:
            self.held.pop(delivery.token, None)
            try:
                _settle(self.feed.queue, delivery.token, delivery.remote)
                delivery.update(outcome)
            except RefusedError as refused:
                reject(delivery, refused)
        if outcome in OUTCOMES or delivery.settled:
            delivery.settle()

    def on_closed(self) -> None:
        """What the client has not settled stays locked until its lock ends."""
        self.feed.leave(self)


class Producer(EntityLink):
    """Takes a client's messages for a topic."""

    def __init__(self, link: Receiver, connection: Connection, topic: Topic, now: Callable[[], datetime]) -> None:
        super().__init__(link, connection, topic)
        self._receiver = link
        self._now = now
        link.max_message_size = MAX_MESSAGE_BYTES
        link.flow(CREDIT)

    def on_flow(self) -> None:
        """The client says what it has to send; it has credit anyway."""

    def on_delivery(self, delivery: Delivery) -> None:
        if delivery.partial or not delivery.readable:
            return
        encoded = self._receiver.recv(delivery.pending) or b""
        self._receiver.advance()
        self._receiver.flow(1)
        try:
            self._enqueue(bytes(encoded))
            delivery.update(Delivery.ACCEPTED)
        except RefusedError as refused:
            reject(delivery, refused)
        delivery.settle()

    def on_closed(self) -> None:
        """Nothing is kept for it."""

    def _enqueue(self, encoded: bytes) -> None:
        if len(encoded) > MAX_MESSAGE_BYTES:
            raise RefusedError(conditions.TOO_LARGE, f"{len(encoded)} bytes are more than {MAX_MESSAGE_BYTES}.")
        for one in content.parse(encoded):
            self.topic.enqueue(one, self._now())


def _settle(queue: Queue[Content], token: UUID, outcome: Disposition) -> None:
    match outcome.type:
        case Disposition.ACCEPTED:
            queue.complete(token)
        case Disposition.REJECTED:
            queue.dead_letter(token, _reason(outcome))
        case Disposition.MODIFIED if outcome.undeliverable:
            queue.defer(token)
        case Disposition.MODIFIED if outcome.failed:
            queue.abandon(token)
        case _:
            queue.release(token)


def _reason(rejection: Disposition) -> DeadLettering:
    """Why a client dead-letters a message; the SDKs say so in the information of the rejection's error."""
    info = cast("Mapping[str, str]", rejection.condition.info or {}) if rejection.condition else {}
    return DeadLettering(info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription"))
