"""Who may attach to what: clients put tokens at `$cbs`, and attach to entities their tokens cover."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import cast

from proton import Link, Message, Receiver, Sender, int32, symbol

from simulator.servicebus import addresses, cbs, conditions, management
from simulator.servicebus.addresses import Address
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.connection import Connection, LinkEnd, detach
from simulator.servicebus.content import Content
from simulator.servicebus.dispatcher import Dispatcher
from simulator.servicebus.links import Consumer, Producer
from simulator.servicebus.queues import Queue
from simulator.servicebus.requests import Answers, Handler, Requests
from simulator.servicebus.topics import Namespace, Topic

CBS = "$cbs"
ACCEPTED, BAD_REQUEST = 202, 400


class Gate:
    """Opens clients' links. Tokens expire in real time, in which clients make them, whatever `now` says."""

    def __init__(self, namespace: Namespace, dispatcher: Dispatcher, now: Callable[[], datetime]) -> None:
        self._namespace = namespace
        self._dispatcher = dispatcher
        self._now = now

    def attach(self, connection: Connection, link: Link) -> LinkEnd | None:
        """Open a link that a client has attached; or detach it, and answer with nothing.

        One that is refused is opened without source and target, and closed at once (AMQP 1.0, part 2, section 2.6.3).
        The Python SDK sees that when it first receives or sends.
        """
        try:
            end = self._end(connection, link)
        except RefusedError as refused:
            link.open()
            detach(link, refused)
            return None
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        link.open()
        return end

    def _end(self, connection: Connection, link: Link) -> LinkEnd:
        address = (link.remote_source if link.is_sender else link.remote_target).address or ""
        if addresses.path_of(address) == CBS:
            return _node(connection, link, CBS, lambda request: self._put_token(connection, request))
        named = addresses.parse(address)
        topic = self._topic(connection, named)
        if isinstance(link, Receiver) and not named.management:
            return Producer(link, connection, topic, self._now)
        queue = self._namespace.queue(named)
        if isinstance(link, Sender) and not named.management:
            return Consumer(link, connection, topic, self._dispatcher.feed(queue))
        return _node(connection, link, addresses.path_of(address), lambda request: _manage(queue, request))

    def _topic(self, connection: Connection, named: Address) -> Topic:
        """The topic of an address that the client may use."""
        topic = self._namespace.topic(named.topic)
        if topic is None:
            raise RefusedError(conditions.NOT_FOUND, f"The messaging entity {named.topic} could not be found.")
        now_s = time.time()
        if not any(claim.covers(named.path, topic.key, now_s) for claim in connection.claims.values()):
            raise RefusedError(conditions.UNAUTHORIZED, f"Unauthorized access: no valid token for {named.path}.")
        return topic

    def _put_token(self, connection: Connection, request: Message) -> Message:
        """Take a token; one for a topic that does not exist gives nothing, as attaching will show.

        The type that is given does not count: the Python SDK calls its shared access signatures `jwt`.
        """
        audience = _text(request, "name")
        topic = self._namespace.topic(addresses.parse(audience).topic)
        if _text(request, "operation") != "put-token":
            return _status(BAD_REQUEST, "Only put-token is known.")
        if topic:
            try:
                claim = cbs.check(str(request.body), audience, topic.key, time.time())
            except RefusedError as refused:
                return _status(conditions.STATUS[refused.condition], refused.description)
            connection.claims[claim.path] = claim
        return _status(ACCEPTED, "Accepted")


def _node(connection: Connection, link: Link, node: str, handler: Handler) -> LinkEnd:
    if isinstance(link, Sender):
        return Answers(link, connection, node)
    return Requests(cast("Receiver", link), connection, node, handler)


def _status(code: int, description: str) -> Message:
    return Message(properties={"status-code": int32(code), "status-description": description})


def _manage(queue: Queue[Content], request: Message) -> Message:
    fields = request.body if isinstance(request.body, dict) else {}
    answer = management.answer(queue, _text(request, "operation"), fields)
    properties = {"statusCode": int32(answer.status), "statusDescription": answer.description}
    if answer.condition:
        properties["errorCondition"] = symbol(answer.condition)
    return Message(dict(answer.fields), properties=properties)


def _text(request: Message, name: str) -> str:
    """An application property of a request; empty if it is not there."""
    properties: Mapping[str, object] = request.properties or {}
    return str(properties.get(name, ""))
