"""A queue of messages with the semantics of Service Bus, without AMQP and without a clock of its own.

A message waits, is locked by a consumer, and is then completed, given back, deferred or dead-lettered; its time to live
and its lock end as time passes (Microsoft Learn, "Message transfers, locks, and settlement", "Message expiration",
"Overview of Service Bus dead-letter queues"). Nothing fires by itself: what time has ended is seen by `expire`, which
all that gives or settles messages calls first.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from simulator.servicebus import conditions
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.messages import DeadLettering, Message, State, Tally

MAX_DELIVERIES = 10


@dataclass(slots=True, eq=False)
class Queue[Content]:
    """The messages of a subscription, or those of its dead-letter queue (which has none of its own, and no expiry).

    `changed` is called whenever a message has come or moved.
    """

    now: Callable[[], datetime]
    lock: timedelta
    dead_letters: "Queue[Content] | None" = None
    bury_expired: bool = False
    changed: Callable[[], None] = lambda: None
    tally: Tally = field(default_factory=Tally)
    _messages: dict[int, Message[Content]] = field(default_factory=dict)
    _waiting: list[int] = field(default_factory=list)
    _locks: dict[UUID, Message[Content]] = field(default_factory=dict)
    _ends: list[tuple[datetime, int]] = field(default_factory=list)
    _deferred: int = 0
    _last_number: int = 0

    @property
    def waiting(self) -> int:
        return len(self._messages) - len(self._locks) - self._deferred

    @property
    def locked(self) -> int:
        return len(self._locks)

    def is_locked(self, token: UUID) -> bool:
        """Whether the lock is there, as far as time was looked at."""
        return token in self._locks

    @property
    def next_end(self) -> datetime | None:
        """No message's lock or life ends before this instant."""
        return self._ends[0][0] if self._ends else None

    def enqueue(
        self,
        content: Content,
        enqueued_at: datetime,
        ttl: timedelta | None,
        dead_lettering: DeadLettering | None = None,
    ) -> None:
        self._last_number += 1
        expires_at = enqueued_at + ttl if ttl is not None else None
        message = Message(self._last_number, content, enqueued_at, expires_at, dead_lettering=dead_lettering)
        self._messages[message.number] = message
        self.tally.published += 1
        self._let_wait(message)

    def take(self) -> Message[Content] | None:
        """The next waiting message, now locked; None if there is none."""
        message = self._next()
        if message:
            self._take(message)
        return message

    def take_away(self) -> Message[Content] | None:
        """The next waiting message, delivered and completed at once; None if there is none."""
        message = self._next()
        if message:
            self.tally.delivered += 1
            self.tally.completed += 1
            self._remove(message)
        return message

    def steal(self) -> Message[Content] | None:
        """The next waiting message, taken away by somebody else; None if there is none."""
        message = self._next()
        if message:
            self.tally.stolen += 1
            self._remove(message)
        return message

    def take_deferred(self, numbers: Iterable[int]) -> list[Message[Content]]:
        """Lock deferred messages.

        Raises:
            RefusedError: one of them is not there.
        """
        self.expire()
        messages = []
        for number in dict.fromkeys(numbers):
            message = self._messages.get(number)
            if message is None or message.state is not State.DEFERRED:
                raise RefusedError(conditions.MESSAGE_NOT_FOUND, f"No deferred message has the number {number}.")
            messages.append(message)
        for message in messages:
            self._deferred -= 1
            self._take(message)
        return messages

    def complete(self, token: UUID) -> None:
        """The consumer has done with it.

        Raises:
            RefusedError: the lock is lost, as for every settlement.
        """
        self._remove(self._unlock(token))
        self.tally.completed += 1

    def abandon(self, token: UUID) -> None:
        """The consumer failed: it waits again, one delivery poorer."""
        message = self._unlock(token)
        self.tally.abandoned += 1
        self._give_back(message)

    def release(self, token: UUID) -> None:
        """The consumer did not look at it: it waits again as if it had not been delivered."""
        self._let_wait(self._unlock(token))

    def defer(self, token: UUID) -> None:
        """It is kept for whoever asks for its number."""
        message = self._unlock(token)
        message.delivery_count += 1
        message.deferred = True
        self._let_wait(message)

    def dead_letter(self, token: UUID, why: DeadLettering) -> None:
        """It goes to the dead-letter queue; in the dead-letter queue it stays."""
        message = self._unlock(token)
        if self.dead_letters:
            self._bury(message, self.dead_letters, why)
        else:
            self._give_back(message)

    def renew(self, tokens: Iterable[UUID]) -> datetime:
        """Lock messages anew; answers until when.

        Raises:
            RefusedError: one of the locks is lost; the others are renewed or not.
        """
        self.expire()
        until = self.now() + self.lock
        for token in tokens:
            message = self._locks.get(token)
            if message is None:
                raise lock_lost(token)
            message.locked_until = until
            self._watch(message)
        return until

    def peek(self, from_number: int, count: int) -> Iterator[Message[Content]]:
        """Messages in any state, from a number on, in order."""
        self.expire()
        found = (message for number, message in self._messages.items() if number >= from_number)
        for _, message in zip(range(count), found, strict=False):
            yield message

    def expire(self) -> None:
        """See what time has ended."""
        now = self.now()
        while self._ends and self._ends[0][0] <= now:
            ends_at, number = heapq.heappop(self._ends)
            message = self._messages.get(number)
            if message is None or message.ends_at != ends_at:
                continue
            if message.token:
                self.tally.locks_lost += 1
                self._give_back(self._unlock(message.token, expire=False))
            else:
                self.tally.expired += 1
                self._end(message)

    def _next(self) -> Message[Content] | None:
        self.expire()
        while self._waiting:
            message = self._messages.get(heapq.heappop(self._waiting))
            if message and message.state is State.WAITING:
                return message
        return None

    def _take(self, message: Message[Content]) -> None:
        self.tally.delivered += 1
        message.state = State.LOCKED
        message.token = uuid4()
        message.locked_until = self.now() + self.lock
        self._locks[message.token] = message
        self._watch(message)
        self.changed()

    def _unlock(self, token: UUID, *, expire: bool = True) -> Message[Content]:
        if expire:
            self.expire()
        message = self._locks.pop(token, None)
        if message is None:
            raise lock_lost(token)
        message.token = message.locked_until = None
        return message

    def _give_back(self, message: Message[Content]) -> None:
        message.delivery_count += 1
        if self.dead_letters and message.delivery_count >= MAX_DELIVERIES:
            description = f"Message could not be consumed after {MAX_DELIVERIES} delivery attempts."
            self._bury(message, self.dead_letters, DeadLettering("MaxDeliveryCountExceeded", description))
        else:
            self._let_wait(message)

    def _let_wait(self, message: Message[Content]) -> None:
        if message.deferred:
            message.state = State.DEFERRED
            self._deferred += 1
        else:
            message.state = State.WAITING
            heapq.heappush(self._waiting, message.number)
        self._watch(message)
        self.changed()

    def _end(self, message: Message[Content]) -> None:
        if self.dead_letters and self.bury_expired:
            why = DeadLettering("TTLExpiredException", "The message expired and was dead lettered.")
            self._bury(message, self.dead_letters, why)
        else:
            self._remove(message)

    def _bury(self, message: Message[Content], dead_letters: "Queue[Content]", why: DeadLettering) -> None:
        self._remove(message)
        self.tally.dead_lettered += 1
        dead_letters.enqueue(message.content, message.enqueued_at, None, why)

    def _remove(self, message: Message[Content]) -> None:
        del self._messages[message.number]
        if message.state is State.DEFERRED:
            self._deferred -= 1
        self.changed()

    def _watch(self, message: Message[Content]) -> None:
        """Have `expire` look at it when its time comes, and at nothing that is long gone."""
        if message.ends_at is None:
            return
        heapq.heappush(self._ends, (message.ends_at, message.number))
        if len(self._ends) > 2 * len(self._messages) + 64:
            self._ends = [(one.ends_at, one.number) for one in self._messages.values() if one.ends_at]
            heapq.heapify(self._ends)


def lock_lost(token: UUID) -> RefusedError:
    return RefusedError(conditions.LOCK_LOST, f"The lock {token} has expired, or its message is settled.")
