"""The session-end web hook: a report of a session's figures, kept whatever it says, any number of times.

ZapCloud repeats it until it is accepted (guide 6.5.8, "Session end"), so it is acknowledged only when it is stored.
"""

from collections.abc import Mapping
from typing import Any

from shared import telemetry
from shared.errors import Conflict, InvalidInput, NotFound
from shared.security.principal import Principal
from shared.sessions.intake import Intake
from shared.sessions.ledger import Ledger
from shared.sessions.view import SessionView, Source
from shared.storage.authorizations import Authorizations
from shared.storage.tokens import Tokens
from shared.zapcloud.hooks import EndReport, json_object, read_end

_KIND = "session-end"


class EndHook:
    def __init__(self, tokens: Tokens, authorizations: Authorizations, ledger: Ledger, intake: Intake) -> None:
        self._tokens = tokens
        self._authorizations = authorizations
        self._ledger = ledger
        self._intake = intake

    async def accept(self, principal: Principal, body: bytes) -> None:
        """Raises InvalidInput (the body is in quarantine then), NotFound, or StorageUnavailable (nothing is lost:
        ZapCloud asks again).
        """
        try:
            content = json_object(body)
            report = read_end(content)
        except InvalidInput as error:
            reason = "; ".join(f"{field} {fault}" for field, fault in error.fields.items()) or str(error)
            await self._intake.quarantine(_KIND, reason, body, principal)
            raise
        await self._take(principal, report)
        await self._intake.note_shape(_KIND, content)

    async def replay(self, principal: Principal, body: bytes) -> None:
        """A report that was quarantined, tried again; raises InvalidInput where it still cannot be understood, and
        NotFound like `accept`.
        """
        await self._take(principal, read_end(json_object(body)))

    async def _take(self, principal: Principal, report: EndReport) -> None:
        known = await self._ledger.view(report.session_id)
        if known and known.installation_id and not principal.may_speak_for(known.installation_id):
            telemetry.warning("end.wrong_installation", credential=principal.name, sessionId=report.session_id)
            raise NotFound("no such session at this credential's installations")
        installation_id = known.installation_id if known else None
        await self.record(report, Source.END_HOOK, installation_id or principal.only_installation)

    async def record(
        self,
        report: EndReport,
        source: Source,
        installation_id: str | None,
        known: Mapping[str, Any] | None = None,
    ) -> SessionView:
        """Store figures from the hook, ZapCloud's API or the charger, and free the charger and the token they end."""
        view = await self._ledger.ended(report, source, installation_id, known)
        if view.charger_id:
            await self._release_charger(view.charger_id, view.session_id)
        if view.limited and view.token_id:
            await self._release_token(view.token_id, view.session_id)
        telemetry.event(
            "session.ended",
            sessionId=view.session_id,
            installationId=view.installation_id,
            chargerId=view.charger_id,
            energyKwh=view.energy_kwh,
            source=source,
            startKnown=view.start_known,
            contradicted=view.contradicted,
        )
        return view

    async def _release_charger(self, charger_id: str, session_id: str) -> None:
        while True:
            standing = await self._authorizations.read(charger_id)
            if standing.claim is None or standing.claim.session_id != session_id:
                return
            try:
                await self._authorizations.release(standing)
            except Conflict:
                continue
            return

    async def _release_token(self, token_id: str, session_id: str) -> None:
        stored = await self._tokens.get(token_id)
        if stored and session_id in stored.open_sessions:
            rest = tuple(session for session in stored.open_sessions if session != session_id)
            await self._tokens.set_open_sessions(stored, rest)
