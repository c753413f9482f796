"""A client's connection: what comes over TCP goes through proton's engine, and out as events of the client's links.

Proton keeps the protocol (frames, sessions, credit, settlement; qpid.apache.org/proton), asyncio keeps the socket.
Clients authenticate as ANONYMOUS and put their tokens afterwards, as all Service Bus SDKs do.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from proton import Collector, Condition, Delivery, Event, EventType, Link, Session, Transport, symbol
from proton import Connection as Engine

from simulator.servicebus.cbs import Claim
from simulator.servicebus.conditions import RefusedError

MAX_FRAME_BYTES = 65536


class LinkEnd(Protocol):
    """The broker's end of a link."""

    def on_flow(self) -> None:
        """The client has given or taken credit."""

    def on_delivery(self, delivery: Delivery) -> None:
        """Something of a delivery has arrived: data, an outcome, its settlement."""

    def on_closed(self) -> None:
        """The link is no more."""


class Turns(Protocol):
    """Who acts when a turn ends: when all input there was has been dealt with."""

    def has_output(self, connection: "Connection") -> None:
        """Flush the connection at the end of this turn."""

    def end_turn(self) -> None:
        """All input has been dealt with."""


class Connection(asyncio.Protocol):
    """Opens what the client opens, and hands the events of links to their ends.

    `attach` opens a link that the client has attached and answers with the end of it, or detaches it; `claims` are the
    rights that the client has proven, by their path.
    """

    def __init__(
        self,
        turns: Turns,
        attach: Callable[["Connection", Link], LinkEnd | None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self.claims: dict[str, Claim] = {}
        self._turns = turns
        self._attach = attach
        self._on_lost = on_lost
        self._ends: dict[Link, LinkEnd] = {}
        self._tcp: asyncio.Transport | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._engine = Engine()
        self._engine.container = "simulated-service-bus"
        self._events = Collector()
        self._engine.collect(self._events)
        self._frames = Transport(Transport.SERVER)
        self._frames.max_frame_size = MAX_FRAME_BYTES
        self._frames.sasl().allowed_mechs("ANONYMOUS")
        self._frames.bind(self._engine)

    @property
    def ends(self) -> list[LinkEnd]:
        return list(self._ends.values())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        while data and (capacity := self._frames.capacity()) > 0:
            self._frames.push(data[:capacity])
            data = data[capacity:]
            self._handle_events()
        self._turns.has_output(self)
        self._turns.end_turn()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        self._tcp = None
        if self._heartbeat:
            self._heartbeat.cancel()
        for link in list(self._ends):
            self.forget(link)
        self._frames.unbind()
        self._on_lost(self)
        self._turns.end_turn()

    def has_output(self) -> None:
        self._turns.has_output(self)

    def forget(self, link: Link) -> None:
        """A link is closed: its end is done with."""
        if end := self._ends.pop(link, None):
            end.on_closed()

    def flush(self) -> None:
        """Send what the engine has to say, and a heartbeat if the client wants one now."""
        if self._tcp is None:
            return
        loop = asyncio.get_running_loop()
        heartbeat_at = self._frames.tick(loop.time())
        while (pending := self._frames.pending()) > 0:
            self._tcp.write(self._frames.peek(pending) or b"")
            self._frames.pop(pending)
        if pending < 0:
            self._tcp.close()
        elif heartbeat_at and self._heartbeat is None:
            self._heartbeat = loop.call_at(heartbeat_at, self._beat)

    def abort(self) -> None:
        """Break the connection."""
        if self._tcp:
            self._tcp.abort()

    def _beat(self) -> None:
        self._heartbeat = None
        self.flush()

    def _handle_events(self) -> None:
        while event := self._events.peek():
            match event.context:
                case Delivery() as delivery:
                    if end := self._ends.get(delivery.link):
                        end.on_delivery(delivery)
                case Link() as link:
                    self._handle_link(event.type, link)
                case Session() as session:
                    self._handle_session(event.type, session)
                case Engine() as engine:
                    if event.type is Event.CONNECTION_REMOTE_OPEN:
                        engine.open()
                    elif event.type is Event.CONNECTION_REMOTE_CLOSE:
                        engine.close()
            self._events.pop()

    def _handle_link(self, event: EventType, link: Link) -> None:
        if event is Event.LINK_FLOW:
            if end := self._ends.get(link):
                end.on_flow()
        elif event is Event.LINK_REMOTE_OPEN:
            if end := self._attach(self, link):
                self._ends[link] = end
        elif event is Event.LINK_REMOTE_CLOSE:
            self.forget(link)
            link.close()
        elif event is Event.LINK_REMOTE_DETACH:
            self.forget(link)
            link.detach()

    def _handle_session(self, event: EventType, session: Session) -> None:
        if event is Event.SESSION_REMOTE_OPEN:
            session.open()
        elif event is Event.SESSION_REMOTE_CLOSE:
            for link in [link for link in self._ends if link.session == session]:
                self.forget(link)
            session.close()


def reject(delivery: Delivery, why: RefusedError) -> None:
    """Tell the client that a message, or its settlement, is refused."""
    delivery.local.condition = _condition(why)
    delivery.update(Delivery.REJECTED)


def detach(link: Link, why: RefusedError) -> None:
    """Tell the client that a link is closed, and why."""
    link.condition = _condition(why)
    link.close()


def _condition(why: RefusedError) -> Condition:
    """An error with some information, since the Python SDK never answers the sender of a message if there is none."""
    return Condition(why.condition, why.description, {symbol("simulated"): True})
