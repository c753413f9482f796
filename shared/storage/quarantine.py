"""Table `Quarantine`: what came in and could not be understood, kept byte by byte until somebody has looked at it."""

import base64
import contextlib
import hashlib
from datetime import UTC, datetime, timedelta

import msgspec

from shared.errors import Conflict
from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Change, Tables

_BODY_PARTITION = "body"
_SHAPE_PARTITION = "shape"
_CHUNK_BYTES = 60 * 1024
MAX_KEPT_BYTES = 14 * _CHUNK_BYTES
_COUNT_LIMIT = 1000
_BODY_PREFIX = "body-"
_ITEM_PREFIX = "item-"
_ITEM_KEY = "itemKey"
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class Quarantined(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`kind` is the door it came through, `reason` why it was not understood; `size_bytes` counts the whole body.

    `installations` are those that whoever brought it may speak for, "*" for all.
    """

    id: str
    at: datetime
    kind: str
    reason: str
    size_bytes: int
    installations: tuple[str, ...] = ("*",)

    @property
    def key(self) -> str:
        return f"{_ITEM_PREFIX}{_newest_first(self.at)}-{self.id}"


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The form of a body nobody had seen before: its keys, the kinds of value under them, and a masked sample."""

    at: datetime
    kind: str
    shape: str
    sample: str


class Quarantine:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Quarantine"]

    async def keep(
        self, kind: str, reason: str, body: bytes, at: datetime, installations: tuple[str, ...] = ("*",)
    ) -> str:
        """Store a body; the same body by the same door and caller again is the same item. Returns its id."""
        caller = "\0".join((kind, *sorted(installations))).encode()
        identity = hashlib.sha256(caller + b"\0" + body).hexdigest()[:32]
        item = Quarantined(
            id=identity, at=at, kind=kind, reason=reason[:1000], size_bytes=len(body), installations=installations
        )
        kept = body[:MAX_KEPT_BYTES]
        chunks = {
            f"body{number:02}": kept[start : start + _CHUNK_BYTES]
            for number, start in enumerate(range(0, len(kept), _CHUNK_BYTES))
        }
        properties = to_properties(item)
        with contextlib.suppress(Conflict):  # it is there already
            await self._table.transact(
                [
                    Change("insert", _BODY_PARTITION, _BODY_PREFIX + identity, {_ITEM_KEY: item.key} | chunks),
                    Change("insert", _BODY_PARTITION, item.key, properties),
                ]
            )
        return identity

    async def newest(self) -> list[Quarantined]:
        """Up to a thousand items, newest first, without their bodies."""
        rows = await self._table.partition(
            _BODY_PARTITION, after=_ITEM_PREFIX, before=_ITEM_PREFIX + "~", limit=_COUNT_LIMIT
        )
        return [from_properties(Quarantined, row.properties) for row in rows]

    async def item(self, identity: str) -> Quarantined | None:
        body = await self._table.get(_BODY_PARTITION, _BODY_PREFIX + identity)
        row = await self._table.get(_BODY_PARTITION, body.properties[_ITEM_KEY]) if body else None
        return from_properties(Quarantined, row.properties) if row else None

    async def remove(self, item: Quarantined) -> None:
        """Take an item and its body out; Conflict if somebody did so before."""
        await self._table.transact(
            [
                Change("delete", _BODY_PARTITION, _BODY_PREFIX + item.id),
                Change("delete", _BODY_PARTITION, item.key),
            ]
        )

    async def empty(self, item: Quarantined) -> None:
        """Take an item's body out for good: the same body again is the same item, and stays without. Conflict if
        somebody took the item out before."""
        await self._table.transact([Change("replace", _BODY_PARTITION, _BODY_PREFIX + item.id, {_ITEM_KEY: item.key})])

    async def body(self, identity: str) -> bytes | None:
        row = await self._table.get(_BODY_PARTITION, _BODY_PREFIX + identity)
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


def _newest_first(instant: datetime) -> str:
    """An instant as text that sorts backwards in time."""
    return f"{(_END_OF_TIME - instant) // timedelta(microseconds=1):018}"
