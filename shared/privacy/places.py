"""Where the tables hold what tells of a person: page by page, which rows do, and what they teach of the person.

The order matters: tokens teach the cards, their former holders and sessions the cards that were deleted since, and the
refused and unknown cards their numbers, which are then looked for in what chargers observed and in what nobody could
read.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shared.privacy.identity import marks_in
from shared.privacy.person import Person
from shared.storage.former import FormerHolders
from shared.storage.sessions import Sessions
from shared.storage.table import Tables
from shared.storage.tokens import Tokens

_PAGE = 500
_STATES = 50
"""Each is held against every card of a person, which takes 10 ms at five thousand cards, and nothing else runs then."""
_BODIES = 10
"""A quarantined body may have 840 KiB."""
FORMER = "former"
"""The place of the marks of those who had a card that is nobody's now; a part of table `Drivers`."""
Position = tuple[str, str]


class Held(NamedTuple):
    """A row, and what it holds."""

    partition: str
    key: str
    content: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All the texts of the row, and the bytes of a quarantined body as text."""
        ordered = [value for _, value in sorted(self.content.items())]
        body = b"".join(value for value in ordered if isinstance(value, bytes)).decode(errors="replace")
        pieces = [value for name, value in sorted(self.content.items()) if name.startswith("chunk")]
        return "\n".join([*(value for value in ordered if isinstance(value, str)), "".join(pieces), body])


class Place(NamedTuple):
    """A table, or a part of one, read up to `size` rows at a time; `free` where people are told by words in foreign
    text, not by properties of their own."""

    name: str
    page: Callable[[Position | None], Awaitable[list[Held]]]
    size: int = _PAGE
    free: bool = False

    async def pages(self) -> AsyncIterator[list[Held]]:
        """All of it, page by page."""
        rows = await self.page(None)
        while rows:
            yield rows
            rows = await self.page((rows[-1].partition, rows[-1].key)) if len(rows) == self.size else []


class Places:
    def __init__(self, identity_key: str, tables: Tables, sessions: Sessions, tokens: Tokens) -> None:
        self._identity_key = identity_key
        self._tables = tables
        self._sessions = sessions
        self._tokens = tokens
        self._holders = FormerHolders(tables)
        self.all = (
            Place("Tokens", self._rows("Tokens")),
            Place(FORMER, self._former),
            Place("Authorizations", self._rows("Authorizations")),
            Place("Sessions", self._facts),
            Place("SessionIndex", self._rows("SessionIndex")),
            Place("Decisions", self._rows("Decisions")),
            Place("ChargerStates", self._rows("ChargerStates", _STATES), _STATES, free=True),
            Place("Quarantine", self._rows("Quarantine", _BODIES), _BODIES, free=True),
        )

    def telling(self, place: Place, person: Person, rows: Sequence[Held]) -> list[Held]:
        """Those of the rows that tell of the person."""
        if place.free:
            return [row for row in rows if person.is_mentioned_in(row.text)]
        return [row for row in rows if person.is_named_in(self._identity_key, row.content)]

    async def learnt(self, place: Place, person: Person, rows: Sequence[Held]) -> Person:
        """What rows that tell of a person teach of them."""
        if place.free:
            return person
        texts: set[str] = set()
        marks: set[str] = set()
        cards: set[str] = set()
        tokens: set[str] = set()
        for row in rows:
            named = marks_in(self._identity_key, row.content)
            texts |= {text for mark, text in named.items() if mark in person.marks and text}
            if card := row.content.get("token"):
                cards.add(card)
            if place.name == "Tokens":
                marks.add(row.key)
            elif place.name == FORMER:
                tokens.add(row.key)
            elif token := row.content.get("tokenId"):
                tokens.add(token)
        marks |= {token for token in tokens - person.marks - marks if await self._tokens.get(token) is None}
        return person.knowing(marks=marks, texts=texts, cards=cards)

    def _rows(self, table: str, size: int = _PAGE) -> Callable[[Position | None], Awaitable[list[Held]]]:
        async def page(after: Position | None) -> list[Held]:
            rows = await self._tables[table].page(after, size)
            return [Held(row.partition, row.key, row.properties) for row in rows]

        return page

    async def _former(self, after: Position | None) -> list[Held]:
        rows = await self._holders.page(after[1] if after else "", _PAGE)
        return [Held(row.partition, row.key, row.properties) for row in rows]

    async def _facts(self, after: Position | None) -> list[Held]:
        return [
            Held(session_id, key, fact.data if fact else {"driver": erased_as} if erased_as else {})
            for session_id, key, fact, erased_as in await self._sessions.page(after, _PAGE)
        ]
