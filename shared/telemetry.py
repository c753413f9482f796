"""Events: one line of JSON each, with a name that alerts and queries stand on.

In Azure the worker sends every log record to Application Insights as a trace; host.json excludes traces from sampling.
Card numbers, secrets and personal data never go in: a token is named by its id (an HMAC), a driver not at all.
"""

import json
import logging
from datetime import UTC, datetime

logger = logging.getLogger("zapbridge")
logger.setLevel(logging.INFO)

type Field = str | int | float | bool | datetime | None


def event(name: str, *, level: int = logging.INFO, **fields: Field) -> None:
    """Log the event `name` with its fields; None fields are left out, instants are written as RFC 3339 in UTC."""
    present = {key: value for key, value in fields.items() if value is not None}
    logger.log(level, json.dumps({"event": name, **present}, default=_encode))


def warning(name: str, **fields: Field) -> None:
    """An event that somebody may have to act on."""
    event(name, level=logging.WARNING, **fields)


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"an event's field cannot be a {type(value).__name__}")
