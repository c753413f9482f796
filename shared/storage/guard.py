"""Azure's limits on entities and transactions, enforced before anything is sent.

Azurite takes what Azure refuses (hundreds of properties, names that are no identifiers, a slash in a key), so that
without this a green test could hide a row that production rejects.

Source: "Understanding the Table service data model" and "Performing entity group transactions", Azure Storage REST
reference.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.errors import LimitExceeded

MAX_PROPERTIES = 252
"""Besides PartitionKey, RowKey and Timestamp."""
MAX_STRING_CHARACTERS = 32 * 1024
"""UTF-16 code units, which is how Azure counts its 64 KiB."""
MAX_BINARY_BYTES = 64 * 1024
MAX_KEY_CHARACTERS = 512
"""UTF-16 code units, 1 KiB."""
MAX_ENTITY_BYTES = 1024 * 1024
MAX_TRANSACTION_ROWS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024

_KEYS = ("PartitionKey", "RowKey")
_KEPT_BY_AZURE = "Timestamp"
_FORBIDDEN_IN_KEY = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)

type Entity = Mapping[str, Any]


def check_key(name: str, value: object) -> None:
    """Raise LimitExceeded unless `value` may be a PartitionKey or RowKey."""
    if not isinstance(value, str):
        raise LimitExceeded(f"{name} must be a string, not {type(value).__name__}")
    if _utf16_units(name, value) > MAX_KEY_CHARACTERS:
        raise LimitExceeded(f"{name} is longer than 1 KiB; use a digest of it instead")
    if _FORBIDDEN_IN_KEY.search(value):
        raise LimitExceeded(f"{name} contains / \\ # ? or a control character")


def check_entity(entity: Entity) -> int:
    """Raise LimitExceeded unless Azure would take the entity; returns its size in bytes as Azure counts it."""
    for name in _KEYS:
        check_key(name, entity.get(name))
    properties = {name: value for name, value in entity.items() if name not in _KEYS}
    if len(properties) > MAX_PROPERTIES:
        raise LimitExceeded(f"an entity may have {MAX_PROPERTIES} properties, this one has {len(properties)}")
    size = 4 + sum(2 * _utf16_units(name, entity[name]) for name in _KEYS)
    for name, value in properties.items():
        if name == _KEPT_BY_AZURE:
            raise LimitExceeded("Timestamp is Azure's own property; use another name")
        if not _IDENTIFIER.fullmatch(name):
            raise LimitExceeded(f"property name {name!r} is not an identifier of up to 255 characters")
        size += 8 + 2 * len(name) + _value_bytes(name, value)
    if size > MAX_ENTITY_BYTES:
        raise LimitExceeded(f"an entity may have 1 MiB, this one has {size} bytes")
    return size


def check_transaction(entities: Sequence[Entity]) -> None:
    """Raise LimitExceeded unless the entities fit one transaction: one partition, no row twice, 100 rows, 4 MiB."""
    if not 0 < len(entities) <= MAX_TRANSACTION_ROWS:
        raise LimitExceeded(f"a transaction takes 1 to {MAX_TRANSACTION_ROWS} rows, not {len(entities)}")
    if sum(check_entity(entity) for entity in entities) > MAX_TRANSACTION_BYTES:
        raise LimitExceeded("a transaction may have 4 MiB; split it")
    if len({entity["PartitionKey"] for entity in entities}) > 1:
        raise LimitExceeded("a transaction must stay in one partition")
    if len({entity["RowKey"] for entity in entities}) < len(entities):
        raise LimitExceeded("a transaction may touch each row only once")


def _utf16_units(name: str, text: str) -> int:
    try:
        return len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise LimitExceeded(f"{name} holds half of a surrogate pair, which cannot be sent") from None


def _value_bytes(name: str, value: object) -> int:
    match value:
        case bool():
            return 1
        case str():
            units = _utf16_units(name, value)
            if units > MAX_STRING_CHARACTERS:
                raise LimitExceeded(f"{name} is longer than {MAX_STRING_CHARACTERS} characters; split it over rows")
            return 4 + 2 * units
        case bytes():
            if len(value) > MAX_BINARY_BYTES:
                raise LimitExceeded(f"{name} is longer than {MAX_BINARY_BYTES} bytes; split it over rows")
            return 4 + len(value)
        case int():
            if not -(2**63) <= value < 2**63:
                raise LimitExceeded(f"{name} does not fit 64 bits")
            return 8
        case float():
            if not math.isfinite(value):
                raise LimitExceeded(f"{name} is not a finite number")
            return 8
        case datetime():
            if value.tzinfo is None or not _EARLIEST <= value <= _LATEST:
                raise LimitExceeded(f"{name} must be an aware instant between 1601 and 9999, in UTC")
            return 8
        case _:
            raise LimitExceeded(f"{name} is of type {type(value).__name__}, which a table cannot hold")
