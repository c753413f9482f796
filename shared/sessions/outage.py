"""While storage is down: who is let in, under which session id, and how the log is put right afterwards.

A session id given without storage is a UUIDv5 of a secret, the charger, the token and a ten-minute bucket, so that two
instances that cannot see each other give the same one. What was given is kept in memory and said in one log event; it
is written to storage as soon as that answers, or recognised from its id when the process died before it could.
"""

import hashlib
import hmac
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from shared import telemetry
from shared.access.verdict import judge
from shared.behind import Behind
from shared.clock import EPOCH, Clock
from shared.errors import Conflict
from shared.identifiers import new_session_id
from shared.sessions.claim import REPLAY_WINDOW, token_key
from shared.sessions.ledger import Ledger, is_over
from shared.sessions.request import StartRequest
from shared.storage.authorizations import Authorizations, Claim
from shared.storage.decisions import Decisions, SeenToken
from shared.storage.installations import OutagePolicy
from shared.storage.tokens import Tokens

_BUCKET = timedelta(minutes=10)
_UNCHECKED = "unchecked"


class _Given(msgspec.Struct, frozen=True):
    claim: Claim
    token: str


class Outage:
    def __init__(
        self,
        clock: Clock,
        identity_key: str,
        default_policy: OutagePolicy,
        policies: Mapping[str, OutagePolicy],
        tokens: Tokens,
        authorizations: Authorizations,
        decisions: Decisions,
        ledger: Ledger,
        behind: Behind,
    ) -> None:
        self._clock = clock
        self._namespace = _namespace(identity_key)
        self._default_policy = default_policy
        self._policies = policies
        self._tokens = tokens
        self._authorizations = authorizations
        self._decisions = decisions
        self._ledger = ledger
        self._behind = behind
        self._given: dict[str, _Given] = {}
        self._writing = False
        self._written: set[str] = set()

    def policy(self, request: StartRequest) -> OutagePolicy:
        """The installation's own as last read, else what the settings say of it or of all."""
        if request.installation:
            return request.installation.outage_policy
        return self._policies.get(request.installation_id or "", self._default_policy)

    def allow(self, request: StartRequest) -> str | None:
        """The session id a driver with a card is let in under; None where the policy or the request forbids it."""
        if not (request.token and request.token_id and request.charger_id and request.installation_id):
            return None
        if self.policy(request) is not OutagePolicy.ALLOW_AND_MARK:
            return None
        now = self._clock()
        session_id = self._answered_before(request.charger_id, request.token_id, now) or outage_session_id(
            self._namespace, request.charger_id, request.token_id, now
        )
        if session_id in self._written:  # a second outage within the bucket: this is another session
            session_id = new_session_id()
        if session_id not in self._given:
            claim = Claim(
                session_id=session_id,
                installation_id=request.installation_id,
                charger_id=request.charger_id,
                request_key=token_key(request.token_id),
                at=now,
                mode=request.mode,
                verdict=_UNCHECKED,
                token_id=request.token_id,
                outage=True,
            )
            self._given[session_id] = _Given(claim, request.token)
            telemetry.warning(
                "outage.allowed",
                sessionId=session_id,
                installationId=claim.installation_id,
                chargerId=claim.charger_id,
                tokenId=claim.token_id,
                at=now,
            )
        return session_id

    def write_down_soon(self) -> None:
        """Now that storage answers, store what is left, behind the caller's back."""
        if self._given and not self._writing:
            self._writing = True
            self._behind.run("outage", self._write_all_down())

    async def _write_all_down(self) -> None:
        try:
            await self.write_down()
        finally:
            self._writing = False

    async def write_down(self, charger_id: str | None = None) -> None:
        """Store what was given during an outage, at one charger or all; twice at once does no harm.

        Raises StorageUnavailable, and keeps the rest, if it is not over.
        """
        for given in sorted(self._given.values(), key=lambda given: given.claim.at):
            if charger_id not in {None, given.claim.charger_id}:
                continue
            claim = await self._judged(given)
            await self._put_in_place(claim)
            await self._ledger.authorized(claim)
            await self._ledger.project(claim.session_id)
            self._given.pop(claim.session_id, None)
            self._written.add(claim.session_id)
            telemetry.event("outage.written_down", sessionId=claim.session_id, chargerId=claim.charger_id)

    def recognise(
        self, session_id: str, around: datetime, charger_ids: Iterable[str], token_ids: Iterable[str]
    ) -> tuple[str, str] | None:
        """The charger and token id an outage session was given to, found by trying; None if it is none of these."""
        known_tokens = tuple(token_ids)
        instants = (around, around - _BUCKET, around + _BUCKET)
        return next(
            (
                (charger_id, token_id)
                for charger_id in charger_ids
                for token_id in known_tokens
                for instant in instants
                if outage_session_id(self._namespace, charger_id, token_id, instant) == session_id
            ),
            None,
        )

    async def _judged(self, given: _Given) -> Claim:
        """The claim with its driver, and the verdict enforce would have given; an unknown card is noted as seen."""
        claim = given.claim
        stored = await self._tokens.get(claim.token_id or "")
        token = stored.token if stored else None
        if token is None:
            seen = SeenToken(
                token_id=claim.token_id or "", token=given.token, charger_id=claim.charger_id, last_seen=claim.at
            )
            await self._decisions.seen(claim.installation_id, seen)
        verdict = judge(token, claim.installation_id, claim.charger_id, claim.at)
        driver = stored.token.driver if stored and stored.was_its_drivers(claim.at) else None
        return msgspec.structs.replace(claim, verdict=verdict, driver=driver)

    async def _put_in_place(self, claim: Claim) -> None:
        """Make it the charger's claim, unless its session is over or a later claim was given since."""
        while not is_over(await self._ledger.view(claim.session_id)):
            standing = await self._authorizations.read(claim.charger_id)
            old = standing.claim
            if old and old.session_id == claim.session_id:
                return
            if old and old.at > claim.at:
                await self._ledger.superseded(claim, old)
                return
            if old:
                await self._ledger.superseded(old, claim)
            try:
                await self._authorizations.take(claim, standing)
            except Conflict:
                continue
            return

    def _answered_before(self, charger_id: str, token_id: str, now: datetime) -> str | None:
        """The id this very request got moments ago, if the bucket has changed since."""
        for session_id, given in self._given.items():
            claim = given.claim
            if (claim.charger_id, claim.token_id) == (charger_id, token_id) and now - claim.at < REPLAY_WINDOW:
                return session_id
        return None


def outage_session_id(namespace: uuid.UUID, charger_id: str, token_id: str, instant: datetime) -> str:
    bucket = (instant - EPOCH) // _BUCKET
    return str(uuid.uuid5(namespace, f"{charger_id}|{token_id}|{bucket}"))


def _namespace(identity_key: str) -> uuid.UUID:
    """A secret namespace, so that nobody else can compute an id."""
    return uuid.UUID(bytes=hmac.new(identity_key.encode(), b"outage-sessions", hashlib.sha256).digest()[:16])
