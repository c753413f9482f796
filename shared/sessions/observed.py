"""What a charger's observations say of its sessions: it asks to charge, a card was scanned, it charges, the cable is
out, a session is over.

Each statement may come late, twice and in any order. Facts are added once, evidence only moves forward, and what a web
hook should have been heard of is noted down for `shared/sessions/lockout.py` to look at in a minute.
"""

from datetime import datetime, timedelta

from shared import telemetry
from shared.clock import Clock
from shared.errors import InvalidInput
from shared.identifiers import canonical_uuid
from shared.sessions.attribution import Attribution
from shared.sessions.end import EndHook
from shared.sessions.evidence import EvidenceRecorder
from shared.sessions.ledger import Ledger
from shared.sessions.view import Event, Source
from shared.storage.authorizations import Authorizations, Claim, Standing
from shared.storage.decisions import Decisions, Expectation
from shared.storage.installations import Installations
from shared.zapcloud.completed import read_completed
from shared.zapcloud.hooks import EndReport

PATIENCE = timedelta(minutes=1)
"""How long after an observation its web hook may be heard."""
_NO_SESSION = "00000000-0000-0000-0000-000000000000"
_TOO_OLD = timedelta(minutes=15)
_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""A charger's clock and ours may differ by so much."""


class ObservedSessions:
    def __init__(
        self,
        clock: Clock,
        attribution: Attribution,
        authorizations: Authorizations,
        decisions: Decisions,
        installations: Installations,
        ledger: Ledger,
        end_hook: EndHook,
    ) -> None:
        self._clock = clock
        self._attribution = attribution
        self._authorizations = authorizations
        self._evidence = EvidenceRecorder(authorizations)
        self._decisions = decisions
        self._installations = installations
        self._ledger = ledger
        self._end_hook = end_hook

    async def charge_requested(self, installation_id: str, charger_id: str, at: datetime) -> None:
        """A vehicle is connected and asks to charge (710 = 2)."""
        await self._expect(installation_id, "start", charger_id, self._by_our_clock(at))

    async def token_scanned(self, installation_id: str, charger_id: str, token: str, at: datetime) -> None:
        """A card was held against the charger (722)."""
        if (identity := self._attribution.token_id(token)) is not None:
            await self._expect(installation_id, "token", charger_id, self._by_our_clock(at), token=identity)

    async def session_running(self, installation_id: str, charger_id: str, session: str, at: datetime) -> None:
        """The charger runs a session (721)."""
        session_id = canonical_uuid(session)
        if session_id is not None and session_id != _NO_SESSION:
            at = self._by_our_clock(at)
            await self._evidence.session_running(charger_id, session_id, at)
            await self._expect(installation_id, "session", charger_id, at, session=session_id)

    async def charging(self, charger_id: str, at: datetime) -> None:
        """The vehicle charges (710 = 3)."""
        at = self._by_our_clock(at)
        standing = await self._authorizations.read(charger_id)
        if claim := _claim_before(standing, at + _CLOCK_DIFFERENCE):
            await self._ledger.observed(claim.session_id, Event.CHARGING, at, claim.at)

    async def vehicle_disconnected(self, charger_id: str, at: datetime) -> None:
        """The cable is out (710 = 1)."""
        at = self._by_our_clock(at)
        standing = await self._evidence.vehicle_disconnected(charger_id, at)
        if claim := _claim_before(standing, at):
            await self._ledger.observed(claim.session_id, Event.DISCONNECTED, at, claim.at)

    async def session_completed(self, installation_id: str | None, charger_id: str, value: str) -> None:
        """A session is over, with its figures and its card (723)."""
        try:
            completed = read_completed(value)
        except InvalidInput as error:
            telemetry.warning("stream.completed_session_unreadable", chargerId=charger_id, reason=str(error))
            return
        if (
            installation_id
            and completed.reliable_clock
            and await self._is_from_before(installation_id, completed.report)
        ):
            return
        identity = self._attribution.token_id(completed.token)
        known: dict[str, str | bool] = {"chargerId": charger_id, "reliableClock": completed.reliable_clock}
        if identity:
            known["tokenId"] = identity
        view = await self._end_hook.record(completed.report, Source.COMPLETED_SESSION, installation_id, known)
        if identity:
            await self._attribution.attribute(view, identity)

    async def _is_from_before(self, installation_id: str, report: EndReport) -> bool:
        """Whether a session ended before we were told of its installation: chargers go on naming their last one."""
        installation = await self._installations.get(installation_id)
        since = installation.since if installation else None
        return since is not None and report.end is not None and report.end < since

    def _by_our_clock(self, at: datetime) -> datetime:
        """What a charger whose clock is a little ahead observed, it did not observe in our future."""
        return min(at, self._clock())

    async def _expect(
        self,
        installation_id: str,
        kind: str,
        charger_id: str,
        at: datetime,
        *,
        token: str | None = None,
        session: str | None = None,
    ) -> None:
        now = self._clock()
        if now - at < _TOO_OLD:
            expectation = Expectation(
                kind=kind, charger_id=charger_id, at=at, due=now + PATIENCE, token_id=token, session_id=session
            )
            await self._decisions.expect(installation_id, expectation)


def _claim_before(standing: Standing, at: datetime) -> Claim | None:
    """The claim that an observation at a charger is about."""
    claim = standing.claim
    return claim if claim and claim.at < at else None
