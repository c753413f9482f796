"""A queue neither loses nor doubles a message, whatever is done with it in whatever order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.messages import DeadLettering, Message, State
from simulator.servicebus.queues import MAX_DELIVERIES, Queue

LOCK = timedelta(seconds=30)
TTL = timedelta(minutes=5)
WHY = DeadLettering("odd", None)


class Life(RuleBasedStateMachine):
    """Publishers, consumers and time act on one queue; a model knows where each message must be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 3, 2, 6, tzinfo=UTC)
        self.dead_letters: Queue[int] = Queue(lambda: self.now, LOCK)
        self.queue = Queue(lambda: self.now, LOCK, self.dead_letters)
        self.published = 0
        self.waiting: set[int] = set()
        self.deferred: set[int] = set()
        self.held: dict[UUID, tuple[Message[int], datetime]] = {}
        self.lost: list[UUID] = []
        self.gone: set[int] = set()
        self.dead: set[int] = set()
        self.fails: dict[int, int] = {}
        self.ends: dict[int, datetime] = {}

    @rule(minutes=st.sampled_from([1, 5]))
    def publish(self, minutes: int) -> None:
        self.published += 1
        self.queue.enqueue(self.published, self.now, timedelta(minutes=minutes))
        self.waiting.add(self.published)
        self.fails[self.published] = 0
        self.ends[self.published] = self.now + timedelta(minutes=minutes)

    @rule()
    def take(self) -> None:
        message = self.queue.take()
        if message is None:
            assert not self.waiting
        else:
            assert message.content == min(self.waiting), "the oldest comes first"
            assert message.delivery_count == self.fails[message.content]
            self._hold(message)
            self.waiting.remove(message.content)

    @rule()
    def take_away(self) -> None:
        message = self.queue.take_away()
        assert (message.content if message else None) == min(self.waiting, default=None)
        if message:
            self.waiting.remove(message.content)
            self.gone.add(message.content)

    @rule()
    def steal(self) -> None:
        message = self.queue.steal()
        assert (message.content if message else None) == min(self.waiting, default=None)
        if message:
            self.waiting.remove(message.content)
            self.gone.add(message.content)

    @precondition(lambda self: self.deferred)
    @rule(pick=st.integers(0, 99))
    def ask_for(self, pick: int) -> None:
        number = sorted(self.deferred)[pick % len(self.deferred)]
        (message,) = self.queue.take_deferred([number, number])
        assert message.content == number
        self._hold(message)
        self.deferred.remove(number)

    @precondition(lambda self: self.held)
    @rule(
        pick=st.integers(0, 99),
        how=st.sampled_from(["complete", "abandon", "release", "defer", "dead_letter"]),
    )
    def settle(self, pick: int, how: str) -> None:
        token = list(self.held)[pick % len(self.held)]
        message, _ = self.held[token]
        del self.held[token]
        self.lost.append(token)
        if how == "complete":
            self.queue.complete(token)
            self.gone.add(message.content)
        elif how == "abandon":
            self.queue.abandon(token)
            self._failed(message)
        elif how == "release":
            self.queue.release(token)
            self._back(message)
        elif how == "defer":
            self.queue.defer(token)
            self.fails[message.content] += 1
            self._back(message)
        else:
            self.queue.dead_letter(token, WHY)
            self.dead.add(message.content)

    @precondition(lambda self: self.held)
    @rule()
    def renew(self) -> None:
        until = self.queue.renew(self.held)
        assert until == self.now + LOCK
        self.held = {token: (message, until) for token, (message, _) in self.held.items()}

    @precondition(lambda self: self.lost)
    @rule(pick=st.integers(0, 99))
    def settle_too_late(self, pick: int) -> None:
        with pytest.raises(RefusedError):
            self.queue.complete(self.lost[pick % len(self.lost)])

    @rule(seconds=st.sampled_from([1, 29, 30, 60, 300]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for token, (message, until) in list(self.held.items()):
            if until <= self.now:
                del self.held[token]
                self.lost.append(token)
                self._failed(message)
        for number in [number for number in self.waiting | self.deferred if self.ends[number] <= self.now]:
            self._expire(number)

    @invariant()
    def every_message_is_in_one_place(self) -> None:
        self.queue.expire()
        assert self.queue.waiting == len(self.waiting)
        assert self.queue.locked == len(self.held)
        states = {message.content: message.state for message in self.queue.peek(1, 10_000)}
        assert {number for number, state in states.items() if state is State.WAITING} == self.waiting
        assert {number for number, state in states.items() if state is State.DEFERRED} == self.deferred
        assert {message.content for message in self.dead_letters.peek(1, 10_000)} == self.dead
        tally = self.queue.tally
        ended = tally.completed + tally.stolen + tally.expired + tally.dead_lettered
        assert ended == len(self.gone) + len(self.dead) == self.published - len(states)

    @invariant()
    def time_is_watched(self) -> None:
        ends = [until for _, until in self.held.values()] + [
            self.ends[number] for number in self.waiting | self.deferred
        ]
        if ends:
            assert self.queue.next_end
            assert self.queue.next_end <= min(ends)

    def _hold(self, message: Message[int]) -> None:
        assert message.token
        assert message.token not in self.held
        assert message.token not in self.lost
        self.held[message.token] = (message, self.now + LOCK)

    def _failed(self, message: Message[int]) -> None:
        self.fails[message.content] += 1
        if self.fails[message.content] >= MAX_DELIVERIES:
            self.dead.add(message.content)
        else:
            self._back(message)

    def _back(self, message: Message[int]) -> None:
        if self.ends[message.content] <= self.now:
            self.gone.add(message.content)
        else:
            (self.deferred if message.deferred else self.waiting).add(message.content)

    def _expire(self, number: int) -> None:
        self.waiting.discard(number)
        self.deferred.discard(number)
        self.gone.add(number)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=300, stateful_step_count=40)


def queue(**options: object) -> Queue[int]:
    return Queue(lambda: datetime(2026, 3, 2, 6, tzinfo=UTC), LOCK, **options)


def test_what_is_long_gone_is_not_kept():
    one = queue()
    for number in range(10_000):
        one.enqueue(number, one.now(), TTL)
        message = one.take()
        one.complete(message.token)
    assert len(one._ends) < 100


def test_messages_that_were_given_back_keep_their_place():
    one = queue()
    for number in range(4):
        one.enqueue(number, one.now(), TTL)
    first, second, third = one.take(), one.take(), one.take()
    for message in (third, first, second):
        one.release(message.token)
    assert [one.take_away().content for _ in range(4)] == [0, 1, 2, 3]


def test_one_unknown_number_asks_for_nothing():
    one = queue()
    one.enqueue(0, one.now(), TTL)
    one.defer(one.take().token)
    with pytest.raises(RefusedError, match="message-not-found"):
        one.take_deferred([1, 2])
    assert one.locked == 0


def test_a_lock_nobody_holds_cannot_be_renewed():
    with pytest.raises(RefusedError, match="message-lock-lost"):
        queue().renew([uuid4()])


def test_changes_are_told():
    told = []
    one = queue(changed=lambda: told.append(len(told)))
    steps = [
        lambda: one.enqueue(0, one.now(), TTL),
        one.take,
        lambda: one.abandon(next(iter(one._locks))),
        one.take_away,
    ]
    for step in steps:
        before = len(told)
        step()
        assert len(told) > before
