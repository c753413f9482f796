"""Table `Quarantine`: what came in and could not be understood, kept byte by byte until somebody has looked at it."""

import base64
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Row, Tables

_BODY_PARTITION = "body"
_SHAPE_PARTITION = "shape"
_CHUNK_BYTES = 60 * 1024
MAX_KEPT_BYTES = 14 * _CHUNK_BYTES
_COUNT_LIMIT = 1000
_LAST_DAY = 99999999
"""Days are counted down from here in the keys, so that the newest stand first."""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`kind` is the door it came through, `reason` why it was not understood; `size_bytes` counts the whole body."""

    id: str
    at: datetime
    kind: str
    reason: str
    size_bytes: int


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The form of a body nobody had seen before: its keys, the kinds of value under them, and a masked sample."""

    at: datetime
    kind: str
    shape: str
    sample: str


class Quarantine:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Quarantine"]

    async def keep(self, kind: str, reason: str, body: bytes, at: datetime) -> str:
        """Store a body; the same body at the same door again on the same day is the same row. Returns its id."""
        digest = hashlib.sha256(kind.encode() + b"\0" + body).hexdigest()[:32]
        identity = f"{_LAST_DAY - int(f'{at:%Y%m%d}')}-{digest}"
        item = Quarantined(id=identity, at=at, kind=kind, reason=reason[:1000], size_bytes=len(body))
        kept = body[:MAX_KEPT_BYTES]
        chunks = {
            f"body{number:02}": kept[start : start + _CHUNK_BYTES]
            for number, start in enumerate(range(0, len(kept), _CHUNK_BYTES))
        }
        await self._table.insert(_BODY_PARTITION, identity, to_properties(item) | chunks)
        return identity

    async def newest(self) -> list[Quarantined]:
        """Up to a thousand items, newest first (of more than that on one day, any thousand)."""
        rows = await self._table.partition(_BODY_PARTITION, limit=_COUNT_LIMIT)
        return sorted((_item(row) for row in rows), key=lambda item: item.at, reverse=True)

    async def body(self, identity: str) -> bytes | None:
        row = await self._table.get(_BODY_PARTITION, identity)
        if row is None:
            return None
        return b"".join(value for name, value in sorted(row.properties.items()) if name.startswith("body"))

    async def record_shape(self, shape: Shape) -> bool:
        """True if nobody had recorded this shape yet."""
        digest = hashlib.sha256(f"{shape.kind}\0{shape.shape}".encode()).digest()
        key = base64.b32encode(digest[:20]).decode().lower()
        return await self._table.insert(_SHAPE_PARTITION, key, to_properties(shape))

    async def shapes(self) -> list[Shape]:
        return [from_properties(Shape, row.properties) for row in await self._table.partition(_SHAPE_PARTITION)]


def _item(row: Row) -> Quarantined:
    properties: dict[str, Any] = {name: row.properties[name] for name in ("id", "at", "kind", "reason", "sizeBytes")}
    return from_properties(Quarantined, properties)
