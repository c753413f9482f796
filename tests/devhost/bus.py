"""The simulator's Service Bus broker, for hosts under test."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.servicebus.broker import Broker, Counts

PATIENCE_SECONDS = 20.0


class Bus:
    """A Service Bus with one topic, in a thread of its own, so that a test may wait for a host that talks to it."""

    TOPIC, SUBSCRIPTION = "installation_1", "default"
    KEY = "the-key-of-the-topic"

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        """By how much the broker's time is ahead of the system's."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.broker = Broker(lambda: datetime.now(UTC) + self.ahead)
        self._run(self.broker.start())
        self.open_topic(self.TOPIC, self.KEY)

    def _run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    def ask[T](self, work: Callable[[Broker], T]) -> T:
        """What the broker says, asked in its own thread."""

        async def asked() -> T:
            return work(self.broker)

        return self._run(asked())

    def open_topic(self, topic: str, key: str) -> None:
        def open_topic(broker: Broker) -> None:
            broker.add_topic(topic, self.SUBSCRIPTION)
            broker.set_key(topic, "reader", key)

        self.ask(open_topic)

    def connection_string(self, key: str = KEY) -> str:
        address = f"Endpoint=sb://127.0.0.1:{self.broker.port};SharedAccessKeyName=reader"
        return f"{address};SharedAccessKey={key};UseDevelopmentEmulator=true;"

    def publish(self, *bodies: bytes, topic: str = TOPIC) -> None:
        self.ask(lambda broker: broker.publish(topic, bodies))

    def counts(self, topic: str = TOPIC) -> Counts:
        return self.ask(lambda broker: broker.counts(topic, self.SUBSCRIPTION))

    def settle(self) -> Counts:
        """How it stands once everything published has been taken and settled by whoever listens."""
        assert self._run(self.broker.settled(PATIENCE_SECONDS)), f"not settled: {self.counts()}"
        return self.counts()

    def restart(self) -> None:
        """Break all connections, and listen again."""
        self._run(self.broker.close())
        self._run(self.broker.start())

    def close(self) -> None:
        self._run(self.broker.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
