"""What a charger's observations say about the claim it stands under: 721, the session it runs, and 710, its mode.

Only the newest instant of each counts, so that late, repeated and reordered observations change nothing.
Source: observations 710 and 721 of the guide's state reference (6.5.8): 710 = 1 means no vehicle connected.
"""

from datetime import datetime

import msgspec

from shared.storage.authorizations import Authorizations


class EvidenceRecorder:
    def __init__(self, authorizations: Authorizations) -> None:
        self._authorizations = authorizations

    async def vehicle_disconnected(self, charger_id: str, observed_at: datetime) -> None:
        """Observation 710 = 1 of a charger."""
        evidence = (await self._authorizations.read(charger_id)).evidence
        if evidence.disconnected_at is None or observed_at > evidence.disconnected_at:
            newer = msgspec.structs.replace(evidence, disconnected_at=observed_at)
            await self._authorizations.put_evidence(charger_id, newer)

    async def session_running(self, charger_id: str, session_id: str, observed_at: datetime) -> None:
        """Observation 721 of a charger, when it holds an id."""
        evidence = (await self._authorizations.read(charger_id)).evidence
        if evidence.running_at is None or observed_at > evidence.running_at:
            newer = msgspec.structs.replace(evidence, running_session_id=session_id, running_at=observed_at)
            await self._authorizations.put_evidence(charger_id, newer)
