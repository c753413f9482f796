"""Table `Drivers`, partition `former`: of cards that are nobody's now, whose they were last, told by an opaque mark."""

import contextlib
from datetime import datetime

import msgspec

from shared.errors import Conflict
from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Change, Row, Tables

_FORMER = "former"


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """`holder` is the id of the driver who had the card last, "" where that person was erased since; `since` the
    instant from which the card was theirs, None where nobody is known to have had it before."""

    holder: str
    since: datetime | None = None


class FormerHolders:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Drivers"]

    async def of(self, token_id: str) -> Former | None:
        row = await self._table.get(_FORMER, token_id)
        return from_properties(Former, row.properties) if row else None

    async def put(self, token_id: str, former: Former) -> None:
        await self._table.upsert(_FORMER, token_id, to_properties(former))

    async def forget(self, token_id: str) -> None:
        """There was somebody, and nothing says who: the card is not its next driver's from the beginning."""
        await self.put(token_id, Former(holder=""))

    async def delete(self, token_id: str, former: Former) -> None:
        """The card is somebody's again; whoever had it meanwhile, and left, stays."""
        row = await self._table.get(_FORMER, token_id)
        if row and from_properties(Former, row.properties) == former:
            with contextlib.suppress(Conflict):
                await self._table.transact([Change("delete", _FORMER, token_id, etag=row.etag)])

    async def page(self, after: str, limit: int) -> list[Row]:
        """Up to `limit` rows in order of the cards' ids, after the id `after` ("" for the first ones)."""
        return await self._table.partition(_FORMER, after=after, limit=limit)
