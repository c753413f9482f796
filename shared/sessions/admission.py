"""Decides a start request, and makes the decision stick: one claim per charger, one session id per request.

Creating or replacing the charger's claim is the one point of decision. Everything after it is completed by the next
poll, or by the sweep, from the claim alone.
"""

import asyncio
import hashlib
from datetime import datetime, timedelta

import msgspec

from shared import telemetry
from shared.access.verdict import Verdict, judge
from shared.behind import Behind
from shared.clock import Clock
from shared.errors import Conflict, LimitExceeded, StorageUnavailable
from shared.identifiers import new_session_id
from shared.sessions import claim as rules
from shared.sessions.ledger import Ledger, is_over
from shared.sessions.probe import ZapCloudProbe
from shared.sessions.request import StartRequest
from shared.sessions.view import OPEN, SessionView
from shared.storage.authorizations import Authorizations, Claim, Grant, Standing, Waiting
from shared.storage.decisions import Decisions, Refusal, SeenToken
from shared.storage.installations import Mode
from shared.storage.tokens import StoredToken, Tokens

_LONGEST_COUNTED = timedelta(days=1)
_HEARD_EVERY = timedelta(minutes=1)
"""How often it is noted that a charger's polls reach us; see `shared/sessions/lockout.py`."""
_PENDING = "waiting for a card or a grant"


class Answer(msgspec.Struct, frozen=True):
    """A session id: the session may start. None: not (yet), and `message` says why, for ZapCloud's log."""

    session_id: str | None
    message: str = ""


