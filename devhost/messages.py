"""Service Bus messages as the worker is handed them: the bodies, and beside them the trigger's metadata.

Names and types are those of the real host: which arrays there are is from azure-sdk-for-net
(ServiceBusTriggerBindingStrategy.cs), how each travels from azure-functions-host (GrpcMessageConversionExtensions.cs).
Texts are collections without their empty entries, so that the array of a property that only some messages have is
shorter than the batch; instants named Utc are written without an offset. The worker reads every array anew for every
message.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType

from devhost.protos import protos

Property = Callable[[ServiceBusReceivedMessage], Any]

_FOREVER = datetime.max.replace(tzinfo=UTC)


def _enqueued(message: ServiceBusReceivedMessage) -> datetime:
    return message.enqueued_time_utc or datetime.min.replace(tzinfo=UTC)


def _expires(message: ServiceBusReceivedMessage) -> datetime:
    return message.expires_at_utc or _FOREVER


def _delivery_count(message: ServiceBusReceivedMessage) -> int:
    """The real host counts the delivery under way, AMQP only those before."""
    return (message.delivery_count or 0) + 1


def _application_properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    found = message.application_properties or {}
    return {_plain(name): _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _without_offset(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat()


TEXTS: Mapping[str, Property] = {
    "DeadLetterSource": lambda message: message.dead_letter_source,
    "LockToken": lambda message: message.lock_token,
    "MessageId": lambda message: message.message_id,
    "ContentType": lambda message: message.content_type,
    "ReplyTo": lambda message: message.reply_to,
    "To": lambda message: message.to,
    "Subject": lambda message: message.subject,
    "Label": lambda message: message.subject,
    "CorrelationId": lambda message: message.correlation_id,
    "SessionId": lambda message: message.session_id,
    "ReplyToSessionId": lambda message: message.reply_to_session_id,
    "PartitionKey": lambda message: message.partition_key,
    "TransactionPartitionKey": lambda message: message.partition_key,
}
VALUES: Mapping[str, Property] = {
    "DeliveryCount": _delivery_count,
    "ExpiresAtUtc": lambda message: _without_offset(_expires(message)),
    "ExpiresAt": lambda message: _expires(message).isoformat(),
    "EnqueuedTimeUtc": lambda message: _without_offset(_enqueued(message)),
    "EnqueuedTime": lambda message: _enqueued(message).isoformat(),
    "ApplicationProperties": _application_properties,
    "UserProperties": _application_properties,
}


def of_batch(messages: Sequence[ServiceBusReceivedMessage], *, binary: bool) -> tuple[Any, dict[str, Any]]:
    """The `TypedData` of a batch and its metadata; `binary` bodies are handed on as bytes, others as text."""
    bodies = [body_of(message) for message in messages]
    data = (
        protos.TypedData(collection_bytes=protos.CollectionBytes(bytes=bodies))
        if binary
        else protos.TypedData(collection_string=protos.CollectionString(string=map(_text, bodies)))
    )
    numbers = protos.CollectionSInt64(sint64=[message.sequence_number or 0 for message in messages])
    metadata = {"SequenceNumberArray": protos.TypedData(collection_sint64=numbers)}
    metadata |= {f"{name}Array": _texts(map(found, messages)) for name, found in TEXTS.items()}
    metadata |= {f"{name}Array": _json([found(message) for message in messages]) for name, found in VALUES.items()}
    return data, metadata


def of_one(message: ServiceBusReceivedMessage, *, binary: bool) -> tuple[Any, dict[str, Any]]:
    """The same for a function that is given one message at a time."""
    body = body_of(message)
    data = protos.TypedData(bytes=body) if binary else protos.TypedData(string=_text(body))
    texts = {name: found(message) for name, found in TEXTS.items()}
    metadata = {name: protos.TypedData(string=str(text)) for name, text in texts.items() if text}
    metadata |= {name: _json(found(message)) for name, found in VALUES.items()}
    metadata["SequenceNumber"] = _json(message.sequence_number or 0)
    return data, metadata


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The body as one run of bytes; a text in UTF-8, and any other AMQP value as Python writes it."""
    body = message.body
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(body)
    return body if isinstance(body, bytes) else str(body).encode()


def _text(body: bytes) -> str:
    return body.decode(errors="replace")


def _texts(values: Iterable[Any]) -> Any:
    return protos.TypedData(collection_string=protos.CollectionString(string=[str(value) for value in values if value]))


def _json(value: Any) -> Any:
    return protos.TypedData(json=json.dumps(value, default=str))
