"""What a charger's observations say about the claim it stands under: 721, the session it runs, and 710, its mode.

Only the newest instant of each counts, so that late, repeated and reordered observations change nothing.
Source: observations 710 and 721 of the guide's state reference (6.5.8): 710 = 1 means no vehicle connected.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from shared.errors import Conflict
from shared.storage.authorizations import Authorizations, Evidence, Standing


class EvidenceRecorder:
    def __init__(self, authorizations: Authorizations) -> None:
        self._authorizations = authorizations

    async def vehicle_disconnected(self, charger_id: str, observed_at: datetime) -> Standing:
        """Observation 710 = 1 of a charger; what it stood under then."""

        def newer(known: Evidence) -> Evidence | None:
            if known.disconnected_at and known.disconnected_at >= observed_at:
                return None
            return msgspec.structs.replace(known, disconnected_at=observed_at)

        return await self._update(charger_id, newer)

    async def session_running(self, charger_id: str, session_id: str, observed_at: datetime) -> None:
        """Observation 721 of a charger, when it holds an id."""

        def newer(known: Evidence) -> Evidence | None:
            if known.running_at and known.running_at >= observed_at:
                return None
            return msgspec.structs.replace(known, running_session_id=session_id, running_at=observed_at)

        await self._update(charger_id, newer)

    async def _update(self, charger_id: str, newer: Callable[[Evidence], Evidence | None]) -> Standing:
        while True:
            standing = await self._authorizations.read(charger_id)
            evidence = newer(standing.evidence)
            if evidence is None:
                return standing
            try:
                await self._authorizations.put_evidence(charger_id, evidence, standing)
            except Conflict:
                continue
            return standing
