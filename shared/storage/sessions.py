"""Table `Sessions`: one partition per session id, one row per fact anybody ever stated about it.

Facts are only added. The same fact stated again is the same row, so that lost answers, retries and two instances
change nothing, and what a session is follows from the set of its facts alone. Row `first` fixes, once, the instant the
session is listed under, and says who was erased from it.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

import msgspec

from shared.errors import Conflict
from shared.storage.table import Change, Row, Tables

_FIRST = "first"
_ERASED_AS = "erasedAs"
_NAMELESS = "nameless"
_FACT_PREFIX = "fact-"
_CHUNK_CHARACTERS = 16 * 1024
"""Of which each may take two UTF-16 units; a property holds 32 Ki of those."""
_FACTS_OF_A_TRANSACTION = 3
"""A row may have 1 MiB and a transaction 4, in which the first row has its place, too."""
_MOST_REMEMBERED = 10_000
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


class Head(msgspec.Struct, frozen=True):
    """A session's first row: the instant it is listed under, and the pseudonym of whoever was erased from it.

    `nameless` says that somebody looked again later, and nothing tells of anybody; `etag` changes with each fact that
    is added beside this very head.
    """

    session_id: str
    listed_at: datetime
    erased_as: str | None
    nameless: bool
    etag: str


class SessionRecord(msgspec.Struct, frozen=True):
    """All facts about a session, and its head (None where nothing was ever stored)."""

    facts: tuple[Fact, ...]
    head: Head | None

    @property
    def listed_at(self) -> datetime | None:
        return self.head.listed_at if self.head else None


class Sessions:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Sessions"]
        self._known: set[str] = set()

    async def read(self, session_id: str) -> SessionRecord:
        rows = await self._table.partition(session_id)
        facts = sorted((_fact(row) for row in rows if row.key != _FIRST), key=lambda fact: (fact.at, fact.key))
        head = next((_head(row) for row in rows if row.key == _FIRST), None)
        if head:
            self.remember([session_id])
        return SessionRecord(tuple(facts), head)

    async def head(self, session_id: str) -> Head | None:
        row = await self._table.get(session_id, _FIRST)
        return _head(row) if row else None

    async def heads(self, after: str, limit: int) -> list[Head]:
        """Of up to `limit` sessions in order of their ids, after the id `after` ("" for the first ones)."""
        return [_head(row) for row in await self._table.scan(key=_FIRST, beyond=after, limit=limit)]

    async def ids(self, after: str, limit: int) -> list[str]:
        """Ids of up to `limit` sessions in order, after the id `after` ("" for the first ones)."""
        return [head.session_id for head in await self.heads(after, limit)]

    async def page(self, after: tuple[str, str] | None, limit: int) -> list[tuple[str, str, Fact | None, str | None]]:
        """Up to `limit` rows in order, after the row `after`: session id, row key, the fact, or where the row is the
        session's first the pseudonym of whoever was erased from it."""
        rows = await self._table.page(after, limit)
        return [
            (row.partition, row.key, None, row.properties.get(_ERASED_AS))
            if row.key == _FIRST
            else (row.partition, row.key, _fact(row), None)
            for row in rows
        ]

    async def restate(self, head: Head, facts: Sequence[Fact], erased_as: str | None) -> bool:
        """Put facts, from which a person was erased, in the place of what they stated before; with the pseudonym
        `erased_as` also note that what comes later tells nothing of a person either.

        False, and nothing changed, where the session is no longer as it was when `head` was read.
        """
        if not facts and erased_as in {None, head.erased_as}:
            return True
        changes = [Change("upsert", head.session_id, fact.key, _properties(fact)) for fact in facts]
        try:
            await self._table.transact([_noted(head, erased_as), *changes[:_FACTS_OF_A_TRANSACTION]])
        except Conflict:
            return False
        for more in batched(changes[_FACTS_OF_A_TRANSACTION:], _FACTS_OF_A_TRANSACTION, strict=False):
            await self._table.transact(more)
        return True

    async def mark_nameless(self, session_id: str) -> None:
        """Note that nothing of the session tells of anybody any more, in the index neither."""
        await self._table.transact([Change("merge", session_id, _FIRST, {_NAMELESS: True})])

    async def add(self, session_id: str, fact: Fact, listed_at: datetime) -> bool:
        """Store a fact; True if the session was new, and is listed under `listed_at` from now on."""
        if session_id not in self._known and await self.add_first(session_id, fact, listed_at):
            return True
        await self._table.insert(session_id, fact.key, _properties(fact))
        return False

    async def add_first(self, session_id: str, fact: Fact, listed_at: datetime, erased_as: str | None = None) -> bool:
        """Store the first fact of a session, from which somebody may have been erased already; False, and nothing
        changed, where the session is known."""
        first = Change("insert", session_id, _FIRST, _told(listed_at, erased_as))
        try:
            await self._table.transact([first, Change("insert", session_id, fact.key, _properties(fact))])
        except Conflict:
            return False
        self.remember([session_id])
        return True

    async def add_beside(self, head: Head, fact: Fact, erased_as: str | None) -> bool:
        """Store a fact of a session that is known, and note `erased_as` as `restate` does.

        False, and nothing changed, where the session is no longer as it was when `head` was read.
        """
        note = _noted(head, erased_as)
        try:
            await self._table.transact([note, Change("insert", head.session_id, fact.key, _properties(fact))])
        except Conflict:
            if await self._table.get(head.session_id, fact.key) is None:
                return False
            return await self.restate(head, (), erased_as)
        return True

    def remember(self, known: Iterable[str]) -> None:
        """That these sessions are known: a fact is added to them in one request, since none is ever removed."""
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known.update(known)


def _head(row: Row) -> Head:
    told = row.properties
    return Head(row.partition, told["listedAt"], told.get(_ERASED_AS), told.get(_NAMELESS, False), row.etag)


def _noted(head: Head, erased_as: str | None) -> Change:
    """The head once more, which only holds for whoever read it last."""
    return Change("merge", head.session_id, _FIRST, _told(head.listed_at, erased_as), head.etag)


def _told(listed_at: datetime, erased_as: str | None) -> dict[str, Any]:
    return {"listedAt": listed_at} | ({_ERASED_AS: erased_as} if erased_as else {})


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
