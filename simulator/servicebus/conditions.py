"""Why the broker refuses something, under the names AMQP 1.0 (part 2, section 2.8) and Service Bus give it.

The names that begin with `com.microsoft:` are those that the SDKs map to exceptions of their own.
"""

from typing import Final

NOT_FOUND: Final = "amqp:not-found"
UNAUTHORIZED: Final = "amqp:unauthorized-access"
NOT_ALLOWED: Final = "amqp:not-allowed"
NOT_IMPLEMENTED: Final = "amqp:not-implemented"
DECODE_ERROR: Final = "amqp:decode-error"
TOO_LARGE: Final = "amqp:link:message-size-exceeded"
ENTITY_DISABLED: Final = "com.microsoft:entity-disabled"
LOCK_LOST: Final = "com.microsoft:message-lock-lost"
MESSAGE_NOT_FOUND: Final = "com.microsoft:message-not-found"
ARGUMENT_ERROR: Final = "com.microsoft:argument-error"

STATUS: Final = {
    ARGUMENT_ERROR: 400,
    UNAUTHORIZED: 401,
    MESSAGE_NOT_FOUND: 404,
    LOCK_LOST: 410,
    NOT_IMPLEMENTED: 501,
}
"""The status code of an answer that refuses a request."""


class RefusedError(Exception):
    """The broker does not do what a client asks for; `condition` is what the client is told."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{description} ({condition})")
        self.condition = condition
        self.description = description
