"""Table `Drivers`: the people who charge, and the erasures of those who asked to be forgotten.

Partition `driver` has a row per driver under an opaque id; partition `erasure` has, under the same id, what it takes to
complete an erasure and to keep the person from coming back; partition `work` says how far retention came.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from shared.errors import Conflict, StorageUnavailable
from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Change, Tables

_DRIVER, _ERASURE, _WORK, _RETENTION = "driver", "erasure", "work", "retention"
_PAGE = 200
_LISTS = ("marks", "texts", "since")
_CHUNK_CHARACTERS = 16 * 1024
"""Of which each may take two UTF-16 units; a property holds 32 Ki of those."""


class Driver(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`driver` is the text that names the person in tokens, grants and sessions, `id` its HMAC; `zaptec_user_id` is
    the person's id in ZapCloud."""

    id: str
    driver: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    groups: tuple[str, ...] = ()
    zaptec_user_id: str | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An erasure under way or done. `marks` are HMACs of what the person is recognised by and stay for good; `texts`
    are names in plain, and are gone once it is done. `since` is from when on a card of `marks` was the person's, where
    it was another's before. A row has room for some fourteen thousand cards, or five thousand that were others'.

    `stage` and `reached` say how far it came, `begun_at` when its present round over all tables began.
    """

    id: str
    pseudonym: str
    erased_at: datetime
    begun_at: datetime
    marks: tuple[str, ...]
    texts: tuple[str, ...] = ()
    since: dict[str, datetime] = {}
    stage: str = ""
    reached: tuple[str, str] | None = None
    tokens: int = 0
    sessions: int = 0
    done_at: datetime | None = None


class StoredErasure(msgspec.Struct, frozen=True):
    erasure: Erasure
    etag: str


class RetentionMark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far the present round of retention came; `round` is the day it is for."""

    round: str = ""
    stage: str = ""
    reached: tuple[str, str] | None = None


class Drivers:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Drivers"]

    async def get(self, driver_id: str) -> Driver | None:
        row = await self._table.get(_DRIVER, driver_id)
        return from_properties(Driver, row.properties) if row else None

    async def put(self, driver: Driver) -> None:
        await self._table.upsert(_DRIVER, driver.id, to_properties(driver))

    async def delete(self, driver_id: str) -> None:
        await self._table.delete(_DRIVER, driver_id)

    async def page(self, after: str, limit: int, group: str = "") -> list[Driver]:
        """Up to `limit` drivers in order of their ids, after the id `after` ("" for the first ones), of a group or
        of all."""
        found: list[Driver] = []
        while len(found) < limit:
            size = max(limit, _PAGE) if group else limit - len(found)
            rows = await self._table.partition(_DRIVER, after=after, limit=size)
            drivers = [from_properties(Driver, row.properties) for row in rows]
            found += [driver for driver in drivers if not group or group in driver.groups]
            if len(rows) < size:
                break
            after = rows[-1].key
        return found[:limit]

    async def erasure(self, driver_id: str) -> StoredErasure | None:
        row = await self._table.get(_ERASURE, driver_id)
        return StoredErasure(_erasure(row.properties), row.etag) if row else None

    async def erasures(self) -> list[Erasure]:
        return [_erasure(row.properties) for row in await self._table.partition(_ERASURE)]

    async def set_erasure(self, erasure: Erasure, etag: str | None) -> StoredErasure | None:
        """None, and nothing written, where another instance changed the row since it was read."""
        kind: Literal["replace", "insert"] = "replace" if etag else "insert"
        try:
            (written,) = await self._table.transact([Change(kind, _ERASURE, erasure.id, _properties(erasure), etag)])
        except Conflict:
            return None
        return StoredErasure(erasure, written or "")

    async def retention(self) -> RetentionMark:
        row = await self._table.get(_WORK, _RETENTION)
        return from_properties(RetentionMark, row.properties) if row else RetentionMark()

    async def set_retention(self, mark: RetentionMark) -> None:
        await self._table.upsert(_WORK, _RETENTION, to_properties(mark))


def _properties(erasure: Erasure) -> dict[str, Any]:
    """Lists that are too long for one property go on in others: marks, marks01, marks02."""
    properties = to_properties(erasure)
    for name in _LISTS:
        text = properties.pop(name)
        for number, start in enumerate(range(0, len(text), _CHUNK_CHARACTERS)):
            properties[f"{name}{number:02}" if number else name] = text[start : start + _CHUNK_CHARACTERS]
    return properties


def _erasure(properties: Mapping[str, Any]) -> Erasure:
    joined = {
        name: "".join(part for key, part in sorted(properties.items()) if key.startswith(name)) for name in _LISTS
    }
    whole: dict[str, Any] = {**properties, **{name: text for name, text in joined.items() if text}}
    if since := joined["since"]:
        whole["since"] = _instants(since)
    return from_properties(Erasure, whole)


def _instants(text: str) -> dict[str, datetime]:
    try:
        return msgspec.json.decode(text, type=dict[str, datetime])
    except msgspec.MsgspecError as error:
        raise StorageUnavailable(f"a stored Erasure cannot be read: {error}") from error
