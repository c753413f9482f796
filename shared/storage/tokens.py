"""Table `Tokens`: the RFID cards (and app tokens) that somebody registered, under their opaque ids.

A token knows from when on it is its driver's, where another driver had it before. So that this holds as well for a card
that was deleted and registered again, `shared/storage/former.py` keeps whose it was.
"""

from datetime import datetime

import msgspec

from shared.clock import Clock
from shared.errors import Conflict
from shared.privacy.identity import driver_id
from shared.storage.codec import from_properties, to_properties
from shared.storage.former import Former, FormerHolders
from shared.storage.table import Change, Row, Tables

_OPEN_SESSIONS = "openSessions"
_DRIVER_SINCE = "driverSince"


class Token(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`token` is the normalized card number, `id` its HMAC; empty `installations` and `chargers` mean everywhere."""

    id: str
    token: str
    driver: str | None = None
    label: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    blocked: bool = False
    installations: tuple[str, ...] = ()
    chargers: tuple[str, ...] = ()
    max_concurrent: int | None = None


class StoredToken(msgspec.Struct, frozen=True):
    """A token, the sessions it was last known to hold open, and the ETag of its row; `driver_since` is the instant from
    which it is its driver's, None where no other driver is known to have had it before."""

    token: Token
    open_sessions: tuple[str, ...]
    etag: str
    driver_since: datetime | None = None

    def was_its_drivers(self, instant: datetime | None) -> bool:
        """Whether the driver had the token then already; None is an instant that nobody knows for sure."""
        return self.driver_since is None or (instant is not None and instant >= self.driver_since)


class Tokens:
    """Partitioned by the first two digits of the id, which spreads imports and lists over 256 partitions."""

    def __init__(self, clock: Clock, identity_key: str, tables: Tables) -> None:
        self._clock = clock
        self._identity_key = identity_key
        self._table = tables["Tokens"]
        self._former = FormerHolders(tables)

    async def get(self, token_id: str) -> StoredToken | None:
        row = await self._table.get(token_id[:2], token_id)
        return _stored(row) if row else None

    async def put(self, token: Token) -> None:
        """Register or replace; a token that is replaced forgets which sessions it holds, which lets it charge."""
        partition, key = token.id[:2], token.id
        while True:
            row = await self._table.get(partition, key)
            last = await self._last_holder(token.id, row)
            properties = to_properties(token)
            if last and not token.driver:
                await self._former.put(token.id, last)
            elif last and token.driver and (since := self._since(token.driver, last)):
                properties[_DRIVER_SINCE] = since
            if await self._done(Change("replace" if row else "insert", partition, key, properties, row and row.etag)):
                break
        if token.driver and last:
            await self._former.delete(token.id, last)

    async def delete(self, token_id: str) -> None:
        """Gone afterwards, but for a mark of whose it was."""
        while row := await self._table.get(token_id[:2], token_id):
            if last := await self._last_holder(token_id, row):
                await self._former.put(token_id, last)
            if await self._done(Change("delete", token_id[:2], token_id, etag=row.etag)):
                return

    async def page(self, after: str, limit: int) -> list[Token]:
        """Up to `limit` tokens in order of their ids, after the id `after` ("" for the first page)."""
        rows = await self._table.page((after[:2], after) if after else None, limit)
        return [from_properties(Token, row.properties) for row in rows]

    async def set_open_sessions(self, stored: StoredToken, sessions: tuple[str, ...]) -> bool:
        """False where the token changed since it was read, and nothing was written."""
        text = msgspec.json.encode(sessions).decode()
        token_id = stored.token.id
        return await self._done(Change("merge", token_id[:2], token_id, {_OPEN_SESSIONS: text}, etag=stored.etag))

    async def _last_holder(self, token_id: str, row: Row | None) -> Former | None:
        """Who has the token, or else had it last."""
        driver = row.properties.get("driver") if row else None
        if row is None or not driver:
            return await self._former.of(token_id)
        return Former(holder=driver_id(self._identity_key, driver), since=row.properties.get(_DRIVER_SINCE))

    def _since(self, driver: str, last: Former) -> datetime | None:
        return last.since if last.holder == driver_id(self._identity_key, driver) else self._clock()

    async def _done(self, change: Change) -> bool:
        """False, and nothing written, where the row changed since it was read."""
        try:
            await self._table.transact([change])
        except Conflict:
            return False
        return True


def _stored(row: Row) -> StoredToken:
    sessions = msgspec.json.decode(row.properties.get(_OPEN_SESSIONS, "[]"), type=tuple[str, ...])
    return StoredToken(from_properties(Token, row.properties), sessions, row.etag, row.properties.get(_DRIVER_SINCE))
