"""Table `Decisions`: per installation, the starts that were refused, each card nobody knows with its last sight, and
what a charger observed that a web hook should soon be heard of."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from itertools import batched

import msgspec

from shared.errors import Conflict
from shared.storage.codec import from_properties, to_properties
from shared.storage.guard import MAX_TRANSACTION_ROWS
from shared.storage.session_index import instant_key
from shared.storage.table import Change, Tables

_REFUSED_PREFIX = "refused-"
_SEEN_PREFIX = "seen-"
_EXPECTED_PREFIX = "expected-"


class Refusal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    at: datetime
    charger_id: str
    token_id: str
    reason: str


class SeenToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A card that is not registered: its normalized number, and where and when it was last shown."""

    token_id: str
    token: str
    charger_id: str
    last_seen: datetime


class Expectation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a charger observed at `at`, and by `due` a web hook should have been heard that goes with it; observed and
    heard of again before that, it is another one, and looked at likewise.

    `kind` is "start" (a car asks to charge), "token" (a card was scanned: `token_id`) or "session" (`session_id` runs).
    """

    kind: str
    charger_id: str
    at: datetime
    due: datetime
    token_id: str | None = None
    session_id: str | None = None

    @property
    def key(self) -> str:
        return f"{_EXPECTED_PREFIX}{instant_key(self.due)}-{self.charger_id}-{self.kind}"


class Decisions:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Decisions"]

    async def refused(self, installation_id: str, refusal: Refusal, seen: SeenToken | None) -> None:
        """Record a refusal, and the unknown card it was about if it was one, in a single transaction."""
        key = f"{_REFUSED_PREFIX}{instant_key(refusal.at)}-{secrets.token_hex(4)}"
        changes = [Change("insert", installation_id, key, to_properties(refusal))]
        if seen:
            changes.append(Change("upsert", installation_id, _SEEN_PREFIX + seen.token_id, to_properties(seen)))
        await self._table.transact(changes)

    async def seen(self, installation_id: str, seen: SeenToken) -> None:
        await self._table.upsert(installation_id, _SEEN_PREFIX + seen.token_id, to_properties(seen))

    async def refusals(self, installation_id: str, since: datetime, limit: int) -> list[Refusal]:
        rows = await self._table.partition(
            installation_id,
            after=_REFUSED_PREFIX + instant_key(since),
            before=_REFUSED_PREFIX + "~",
            limit=limit,
        )
        return [from_properties(Refusal, row.properties) for row in rows]

    async def seen_tokens(self, installation_id: str) -> list[SeenToken]:
        rows = await self._table.partition(installation_id, after=_SEEN_PREFIX, before=_SEEN_PREFIX + "~")
        return [from_properties(SeenToken, row.properties) for row in rows]

    async def expect(self, installation_id: str, expectation: Expectation) -> None:
        """Note it down; the same one again is the same row."""
        await self._table.upsert(installation_id, expectation.key, to_properties(expectation))

    async def due_expectations(self, installation_id: str, now: datetime, limit: int) -> list[Expectation]:
        """Those that are due, the oldest first."""
        rows = await self._table.partition(
            installation_id, after=_EXPECTED_PREFIX, before=_EXPECTED_PREFIX + instant_key(now), limit=limit
        )
        return [from_properties(Expectation, row.properties) for row in rows]

    async def forget(self, installation_id: str, expectations: Sequence[Expectation]) -> None:
        """A hundred in one transaction; one by one where another instance forgot some of them meanwhile."""
        for some in batched(expectations, MAX_TRANSACTION_ROWS, strict=False):
            try:
                await self._table.transact([Change("delete", installation_id, one.key) for one in some])
            except Conflict:
                for one in some:
                    await self._table.delete(installation_id, one.key)
