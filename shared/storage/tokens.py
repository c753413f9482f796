"""Table `Tokens`: the RFID cards (and app tokens) that somebody registered, under their opaque ids."""

from datetime import datetime

import msgspec

from shared.errors import Conflict
from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Change, Row, Tables

_OPEN_SESSIONS = "openSessions"


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
    """A token, the sessions it was last known to hold open, and the ETag of its row."""

    token: Token
    open_sessions: tuple[str, ...]
    etag: str


class Tokens:
    """Partitioned by the first two digits of the id, which spreads imports and lists over 256 partitions."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables["Tokens"]

    async def get(self, token_id: str) -> StoredToken | None:
        row = await self._table.get(token_id[:2], token_id)
        return _stored(row) if row else None

    async def put(self, token: Token) -> None:
        """Register or replace; a token that is replaced forgets which sessions it holds, which lets it charge."""
        await self._table.upsert(token.id[:2], token.id, to_properties(token))

    async def delete(self, token_id: str) -> None:
        await self._table.delete(token_id[:2], token_id)

    async def page(self, after: str, limit: int) -> list[Token]:
        """Up to `limit` tokens in order of their ids, after the id `after` ("" for the first page)."""
        rows = await self._table.page((after[:2], after) if after else None, limit)
        return [from_properties(Token, row.properties) for row in rows]

    async def set_open_sessions(self, stored: StoredToken, sessions: tuple[str, ...]) -> bool:
        """False where the token changed since it was read, and nothing was written."""
        text = msgspec.json.encode(sessions).decode()
        token_id = stored.token.id
        try:
            await self._table.transact(
                [Change("merge", token_id[:2], token_id, {_OPEN_SESSIONS: text}, etag=stored.etag)]
            )
        except Conflict:
            return False
        return True


def _stored(row: Row) -> StoredToken:
    sessions = msgspec.json.decode(row.properties.get(_OPEN_SESSIONS, "[]"), type=tuple[str, ...])
    return StoredToken(from_properties(Token, row.properties), sessions, row.etag)
