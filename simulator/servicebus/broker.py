"""The broker as the rest of the simulator uses it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from simulator.errors import NotFoundError
from simulator.servicebus import conditions, content
from simulator.servicebus.cbs import Key
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.connection import Connection
from simulator.servicebus.content import Content
from simulator.servicebus.dispatcher import Dispatcher
from simulator.servicebus.gate import Gate
from simulator.servicebus.links import Consumer, EntityLink
from simulator.servicebus.queues import Queue
from simulator.servicebus.topics import Namespace, Subscription, Topic

TTL = timedelta(minutes=5)
LOCK = timedelta(seconds=30)


class Counts(msgspec.Struct, frozen=True):
    """What has happened to a subscription's messages, and how it stands.

    `delivered` counts every delivery, `expired` what outlived its time, `locks_lost` the locks that ended before the
    consumer settled, `listeners` the links that get messages when they ask for them.
    """

    published: int
    delivered: int
    completed: int
    abandoned: int
    expired: int
    locks_lost: int
    dead_lettered: int
    stolen: int
    waiting: int
    locked: int
    listeners: int


class Broker:
    """A Service Bus namespace on 127.0.0.1, without TLS, in the event loop it is started in.

    Its methods are called from that loop's thread and have done their work when they return. `now` is the time in
    which messages expire and locks end. What time has ended is seen whenever somebody looks, and in real time at once.
    """

    def __init__(self, now: Callable[[], datetime], port: int = 0) -> None:
        self.port = port
        self._now = now
        self._namespace = Namespace()
        self._dispatcher = Dispatcher(now)
        self._gate = Gate(self._namespace, self._dispatcher, now)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; `port` is where, if it was 0.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.get_running_loop().create_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._dispatcher.start()

    async def close(self) -> None:
        """Stop listening and break all connections."""
        self._dispatcher.close()
        if self._server:
            self._server.close()
            for connection in self._connections:
                connection.abort()
            await self._server.wait_closed()
            self._server = None

    def add_topic(
        self,
        topic: str,
        subscription: str,
        *,
        ttl: timedelta = TTL,
        lock: timedelta = LOCK,
        bury_expired: bool = False,
    ) -> None:
        """Add a subscription to a topic, which is made if there is none; a subscription that is there stays as it is.

        With `bury_expired`, messages that outlive `ttl` go to the dead-letter queue; else they vanish.
        """
        subscriptions = self._namespace.open_topic(topic).subscriptions
        if subscription.lower() not in subscriptions:
            dead_letters: Queue[Content] = Queue(self._now, lock)
            queue = Queue(self._now, lock, dead_letters, bury_expired=bury_expired)
            self._dispatcher.add(dead_letters)
            self._dispatcher.add(queue)
            subscriptions[subscription.lower()] = Subscription(queue, dead_letters, ttl)

    def set_key(self, topic: str, key_name: str, key: str) -> None:
        """Make this the only key of a topic, which is made if there is none.

        Links that are open under another key stay open; see `silence` and `drop`.
        """
        self._namespace.open_topic(topic).key = Key(key_name, key)

    def silence(self, topic: str) -> None:
        """Send nothing any more to links that are open under an old key, and do not tell them.

        Raises:
            NotFoundError: no such topic, as for all methods below.
        """
        with self._dispatcher.turn():
            for link in self._links(topic):
                if link.outdated and isinstance(link, Consumer):
                    link.silenced = True

    def drop(self, topic: str) -> None:
        """Detach links that are open under an old key, as unauthorized."""
        with self._dispatcher.turn():
            for link in self._links(topic):
                if link.outdated:
                    link.detach(RefusedError(conditions.UNAUTHORIZED, f"The key of {topic} has changed."))

    def set_enabled(self, topic: str, subscription: str, enabled: bool) -> None:
        """Enable or disable a subscription; one that is disabled has no links, and what is published is not kept."""
        with self._dispatcher.turn():
            found = self._subscription(topic, subscription)
            found.enabled = enabled
            if not enabled:
                why = RefusedError(conditions.ENTITY_DISABLED, f"The subscription {subscription} is disabled.")
                for link in self._links(topic):
                    if isinstance(link, Consumer) and link.feed.queue in (found.queue, found.dead_letters):
                        link.detach(why)

    def publish(self, topic: str, messages: Sequence[bytes], *, enqueued_at: datetime | None = None) -> None:
        """Send messages with these bytes to a topic; they live from `enqueued_at` on, or else from now on."""
        with self._dispatcher.turn():
            found = self._topic(topic)
            for data in messages:
                found.enqueue(content.of_data(data), enqueued_at or self._now())

    def steal(self, topic: str, subscription: str, count: int) -> list[bytes]:
        """Take up to `count` of the messages that wait away, as another consumer would; answers with their bytes."""
        with self._dispatcher.turn():
            queue = self._subscription(topic, subscription).queue
            taken = (queue.steal() for _ in range(count))
            return [content.data_of(message.content) for message in taken if message]

    def counts(self, topic: str, subscription: str) -> Counts:
        """How a subscription stands; its dead-letter queue does not count."""
        with self._dispatcher.turn():
            queue = self._subscription(topic, subscription).queue
            queue.expire()
        return Counts(
            **msgspec.structs.asdict(queue.tally),
            waiting=queue.waiting,
            locked=queue.locked,
            listeners=self._dispatcher.feed(queue).listeners,
        )

    async def settled(self, seconds: float = 30.0) -> bool:
        """Wait, at most so many real seconds, until consumers have done with all they get.

        That is when no message waits in any subscription that somebody listens to, and none is locked by somebody who
        is still there. Answers whether it came true.
        """
        return await self._dispatcher.calm(seconds)

    def _connect(self) -> Connection:
        connection = Connection(self._dispatcher, self._gate.attach, self._connections.discard)
        self._connections.add(connection)
        return connection

    def _topic(self, name: str) -> Topic:
        topic = self._namespace.topic(name)
        if topic is None:
            raise NotFoundError(f"no topic {name}")
        return topic

    def _subscription(self, topic: str, name: str) -> Subscription:
        subscription = self._topic(topic).subscriptions.get(name.lower())
        if subscription is None:
            raise NotFoundError(f"no subscription {name} of the topic {topic}")
        return subscription

    def _links(self, topic: str) -> list[EntityLink]:
        found = self._topic(topic)
        ends = (end for connection in self._connections for end in connection.ends)
        return [end for end in ends if isinstance(end, EntityLink) and end.topic is found]
