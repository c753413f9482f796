"""Draws the entries of the session index again from the sessions' facts: after a restore, and after an upgrade."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from shared.clock import EPOCH
from shared.sessions.ledger import Ledger
from shared.storage.authorizations import Authorizations
from shared.storage.session_index import SessionIndex
from shared.storage.sessions import Sessions

_PIECE = 100
_LISTED_AT_A_TIME = 1000
_AT_ONCE = 8


class Redrawing:
    def __init__(self, sessions: Sessions, index: SessionIndex, authorizations: Authorizations, ledger: Ledger) -> None:
        self._sessions = sessions
        self._index = index
        self._authorizations = authorizations
        self._ledger = ledger

    async def piece(self, after: str) -> str | None:
        """Draw the entries of the next sessions in order of their ids; returns the last one's id, None after all."""
        found = await self._sessions.ids(after, _PIECE)
        await _for_each(found, self._ledger.project)
        return found[-1] if found else None

    async def all(self, advance: Callable[[int], None]) -> None:
        """Every entry, where nothing is listed yet; `advance` is told how many were done. A claim whose session was not
        read any more before the backup ended is written down first, as the sweep would have done."""
        for claim in await self._authorizations.claims_since(EPOCH):
            if (await self._sessions.read(claim.session_id)).listed_at is None:
                await self._ledger.authorized(claim)
        reached = ""
        while found := await self._sessions.ids(reached, _LISTED_AT_A_TIME):
            entries = await _for_each(found, self._ledger.entry)
            await self._index.put_new([entry for entry in entries if entry])
            reached = found[-1]
            advance(len(found))


async def _for_each[T](session_ids: Iterable[str], do: Callable[[str], Awaitable[T]]) -> list[T]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(session_id: str) -> T:
        async with slots:
            return await do(session_id)

    return await asyncio.gather(*(one(session_id) for session_id in session_ids))
