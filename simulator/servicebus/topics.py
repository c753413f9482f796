"""Topics and their subscriptions: what is sent to a topic goes to each of its subscriptions that is enabled."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulator.servicebus import conditions
from simulator.servicebus.addresses import Address
from simulator.servicebus.cbs import Key
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.content import Content
from simulator.servicebus.queues import Queue


@dataclass(slots=True, eq=False)
class Subscription:
    """A queue of its own for what is sent to the topic, with its dead-letter queue."""

    queue: Queue[Content]
    dead_letters: Queue[Content]
    ttl: timedelta
    enabled: bool = True


@dataclass(slots=True, eq=False)
class Topic:
    """Without a key nobody may use it."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    key: Key | None = None

    def enqueue(self, content: Content, at: datetime) -> None:
        for subscription in self.subscriptions.values():
            if subscription.enabled:
                ttl = subscription.ttl if content.ttl is None else min(content.ttl, subscription.ttl)
                subscription.queue.enqueue(content, at, ttl)


class Namespace:
    """All topics, by name in any letter case."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    def topic(self, name: str) -> Topic | None:
        return self._topics.get(name.lower())

    def open_topic(self, name: str) -> Topic:
        """The topic of this name, made if there is none."""
        return self._topics.setdefault(name.lower(), Topic())

    def queue(self, address: Address) -> Queue[Content]:
        """The queue that an address names.

        Raises:
            RefusedError: there is none, or it is disabled.
        """
        topic = self.topic(address.topic)
        subscription = topic.subscriptions.get(address.subscription or "") if topic else None
        if subscription is None:
            raise RefusedError(conditions.NOT_FOUND, f"The messaging entity {address.path} could not be found.")
        if not subscription.enabled:
            raise RefusedError(conditions.ENTITY_DISABLED, f"The messaging entity {address.path} is disabled.")
        return subscription.dead_letters if address.dead_letters else subscription.queue
