"""Publishes what chargers observe to the topics of those who subscribe to them, and what may go wrong on the way.

Faults are decided per charger. In virtual time all messages of an instant are sent as one batch before the clock moves
on, in real time all of a turn of the event loop. The record of truth is written as messages come to their topics.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import msgspec

from simulator.agenda import Agenda
from simulator.faults import Faults
from simulator.kernel import Kernel, Problem
from simulator.messages import NOBODY, Message, garbage, mangled, write
from simulator.models import Charger, Observation
from simulator.servicebus.broker import TTL, Broker
from simulator.subscriptions import Stream, Subscriptions
from simulator.truth import Count, Truth, record
from simulator.world import World

IMPATIENT_S = 0.1
"""Real seconds for which virtual time waits for consumers that have just taken too long."""
UNKNOWN_IDS = (731, 726, 4711, 99_999, -4242)

type Parcel = tuple[bytes, Message | None]
"""A body, and the message that it is unless it is nobody's."""


class Held:
    """A message that is under way for longer than others."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.arrived = False


class Publisher:
    """Listens to the world; `flush` and `settle` are the moments at which messages leave and have been taken."""

    def __init__(
        self,
        kernel: Kernel,
        world: World,
        faults: Faults,
        subscriptions: Subscriptions,
        broker: Broker,
        agenda: Agenda,
    ) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._subscriptions = subscriptions
        self._broker = broker
        self._agenda = agenda
        self._style = world.random("message style")
        self._pending: dict[tuple[Stream, datetime | None], list[Parcel]] = {}
        self._overtaken: dict[tuple[str, int], Held] = {}
        self._flushing = False
        self._impatient = self._told = False
        self._waited_at = world.now()
        self.truth = Truth()
        world.listeners.append(self.observed)

    def observed(self, charger: Charger, observation: Observation) -> None:
        if not self._subscriptions.of_installation(charger.installation_id):
            return
        message = write(charger, observation, self._world.settings, self._style)
        overtaken = self._overtaken.pop((charger.id, observation.state_id), None)
        if self._faults.active:
            self._accompany(charger, message)
            self._post(charger, message)
        else:
            self._send(message)
        if overtaken:
            self._arrive(overtaken)

    def flush(self) -> None:
        """Put what was published on the topics."""
        self._flushing = False
        pending, self._pending = self._pending, {}
        now = self._world.now()
        for (stream, since), parcels in pending.items():
            enqueued_at = to_millisecond(since or now)
            if not stream.enabled:
                self._count("not_kept", len(parcels))
            elif now - enqueued_at >= TTL:
                self._count("expired", len(parcels))
            else:
                truth = self.truth.stream(stream.owner_id)
                for _, message in parcels:
                    if message:
                        truth.add(message, enqueued_at)
                self._count("published", len(parcels))
            self._broker.publish(stream.topic, [body for body, _ in parcels], enqueued_at=enqueued_at)

    async def settle(self) -> None:
        """Publish, and wait until whoever listens has done with it.

        Consumers that take too long are a problem, which is told once, and are not waited for so long until they have
        caught up.
        """
        self.flush()
        now, every = self._world.now(), timedelta(seconds=self._world.settings.consumers_every_s)
        if not self._subscriptions.streams or now - self._waited_at < every:
            return
        self._waited_at = now
        patience_s = self._world.settings.consumers_within_s
        if await self._broker.settled(IMPATIENT_S if self._impatient else patience_s):
            self._impatient = False
            return
        self._impatient = True
        if not self._told:
            self._told = True
            error = f"messages were not settled within {patience_s:g} s; time goes on without waiting for them"
            self._kernel.problems.append(Problem(self._world.now(), "message consumers", error, ""))

    def _post(self, charger: Charger, message: Message) -> None:
        """Send a message on its way, which may be long or lead nowhere."""
        strikes = partial(self._faults.strikes, subject=charger.id)
        if strikes("message-mangled"):
            self._count("mangled")
            message = msgspec.structs.replace(message, body=mangled(message.body))
        if strikes("message-lost"):
            self._count("lost")
            self.truth.lost.append(record(message, self._world.now()))
            return
        if late := strikes("message-late"):
            self._count("late")
            self._hold(message, late.seconds)
        elif aged := strikes("message-aged"):
            self._count("aged")
            self._send(message, since=self._world.now() - timedelta(seconds=aged.seconds))
        elif reordered := strikes("message-reordered"):
            self._count("reordered")
            self._overtaken[charger.id, message.state_id] = self._hold(message, reordered.seconds)
        else:
            self._send(message)
        if duplicated := strikes("message-duplicated"):
            self._count("duplicated")
            self._hold(message, duplicated.seconds)
        previous = charger.previous.get(message.state_id)
        if previous and (repeated := strikes("message-repeated")):
            self._count("repeated")
            self._hold(write(charger, previous, self._world.settings, self._style), repeated.seconds)

    def _accompany(self, charger: Charger, message: Message) -> None:
        """Messages that come besides those of the charger."""
        strikes = partial(self._faults.strikes, subject=charger.id)
        if strikes("message-garbage"):
            self._count("garbage")
            self._send_body(message.installation_id, garbage(message, self._style))
        if strikes("message-of-nobody"):
            self._count("of_nobody")
            body = message.body.replace(message.charger_id.encode(), NOBODY.encode())
            self._send_body(message.installation_id, body)
        if strikes("message-foreign"):
            stranger = Charger(self._world.new_id("foreign"), "ZAP999999", "Elsewhere", charger.device_type, "0000")
            stranger.installation_id = charger.installation_id
            observation = Observation(message.state_id, self._world.now(), message.value or "")
            self._count("foreign")
            self._send(write(stranger, observation, self._world.settings, self._style))
        if message.state_id not in UNKNOWN_IDS and strikes("message-unknown-id"):
            self._count("unknown_id")
            unknown = self._style.choice(UNKNOWN_IDS)
            self._world.observe(charger, unknown, f"{self._style.random():.3f}")

    def _hold(self, message: Message, seconds: float) -> Held:
        held = Held(message)
        self._agenda.after(seconds, lambda: self._arrive(held))
        return held

    def _arrive(self, held: Held) -> None:
        if not held.arrived:
            held.arrived = True
            self._send(held.message)

    def _send(self, message: Message, *, since: datetime | None = None) -> None:
        for stream in self._subscriptions.of_installation(message.installation_id):
            if self._is_stolen(stream, message):
                self._count("stolen")
                self.truth.stolen.append(record(message, self._world.now(), stream.topic))
            else:
                self._enter(stream, (message.body, message), since)

    def _send_body(self, installation_id: str, body: bytes) -> None:
        for stream in self._subscriptions.of_installation(installation_id):
            self._enter(stream, (body, None))

    def _is_stolen(self, stream: Stream, message: Message) -> bool:
        if stream.thief_takes:
            stream.thief_takes -= 1
            return True
        return bool(self._faults.active) and self._faults.strikes("message-stolen", message.charger_id) is not None

    def _enter(self, stream: Stream, parcel: Parcel, since: datetime | None = None) -> None:
        self._pending.setdefault((stream, since), []).append(parcel)
        if self._kernel.mode == "real" and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _count(self, kind: Count, number: int = 1) -> None:
        self.truth.counts[kind] += number


def to_millisecond(instant: datetime) -> datetime:
    """Service Bus keeps the instant of enqueuing in milliseconds, as the REST API does those of states."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
