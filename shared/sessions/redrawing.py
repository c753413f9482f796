"""Draws the entries of the session index again from the sessions' facts: after a restore, and after an upgrade."""

import asyncio
from collections.abc import Callable

from shared.clock import EPOCH
from shared.sessions.ledger import Ledger
from shared.storage.authorizations import Authorizations
from shared.storage.sessions import Sessions

_PIECE = 100
_AT_ONCE = 8


class Redrawing:
    def __init__(self, sessions: Sessions, authorizations: Authorizations, ledger: Ledger) -> None:
        self._sessions = sessions
        self._authorizations = authorizations
        self._ledger = ledger

    async def piece(self, after: str) -> str | None:
        """Draw the entries of the next sessions in order of their ids; returns the last one's id, None after all."""
        found = await self._sessions.ids(after, _PIECE)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def draw(session_id: str) -> None:
            async with slots:
                await self._ledger.project(session_id)

        await asyncio.gather(*(draw(session_id) for session_id in found))
        return found[-1] if found else None

    async def all(self, advance: Callable[[int], None]) -> None:
        """Every entry; `advance` is told of each hundred sessions or so. A claim whose session was not read any more
        before the backup ended is written down first, as the sweep would have done."""
        for claim in await self._authorizations.claims_since(EPOCH):
            if (await self._sessions.read(claim.session_id)).listed_at is None:
                await self._ledger.authorized(claim)
        reached: str | None = ""
        while reached is not None:
            reached = await self.piece(reached)
            advance(_PIECE)
