"""Service Bus topic triggers: receives batches, runs the function with each, and settles what it was given.

As the real host does: one batch at a time, as large as host.json allows but of what is there at once; messages are
completed when the function returns and all given back when it raises; a listener that fails tries again with the
credentials it was started with, until the host restarts (azure-sdk-for-net, ServiceBusListener.cs; Microsoft Learn,
"Azure Service Bus bindings for Azure Functions").
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from azure.servicebus import ServiceBusReceivedMessage, parse_connection_string
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import MessageLockLostError

from devhost import logs, messages
from devhost.functions import Function, TriggerError
from devhost.settings import HostJson
from devhost.worker import InvocationError, Worker

DEFAULT_CONNECTION = "AzureWebJobsServiceBus"
PROBE_SECONDS = 0.1
"""How long the first wait is. A link that is refused opens all the same, and is closed by the broker right away."""
LOOK_SECONDS = 0.5
"""How long it waits for a message before it looks whether it should stop."""
FURTHER_SECONDS = 0.01
"""How long a batch waits for one message more."""
FURTHER_MESSAGES = 16
"""How many more are asked for at a time: what the broker sends too late of those, the SDK sends back."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


class State(StrEnum):
    """How a trigger stands: `failing` is one that will try again."""

    STARTING = "starting"
    LISTENING = "listening"
    FAILING = "failing"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a trigger's binding, host.json and the app settings say together."""

    topic: str
    subscription: str
    connection_string: str
    most: int
    """How many messages at once; a function that takes single ones still gets them one after the other."""
    many: bool
    binary: bool
    complete: bool
    """Whether the host settles the messages."""

    def __repr__(self) -> str:
        return f"Binding({self.topic}/Subscriptions/{self.subscription})"


def read_binding(
    trigger: Mapping[str, object], host_json: HostJson, settings: Mapping[str, str] = os.environ
) -> Binding:
    """Raises TriggerError where something is missing, or not supported here."""
    topic, subscription = str(trigger.get("topicName") or ""), str(trigger.get("subscriptionName") or "")
    if not topic or not subscription:
        raise TriggerError("devhost runs Service Bus triggers of a topic's subscription only")
    if trigger.get("isSessionsEnabled"):
        raise TriggerError("devhost does not receive sessions")
    many = str(trigger.get("cardinality") or "one").lower() == "many"
    complete = trigger.get("autoCompleteMessages")
    return Binding(
        topic=topic,
        subscription=subscription,
        connection_string=_connection_string(str(trigger.get("connection") or DEFAULT_CONNECTION), settings),
        most=host_json.max_message_batch_size if many else 1,
        many=many,
        binary=str(trigger.get("dataType") or "").lower() == "binary",
        complete=host_json.auto_complete_messages if complete is None else bool(complete),
    )


def _connection_string(setting: str, settings: Mapping[str, str]) -> str:
    by_name = {name.lower(): value for name, value in settings.items()}
    text = by_name.get(setting.lower())
    if not text:
        raise TriggerError(f"there is no setting '{setting}' with a connection string")
    try:
        named = parse_connection_string(text)
    except ValueError:
        raise TriggerError(f"the setting '{setting}' is not a Service Bus connection string") from None
    if named.entity_path:
        raise TriggerError(f"the connection string in '{setting}' names an entity, which the binding does already")
    return text


class Listener:
    """One function and the subscription it is run by."""

    def __init__(self, function: Function, worker: Worker, binding: Binding) -> None:
        self.function = function
        self.state = State.STOPPED
        self._worker = worker
        self._binding = binding
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.state = State.STARTING
        self._task = asyncio.create_task(self._listen(), name=f"listener of {self.function.name}")

    async def stop(self, grace_seconds: float) -> None:
        """Take no more, and let the batch under way finish within the grace time."""
        self._stopping.set()
        if self._task:
            _, unfinished = await asyncio.wait([self._task], timeout=grace_seconds)
            for task in unfinished:
                task.cancel()
        self.state = State.STOPPED

    async def _listen(self) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                await self._receive()
            except Exception as error:  # noqa: BLE001 - whatever the SDK raises, the host and its other functions go on
                if self.state is State.LISTENING:
                    pause_seconds = FIRST_PAUSE_SECONDS
                self.state = State.FAILING
                said = f"{type(error).__name__}: {error}".partition("\n")[0]
                logs.host.error(
                    "Function '%s' does not listen, next try in %g s: %s", self.function.name, pause_seconds, said
                )
                await self._pause(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _receive(self) -> None:
        """Receive until the host stops.

        Looking for the first message alone, and then for what else is there, brings a lone message at once, where the
        SDK would wait for company.
        """
        binding = self._binding
        client = ServiceBusClient.from_connection_string(binding.connection_string, retry_total=0)
        async with (
            client,
            client.get_subscription_receiver(
                binding.topic, binding.subscription, socket_timeout=FURTHER_SECONDS
            ) as receiver,
        ):
            wait_seconds = PROBE_SECONDS
            while not self._stopping.is_set():
                batch = await receiver.receive_messages(1, wait_seconds)
                self.state, wait_seconds = State.LISTENING, LOOK_SECONDS
                if batch:
                    await self._run(receiver, batch + await self._further(receiver, binding.most - 1))

    async def _further(self, receiver: ServiceBusReceiver, most: int) -> list[ServiceBusReceivedMessage]:
        """What else is there at once."""
        further: list[ServiceBusReceivedMessage] = []
        while asked := min(FURTHER_MESSAGES, most - len(further)):
            found = await receiver.receive_messages(asked, FURTHER_SECONDS)
            further += found
            if len(found) < asked:
                break
        return further

    async def _run(self, receiver: ServiceBusReceiver, batch: Sequence[ServiceBusReceivedMessage]) -> None:
        binding = self._binding
        if binding.many:
            data, metadata = messages.of_batch(batch, binary=binding.binary)
        else:
            data, metadata = messages.of_one(batch[0], binary=binding.binary)
        try:
            await self._worker.invoke(self.function, data, metadata)
            settle = receiver.complete_message
        except InvocationError:
            settle = receiver.abandon_message  # the worker logged it
        if binding.complete:
            for message in batch:
                await self._settle(settle, message)

    async def _settle(
        self, settle: Callable[[ServiceBusReceivedMessage], Awaitable[None]], message: ServiceBusReceivedMessage
    ) -> None:
        """One whose lock was lost meanwhile comes again; the listener goes on."""
        try:
            await settle(message)
        except MessageLockLostError as error:
            logs.host.error("Function '%s' took too long over a message: %s", self.function.name, error.message)
