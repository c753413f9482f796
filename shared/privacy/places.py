"""Where the tables hold what tells of a person: page by page, which rows do, and what they teach of the person.

The order matters: tokens teach the cards, their former holders and sessions the cards that were deleted since, which
are then looked for in what chargers observed and in what nobody could read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.privacy.foreign import Told, told_in_body, told_in_states
from shared.privacy.identity import marks_in
from shared.privacy.person import Person
from shared.storage.former import FormerHolders
from shared.storage.sessions import Sessions
from shared.storage.table import Tables
from shared.storage.tokens import Tokens

_PAGE = 1000
"""As many rows as Azure gives at once. Were all of them a person's, to erase them would take half a minute."""
_STATES = 200
"""A row may have 60 KiB, and one of a long value 1 MiB."""
_BODIES = 10
"""A quarantined body may have 840 KiB, of which the pieces take half a second to recognise, outside the event loop."""
FORMER = "former"
"""The place of the marks of those who had a card that is nobody's now; a part of table `Drivers`."""
_CARDS = {"Tokens", FORMER}
"""Their rows are cards, each with the one whose it is or was."""
Position = tuple[str, str]


class Held(NamedTuple):
    """A row, and what it holds."""

    partition: str
    key: str
    content: Mapping[str, Any]


class Place(NamedTuple):
    """A table, or a part of one, read up to `size` rows at a time; `told` gives the foreign texts of a row from its key
    and content, where people are told by words in these, not by properties of their own."""

    name: str
    page: Callable[[Position | None], Awaitable[list[Held]]]
    size: int = _PAGE
    told: Callable[[str, Mapping[str, Any]], list[Told]] | None = None

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
            Place("ChargerStates", self._rows("ChargerStates", _STATES), _STATES, told_in_states),
            Place("Quarantine", self._rows("Quarantine", _BODIES), _BODIES, told_in_body),
        )

    async def telling(self, place: Place, person: Person, rows: Sequence[Held]) -> list[Held]:
        """Those of the rows that tell of the person."""
        if place.told:
            return await asyncio.to_thread(_mentioning, self._identity_key, place.told, person, rows)
        return [row for row in rows if person.is_told_of_in(self._identity_key, row.content)]

    async def learnt(self, place: Place, person: Person, rows: Sequence[Held], telling: Sequence[Held]) -> Person:
        """What rows teach of a person, those that tell of them most of all."""
        if place.told:
            return person
        named = [pair for row in telling for pair in marks_in(self._identity_key, row.content).items()]
        texts = {text for mark, text in named if mark in person.marks and text}
        tokens: dict[str, datetime | None] = {}
        if place.name in _CARDS:
            tokens = {row.key: row.content.get("driverSince") or row.content.get("since") for row in telling}
        else:
            for token in {row.content["tokenId"] for row in telling if row.content.get("tokenId")} - person.marks:
                tokens |= await self._if_theirs(token, person)
        since = {token: instant for token, instant in tokens.items() if instant}
        known = person.knowing(marks=tokens, texts=texts, since=since)
        return known.without(_anothers(person, rows, tokens)) if place.name in _CARDS else known

    async def _if_theirs(self, token_id: str, person: Person) -> dict[str, datetime | None]:
        """A card of the person's sessions with the instant it is theirs from; nothing where somebody has it, or another
        had it last."""
        if await self._tokens.get(token_id) is not None:
            return {}
        former = await self._holders.of(token_id)
        if former is None:
            return {token_id: None}
        return {token_id: former.since} if former.holder in person.marks else {}

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


def _mentioning(
    identity_key: str,
    told: Callable[[str, Mapping[str, Any]], list[Told]],
    person: Person,
    rows: Sequence[Held],
) -> list[Held]:
    return [row for row in rows if any(person.is_mentioned_in(identity_key, one) for one in told(row.key, row.content))]


def _anothers(person: Person, rows: Sequence[Held], theirs: Collection[str]) -> set[str]:
    """Cards that were the person's and are another's by now, or were since."""
    return {
        row.key
        for row in rows
        if row.key in person.marks
        and row.key not in theirs
        and (row.content.get("driver") or row.content.get("holder"))
    }
