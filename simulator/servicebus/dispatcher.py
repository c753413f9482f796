"""When messages are sent: at the end of a turn, be it a call of the broker, input from a client, or a timer."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from simulator.servicebus.connection import Connection
from simulator.servicebus.content import Content
from simulator.servicebus.links import Feed
from simulator.servicebus.queues import Queue

SHORTEST_WAIT_S = 0.01


class Dispatcher:
    """Knows every queue's feed, which of them have changed in this turn, and when time may next end something.

    Where `now` is real time, a timer looks at that instant. Where it is simulated it looks in vain, and again later.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._feeds: dict[Queue[Content], Feed] = {}
        self._changed: set[Feed] = set()
        self._busy: set[Feed] = set()
        self._unsent: set[Connection] = set()
        self._waiters: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: datetime | None = None

    def start(self) -> None:
        """Watch the clock, from now on and in this event loop."""
        self._loop = asyncio.get_running_loop()
        self._look()

    def close(self) -> None:
        self._loop = None
        self._stop_timer()

    def add(self, queue: Queue[Content]) -> None:
        feed = self._feeds[queue] = Feed(queue)
        queue.changed = lambda: self._changed.add(feed)

    def feed(self, queue: Queue[Content]) -> Feed:
        return self._feeds[queue]

    def has_output(self, connection: Connection) -> None:
        """Flush the connection at the end of this turn."""
        self._unsent.add(connection)

    @contextmanager
    def turn(self) -> Iterator[None]:
        yield
        self.end_turn()

    def end_turn(self) -> None:
        """Send what waits, and wake whoever waits for calm."""
        while self._changed:
            feed = self._changed.pop()
            feed.pump()
            (self._busy.add if feed.busy else self._busy.discard)(feed)
            self._watch(feed.queue.next_end)
        while self._unsent:
            self._unsent.pop().flush()
        if self._waiters and self._is_calm():
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def expire(self) -> None:
        """See what time has ended, in all queues."""
        for queue in self._feeds:
            queue.expire()

    async def calm(self, seconds: float) -> bool:
        """Wait, at most so many real seconds, until consumers have done with all they can get.

        Dead letters do not count. Answers whether it came true.
        """
        with self.turn():
            self.expire()
        if self._is_calm():
            return True
        calm = asyncio.get_running_loop().create_future()
        self._waiters.add(calm)
        try:
            await asyncio.wait_for(calm, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(calm)
        return True

    def _is_calm(self) -> bool:
        return not any(feed.listeners for feed in self._busy if feed.queue.dead_letters)

    def _watch(self, instant: datetime | None) -> None:
        """Look again when it may be `instant`."""
        if instant and self._loop and (self._timer_at is None or instant < self._timer_at):
            self._stop_timer()
            wait_s = max(SHORTEST_WAIT_S, (instant - self._now()).total_seconds())
            self._timer = self._loop.call_later(wait_s, self._look)
            self._timer_at = instant

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._timer_at = None

    def _look(self) -> None:
        self._stop_timer()
        with self.turn():
            self.expire()
        self._watch(min((queue.next_end for queue in self._feeds if queue.next_end), default=None))