class Admission:
    def __init__(
        self,
        clock: Clock,
        tokens: Tokens,
        authorizations: Authorizations,
        decisions: Decisions,
        ledger: Ledger,
        behind: Behind,
        probe: ZapCloudProbe | None,
    ) -> None:
        self._clock = clock
        self._tokens = tokens
        self._authorizations = authorizations
        self._decisions = decisions
        self._ledger = ledger
        self._behind = behind
        self._probe = probe

    async def decide(self, request: StartRequest) -> Answer:
        """Raises StorageUnavailable where storage does not answer; nothing may then be assumed of the claim."""
        if request.mode is Mode.ENFORCE and not (request.installation and request.charger_known):
            what = "charger" if request.installation else "installation"
            telemetry.warning(
                "start.place_unknown", what=what, installationId=request.installation_id, chargerId=request.charger_id
            )
            return Answer(None, f"unknown {what}")
        if request.token_id:
            return await self._with_card(request, request.token_id)
        return await self._without_card(request)

    async def let_in_without_understanding(self, request: StartRequest, body: bytes) -> Answer:
        """In observe and open mode nobody is locked out because we cannot read a request; the same one is known by its
        body.
        """
        digest = hashlib.sha256(body).hexdigest()
        claim = self._claim(request, rules.token_key(f"unread-{digest}"), "not-understood")
        given = await self._take(claim) if request.charger_id else claim
        if given is claim:
            await self._authorized(claim)
        return Answer(given.session_id)

    async def _with_card(self, request: StartRequest, token_id: str) -> Answer:
        stored = await self._tokens.get(token_id)
        token = stored.token if stored else None
        now = self._clock()
        verdict = judge(token, request.installation_id or "", request.charger_id or "", now)
        held = await self._held_elsewhere(stored, request.charger_id) if verdict is Verdict.ALLOWED and stored else ()
        if token and token.max_concurrent is not None and len(held) >= token.max_concurrent:
            verdict = Verdict.TOO_MANY_SESSIONS
        seen = None
        if verdict is Verdict.UNKNOWN:
            seen = SeenToken(
                token_id=token_id, token=request.token or "", charger_id=request.charger_id or "", last_seen=now
            )
        if request.mode is Mode.ENFORCE and not verdict.lets_in:
            return await self._refuse(request, token_id, verdict, seen)
        if seen and request.installation_id:
            await self._decisions.seen(request.installation_id, seen)
        limited = token is not None and token.max_concurrent is not None
        claim = self._claim(
            request, rules.token_key(token_id), verdict, token_id, token.driver if token else None, limited
        )
        given = await self._take(claim)
        if given is claim:
            await asyncio.gather(self._authorized(claim), self._hold(stored, held, claim))
        return Answer(given.session_id)

    async def _without_card(self, request: StartRequest) -> Answer:
        charger_id = request.charger_id or ""
        while True:
            standing = await self._authorizations.read(charger_id)
            now = self._clock()
            granted = rules.usable_grant(standing, now)
            old = standing.claim
            newer_grant = granted is not None and old is not None and granted[0].created_at > old.at
            if old and not newer_grant and await self._is_same_request(old, rules.NO_CARD_KEY, standing):
                return Answer(old.session_id)
            if granted is None and (message := await self._wait(request, standing)):
                return Answer(None, message)
            if granted:
                key, verdict, driver = rules.grant_key(granted[0].id), Verdict.GRANTED, granted[0].driver
            else:
                key, verdict, driver = rules.NO_CARD_KEY, Verdict.NO_CARD, None
            claim = self._claim(request, key, verdict, driver=driver)
            if await self._replace(claim, standing, granted):
                await self._authorized(claim)
                return Answer(claim.session_id)

    async def _wait(self, request: StartRequest, standing: Standing) -> str | None:
        """Why a poll without card or grant is not let in yet; None where the mode lets it in.

        It also proves that a fresh claim to a card is dead: the driver is at the plug again.
        """
        if request.mode is Mode.OPEN:
            return None
        now = self._clock()
        charger_id = request.charger_id or ""
        if request.mode is Mode.OBSERVE and request.installation:
            grace = timedelta(seconds=request.installation.card_grace_seconds)
            since = rules.waits_since(standing, now)
            if since and now - since >= grace:
                return None
            await self._note_waiting(charger_id, since, now)
        elif standing.heard_at is None or now - standing.heard_at >= _HEARD_EVERY:
            self._behind.run("heard", self._authorizations.put_heard(charger_id, now))
        old = standing.claim
        if old and rules.is_replayable(old, old.request_key, standing.evidence, now):
            try:
                await self._authorizations.question(standing)
            except Conflict:
                telemetry.event("claim.changed_meanwhile", chargerId=charger_id)
        return _PENDING

    async def _note_waiting(self, charger_id: str, since: datetime | None, now: datetime) -> None:
        """The first poll of a driver is noted before the answer, each later one behind it."""
        if since is None:
            await self._authorizations.put_waiting(charger_id, Waiting(since=now, latest=now))
        else:
            noting = self._authorizations.put_waiting(charger_id, Waiting(since=since, latest=now))
            self._behind.run("waiting", noting)

    async def _take(self, claim: Claim) -> Claim:
        """The claim that now stands at the charger for this request: `claim`, or an earlier one it repeats."""
        if await self._authorizations.insert(claim):
            return claim
        while True:
            standing = await self._authorizations.read(claim.charger_id)
            old = standing.claim
            if old and await self._is_same_request(old, claim.request_key, standing):
                return old
            if await self._replace(claim, standing):
                return claim

    async def _replace(self, claim: Claim, standing: Standing, spent: tuple[Grant, str] | None = None) -> bool:
        """False where somebody else changed the charger's partition first."""
        if standing.claim:
            await self._ledger.superseded(standing.claim, claim)
        try:
            await self._authorizations.take(claim, standing, spent)
        except Conflict:
            return False
        if standing.claim:
            telemetry.event("claim.superseded", sessionId=standing.claim.session_id, by=claim.session_id)
        return True

    async def _is_same_request(self, old: Claim, request_key: str, standing: Standing) -> bool:
        """Whether a request repeats the one the claim answered; asks ZapCloud where time has passed."""
        now = self._clock()
        if not rules.is_replayable(old, request_key, standing.evidence, now):
            return False
        view = await self._ledger.view(old.session_id)
        if is_over(view):
            return False
        if view is None or not view.start_known:
            await self._ledger.authorized(old)
        age = now - old.at
        if age < rules.TOO_SOON_FOR_ANOTHER:
            return True
        used = await self._probe.shows_used(old) if self._probe else None
        unproven = used is None and rules.is_tokenless(old.request_key)
        return not used and not (unproven and age >= rules.SAME_CAR_WINDOW)

    async def _authorized(self, claim: Claim) -> None:
        await self._ledger.authorized(claim)
        telemetry.event(
            "start.authorized",
            sessionId=claim.session_id,
            installationId=claim.installation_id,
            chargerId=claim.charger_id,
            tokenId=claim.token_id,
            mode=claim.mode,
            verdict=claim.verdict,
        )

    async def _refuse(self, request: StartRequest, token_id: str, verdict: Verdict, seen: SeenToken | None) -> Answer:
        charger_id = request.charger_id or ""
        refusal = Refusal(at=self._clock(), charger_id=charger_id, token_id=token_id, reason=verdict)
        try:
            await self._decisions.refused(request.installation_id or "", refusal, seen)
        except StorageUnavailable as error:
            telemetry.warning("refusal.not_recorded", tokenId=token_id, reason=str(error))
        telemetry.event(
            "start.refused",
            installationId=request.installation_id,
            chargerId=charger_id,
            tokenId=token_id,
            reason=verdict,
        )
        return Answer(None, f"refused: {verdict}")

    async def _held_elsewhere(self, stored: StoredToken, charger_id: str | None) -> tuple[str, ...]:
        """The sessions a token holds at other chargers; where they seem too many, only those really still open."""
        limit = stored.token.max_concurrent
        if limit is None or len(stored.open_sessions) < limit:
            return stored.open_sessions
        views = await asyncio.gather(*(self._ledger.view(session) for session in stored.open_sessions))
        elsewhere = [view for view in views if view and view.charger_id != charger_id and self._may_be_open(view)]
        if self._probe is None:
            return tuple(view.session_id for view in elsewhere)
        over = await asyncio.gather(*(self._probe.shows_ended(view.session_id) for view in elsewhere))
        return tuple(view.session_id for view, ended in zip(elsewhere, over, strict=True) if not ended)

    def _may_be_open(self, view: SessionView) -> bool:
        """A session whose end was lost must not refuse its driver for ever: after a day it counts no more."""
        fresh = view.start is None or self._clock() - view.start < _LONGEST_COUNTED
        return view.status in OPEN and fresh

    async def _hold(self, stored: StoredToken | None, held: tuple[str, ...], claim: Claim) -> None:
        """Note an open session on its token's row; best effort, since the session log is what counts."""
        if stored and claim.limited:
            try:
                await self._tokens.set_open_sessions(stored, (*held, claim.session_id))
            except (StorageUnavailable, LimitExceeded) as error:
                telemetry.warning("token.not_held", tokenId=claim.token_id, reason=str(error))

    def _claim(
        self,
        request: StartRequest,
        request_key: str,
        verdict: str,
        token_id: str | None = None,
        driver: str | None = None,
        limited: bool = False,
    ) -> Claim:
        return Claim(
            session_id=new_session_id(),
            installation_id=request.installation_id or "",
            charger_id=request.charger_id or "",
            request_key=request_key,
            at=self._clock(),
            mode=request.mode,
            verdict=verdict,
            token_id=token_id,
            driver=driver,
            limited=limited,
        )
