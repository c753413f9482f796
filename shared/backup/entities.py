"""Rows of a table as lines of text, with their exact types, and back.

A line is a JSON object as the Table service itself speaks it: a property whose type JSON cannot tell is annotated,
`"count@odata.type": "Edm.Int64", "count": "5"`. The names of an object are sorted, and the trailing zeros of an
instant's fraction of a second left out, so that two rows are the same if and only if their lines are.

Source: Azure Storage REST reference, "Payload format for Table service operations" (annotations and types);
azure-data-tables, `EntityProperty` and `TablesEntityDatetime.tables_service_value` (the text of an instant, which may
have a digit more than Python's).
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from azure.data.tables import EdmType, EntityProperty

_TYPE = "@odata.type"
_KEYS = ("PartitionKey", "RowKey")
_TRAILING_ZEROS = re.compile(r"\.?0+Z$")


def to_line(entity: Mapping[str, Any]) -> bytes:
    """An entity, as the SDK gave it, as a line without its end. The Timestamp, which Azure sets, is not in it."""
    document: dict[str, Any] = {}
    for name, value in entity.items():
        kind, plain = _spelled(value)
        document[name] = plain
        if kind:
            document[name + _TYPE] = kind.value
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def from_line(line: bytes) -> dict[str, Any]:
    """The entity a line tells of, for the SDK to write."""
    document: dict[str, Any] = json.loads(line)
    entity: dict[str, Any] = {}
    for name, value in document.items():
        if not name.endswith(_TYPE):
            kind = document.get(name + _TYPE)
            entity[name] = _typed(value, EdmType(kind)) if kind else value
    return entity


def key_of(line: bytes) -> tuple[str, str]:
    """PartitionKey and RowKey of the row a line tells of."""
    document = json.loads(line)
    return document["PartitionKey"], document["RowKey"]


def lines_of(part: bytes) -> Iterator[bytes]:
    """The lines of a part of a backup, which ends with the end of a line."""
    yield from part.split(b"\n")[:-1]


def _spelled(value: Any) -> tuple[EdmType | None, Any]:
    """The annotation and the JSON value; strings, booleans and 32-bit integers need no annotation."""
    match value:
        case EntityProperty(value=inner, edm_type=EdmType.INT64):
            return EdmType.INT64, str(inner)
        case datetime():
            return EdmType.DATETIME, _instant_text(value)
        case float():
            return EdmType.DOUBLE, value
        case bytes():
            return EdmType.BINARY, base64.b64encode(value).decode()
        case UUID():
            return EdmType.GUID, str(value)
        case str() | bool() | int():
            return None, value
    raise TypeError(f"a property of type {type(value).__name__} cannot be backed up")


def _instant_text(value: datetime) -> str:
    text = getattr(value, "tables_service_value", "")
    if not text:
        text = value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return _TRAILING_ZEROS.sub("Z", text) if "." in text else text


def _typed(value: Any, kind: EdmType) -> EntityProperty:
    match kind:
        case EdmType.INT64:
            return EntityProperty(int(value), kind)
        case EdmType.BINARY:
            return EntityProperty(base64.b64decode(value), kind)
        case _:
            return EntityProperty(value, kind)
