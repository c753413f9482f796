"""Looks at the signed meter values of sessions that are over, and keeps what it finds as a fact of the session.

What is found depends on the document and the key alone, so that looking again, in whatever order, finds the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared import telemetry
from shared.clock import Clock
from shared.observations.reader import ChargerReader
from shared.sessions.ledger import Ledger
from shared.sessions.view import Event, SessionView
from shared.storage.chargers import Chargers

_PUBLIC_KEY = 981
_KNOWN_FOR = timedelta(hours=1)


class MeterKeys:
    """The chargers' public keys: as configured, by charger id or serial, or else as the charger says (981)."""

    def __init__(self, clock: Clock, configured: Mapping[str, str], chargers: Chargers, reader: ChargerReader) -> None:
        self._clock = clock
        self._configured = {name.lower(): key for name, key in configured.items()}
        self._chargers = chargers
        self._reader = reader
        self._known: dict[str, tuple[datetime, str | None, str | None]] = {}

    async def of(self, charger_id: str) -> tuple[str | None, str | None]:
        """The charger's serial and its public key, each None where it is not known."""
        now = self._clock()
        known = self._known.get(charger_id)
        if known is None or now - known[0] >= _KNOWN_FOR:
            charger = await self._chargers.get(charger_id)
            serial = charger.device_id if charger else None
            configured = self._configured.get(charger_id) or self._configured.get((serial or "").lower())
            key = configured or await self._observed(charger_id, charger.installation_id if charger else None)
            known = self._known[charger_id] = now, serial or None, key
        return known[1], known[2]

    async def _observed(self, charger_id: str, installation_id: str | None) -> str | None:
        states = await self._reader.now(charger_id, installation_id)
        observation = states.observations.get(_PUBLIC_KEY) if states else None
        return observation.value if observation else None


class MeterValues:
    def __init__(self, keys: MeterKeys, ledger: Ledger) -> None:
        self._keys = keys
        self._ledger = ledger

    async def look_at(self, view: SessionView) -> None:
        """Assess the session's document, if this was not done with the same key. One without a signature is only looked
        at where the charger's key is known, by which it should have been signed."""
        from shared.billing.ocmf import digest_of, has_signature
        from shared.billing.signed import Verdict, assess

        document = view.signed_session
        if document is None:
            return
        serial, key = await self._keys.of(view.charger_id) if view.charger_id else (None, None)
        if not key and not has_signature(document):
            return
        found = assess(document, session_id=view.session_id, device_id=serial, public_key=key)
        counts = found.verdict is Verdict.VALID and bool(found.same_session) and found.energy_kwh is not None
        data: dict[str, Any] = {
            "document": digest_of(document),
            "verdict": found.verdict,
            "counts": counts,
            "energyKwh": None if found.energy_kwh is None else float(found.energy_kwh),
            "findings": list(found.findings) or None,
            "key": found.key_fingerprint,
        }
        stated = {name: value for name, value in data.items() if value is not None}
        if any(fact.event == Event.ASSESSED and fact.data == stated for fact in view.timeline):
            return
        await self._ledger.assessed(view.session_id, stated)
        if found.verdict is Verdict.INVALID:
            telemetry.warning(
                "session.signature_invalid",
                sessionId=view.session_id,
                installationId=view.installation_id,
                chargerId=view.charger_id,
            )
