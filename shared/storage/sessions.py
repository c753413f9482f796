"""Table `Sessions`: one partition per session id, one row per fact anybody ever stated about it.

Facts are only added. The same fact stated again is the same row, so that lost answers, retries and two instances
change nothing, and what a session is follows from the set of its facts alone. Row `first` fixes, once, the instant the
session is listed under.
"""

import base64
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from shared.errors import Conflict
from shared.storage.table import Change, Row, Tables

_FIRST = "first"
_ERASED_AS = "erasedAs"
_FACT_PREFIX = "fact-"
_CHUNK_CHARACTERS = 16 * 1024
"""Of which each may take two UTF-16 units; a property holds 32 Ki of those."""
_encoder = msgspec.json.Encoder(order="deterministic")


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What `source` stated about a session: an `event` and its `data` (JSON), first heard `at`.

    `stored_as` is the key of its row where that does not follow from it: a fact from whose data a person was erased
    keeps its place, and stated again it is not new.
    """

    at: datetime
    source: str
    event: str
    data: dict[str, Any]
    stored_as: str = ""

    @property
    def key(self) -> str:
        if self.stored_as:
            return self.stored_as
        digest = hashlib.sha256(_encoder.encode([self.source, self.event, self.data])).digest()
        return _FACT_PREFIX + base64.b32encode(digest[:20]).decode().lower()


class SessionRecord(msgspec.Struct, frozen=True):
    """All facts about a session, and the instant it is listed under (None where nothing was ever stored)."""

    facts: tuple[Fact, ...]
    listed_at: datetime | None


class Sessions:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Sessions"]

    async def read(self, session_id: str) -> SessionRecord:
        rows = await self._table.partition(session_id)
        facts = sorted((_fact(row) for row in rows if row.key != _FIRST), key=lambda fact: (fact.at, fact.key))
        listed = next((row.properties["listedAt"] for row in rows if row.key == _FIRST), None)
        return SessionRecord(tuple(facts), listed)

    async def ids(self, after: str, limit: int) -> list[str]:
        """Ids of up to `limit` sessions in order, after the id `after` ("" for the first ones)."""
        rows = await self._table.scan(key=_FIRST, beyond=after, limit=limit)
        return [row.partition for row in rows]

    async def page(self, after: tuple[str, str] | None, limit: int) -> list[tuple[str, str, Fact | None, str | None]]:
        """Up to `limit` rows in order, after the row `after`: session id, row key, the fact, or where the row is the
        session's first the pseudonym of whoever was erased from it."""
        rows = await self._table.scan(after=after, limit=limit)
        return [
            (row.partition, row.key, None, row.properties.get(_ERASED_AS))
            if row.key == _FIRST
            else (row.partition, row.key, _fact(row), None)
            for row in rows
        ]

    async def erased_as(self, session_id: str) -> str | None:
        """The pseudonym of whoever was erased from the session, None where nobody was."""
        row = await self._table.get(session_id, _FIRST)
        return row.properties.get(_ERASED_AS) if row else None

    async def mark_erased(self, session_id: str, pseudonym: str) -> None:
        """Note that facts which come later tell nothing of a person either."""
        await self._table.transact([Change("merge", session_id, _FIRST, {_ERASED_AS: pseudonym})])

    async def restate(self, session_id: str, fact: Fact) -> None:
        """Put a fact, from which a person was erased, in the place of what it stated before."""
        await self._table.upsert(session_id, fact.key, _properties(fact))

    async def add(self, session_id: str, fact: Fact, listed_at: datetime) -> bool:
        """Store a fact; True if the session was new, and is listed under `listed_at` from now on."""
        first = Change("insert", session_id, _FIRST, {"listedAt": listed_at})
        statement = Change("insert", session_id, fact.key, _properties(fact))
        try:
            await self._table.transact([first, statement])
        except Conflict:
            await self._table.insert(session_id, fact.key, statement.properties)
            return False
        return True


def _properties(fact: Fact) -> dict[str, Any]:
    text = _encoder.encode(fact.data).decode()
    chunks = [text[start : start + _CHUNK_CHARACTERS] for start in range(0, len(text), _CHUNK_CHARACTERS)]
    return {"at": fact.at, "source": fact.source, "event": fact.event} | {
        f"data{number:02}": chunk for number, chunk in enumerate(chunks)
    }


def _fact(row: Row) -> Fact:
    chunks = [value for name, value in sorted(row.properties.items()) if name.startswith("data")]
    fact = Fact(
        at=row.properties["at"],
        source=row.properties["source"],
        event=row.properties["event"],
        data=msgspec.json.decode("".join(chunks)),
    )
    return fact if fact.key == row.key else msgspec.structs.replace(fact, stored_as=row.key)
