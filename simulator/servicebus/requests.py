"""Nodes that answer requests, `$cbs` and `$management`: a client attaches a link for requests and one for answers.

Which request an answer is for is told by its correlation id (OASIS, "AMQP Management 1.0", section 3).
"""

from collections.abc import Callable

from proton import Delivery, Message, MessageException, Receiver, Sender

from simulator.servicebus import conditions
from simulator.servicebus.conditions import RefusedError
from simulator.servicebus.connection import Connection, reject

CREDIT = 100

type Handler = Callable[[Message], Message]
"""Answers a request; correlation id and address are filled in for it."""


class Answers:
    """The link on which a client gets a node's answers. They wait in proton for credit."""

    def __init__(self, link: Sender, connection: Connection, node: str) -> None:
        self.node = node
        self._sender = link
        self._connection = connection

    @property
    def address(self) -> str | None:
        return self._sender.remote_target.address

    def send(self, answer: Message) -> None:
        delivery = self._sender.delivery(self._sender.delivery_tag())
        self._sender.stream(answer.encode())
        self._sender.advance()
        delivery.settle()
        self._connection.has_output()

    def on_flow(self) -> None:
        """Proton has seen to it."""

    def on_delivery(self, delivery: Delivery) -> None:
        """An answer is settled when it is sent."""

    def on_closed(self) -> None:
        """Nothing is kept for it."""


class Requests:
    """The link on which a client sends requests to a node."""

    def __init__(self, link: Receiver, connection: Connection, node: str, handler: Handler) -> None:
        self._receiver = link
        self._connection = connection
        self._node = node
        self._handler = handler
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
            self._answer(encoded)
            delivery.update(Delivery.ACCEPTED)
        except RefusedError as refused:
            reject(delivery, refused)
        delivery.settle()

    def on_closed(self) -> None:
        """Nothing is kept for it."""

    def _answer(self, encoded: bytes) -> None:
        request = Message()
        try:
            request.decode(encoded)
        except MessageException as error:
            raise RefusedError(conditions.DECODE_ERROR, f"The request cannot be read: {error}") from error
        answer = self._handler(request)
        answer.correlation_id = request.id
        if request.reply_to is not None:
            answer.address = request.reply_to
        self._answers_to(request.reply_to).send(answer)

    def _answers_to(self, address: str | None) -> Answers:
        """The client's link for answers: the one the request names, or else the latest it has attached to the node."""
        links = [end for end in self._connection.ends if isinstance(end, Answers) and end.node == self._node]
        named = [link for link in links if link.address == address]
        if not links:
            raise RefusedError(conditions.NOT_ALLOWED, f"No link for answers is attached to {self._node}.")
        return (named or links)[-1]
