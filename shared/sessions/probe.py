"""Before a claim is replayed: does ZapCloud show that it was used up?

ZapCloud has a session from the moment our answer reached it, so one it has was not lost. And a charger whose operation
mode changed after the claim has another car at it, or the same one again; without a card that may be another driver.
"""

import asyncio

from shared import telemetry
from shared.errors import ZapCloudError
from shared.sessions.claim import is_tokenless
from shared.storage.authorizations import Claim
from shared.zapcloud.client import ZapCloud

_PATIENCE_SECONDS = 2.0


class ZapCloudProbe:
    def __init__(self, zapcloud: ZapCloud) -> None:
        self._zapcloud = zapcloud

    async def shows_used(self, claim: Claim) -> bool | None:
        """None where ZapCloud cannot be asked, or not in time: then what we know ourselves decides."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._zapcloud.session(claim.session_id) is not None or await self._is_elsewhere(claim)
        except (ZapCloudError, TimeoutError) as error:
            telemetry.event("claim.not_probed", sessionId=claim.session_id, reason=str(error) or "no answer in time")
            return None

    async def shows_ended(self, session_id: str) -> bool:
        """Whether ZapCloud says that a session is over; False where it cannot be asked."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                report = await self._zapcloud.session(session_id)
        except (ZapCloudError, TimeoutError) as error:
            telemetry.event("session.not_probed", sessionId=session_id, reason=str(error) or "no answer in time")
            return False
        return report is not None and report.end is not None

    async def _is_elsewhere(self, claim: Claim) -> bool:
        """Whether the car that a claim without a card was given to need not be the one at the charger now."""
        if not is_tokenless(claim.request_key):
            return False
        since = await self._zapcloud.operation_mode_since(claim.charger_id)
        return since is not None and since > claim.at
