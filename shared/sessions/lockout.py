"""Signs that drivers are locked out, or let in by somebody else: what a charger observed, and no web hook went with it.

Three signs, each an event an alert can stand on:

- `lockout.no_hook_call`: a car has been asking to charge for a minute, and no start was heard from its charger;
- `lockout.token_not_asked`: a card was scanned, and no start carried it;
- `lockout.session_not_ours`: in enforce mode, a session runs that we never authorized.

Only where ZapCloud says that the installation uses web hooks, or cannot be asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import batched

from shared import telemetry
from shared.clock import Clock
from shared.errors import ZapCloudError
from shared.sessions.ledger import Ledger
from shared.sessions.observed import PATIENCE
from shared.sessions.view import SessionView
from shared.storage.authorizations import Authorizations, Evidence, Standing
from shared.storage.decisions import Decisions, Expectation, Refusal
from shared.storage.installations import Installation, Installations, Mode

_LONGEST_PARKED = timedelta(hours=12)
_BEFORE = timedelta(seconds=30)
"""A hook may come before the observation that goes with it: clocks differ, and ZapCloud is quick."""
_ASK_AGAIN_AFTER = timedelta(minutes=15)
_MOST_PER_RUN = 2000
_AT_ONCE = 16
_MOST_REFUSALS = 1000
_WEB_HOOKS = 1
_EVENTS = {
    "start": "lockout.no_hook_call",
    "token": "lockout.token_not_asked",
    "session": "lockout.session_not_ours",
}

AuthenticationType = Callable[[str], Awaitable[int | None]]
"""Asks ZapCloud how an installation authorizes (InstallationAuthenticationType); raises ZapCloudError."""
StillRequesting = Callable[[str, str], Awaitable[bool]]
"""Whether a charger of an installation asks to charge, as far as its states say."""


class LockoutWatch:
    def __init__(
        self,
        clock: Clock,
        installations: Installations,
        authorizations: Authorizations,
        decisions: Decisions,
        ledger: Ledger,
        still_requesting: StillRequesting,
        authentication_type: AuthenticationType | None,
    ) -> None:
        self._clock = clock
        self._installations = installations
        self._authorizations = authorizations
        self._decisions = decisions
        self._ledger = ledger
        self._still_requesting = still_requesting
        self._authentication_type = authentication_type
        self._types: dict[str, tuple[datetime, int | None]] = {}

    async def run(self) -> None:
        """Look at all that is due; what this run does not reach, or fails on, the next one looks at."""
        now = self._clock()
        for installation in await self._installations.all():
            due = await self._decisions.due_expectations(installation.id, now, _MOST_PER_RUN)
            if not due:
                continue
            if await self._type(installation.id) in {None, _WEB_HOOKS}:
                by_charger: dict[str, list[Expectation]] = {}
                for one in due:
                    by_charger.setdefault(one.charger_id, []).append(one)
                for some in batched(by_charger.values(), _AT_ONCE, strict=False):
                    await self._look_at(installation, some)
            else:
                await self._decisions.forget(installation.id, due)

    async def _look_at(self, installation: Installation, chargers: Sequence[list[Expectation]]) -> None:
        """What was looked at is forgotten, whatever becomes of the other chargers': it would be told twice."""
        outcomes = await asyncio.gather(*(self._signs(installation, due) for due in chargers), return_exceptions=True)
        looked_at: list[Expectation] = []
        failures: list[BaseException] = []
        for due, outcome in zip(chargers, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                failures.append(outcome)
                continue
            looked_at += due
            for sign in outcome:
                _report(installation.id, sign)
        await self._decisions.forget(installation.id, looked_at)
        if failures:
            raise failures[0]

    async def _signs(self, installation: Installation, due: Sequence[Expectation]) -> list[Expectation]:
        """Of what was expected of one charger, what is a sign."""
        standing = await self._authorizations.read(due[0].charger_id)
        return [one for one in due if await self._is_sign(installation, one, standing)]

    async def _is_sign(self, installation: Installation, expectation: Expectation, standing: Standing) -> bool:
        if expectation.kind == "session":
            return installation.mode is Mode.ENFORCE and not await self._is_ours(expectation.session_id, standing)
        since = expectation.at - _BEFORE
        if expectation.kind == "start":
            since = min(since, came_after(standing.evidence, expectation.at))
        if heard(expectation, standing, [], since) or await self._is_within_our_session(expectation, standing.evidence):
            return False
        refusals = await self._decisions.refusals(installation.id, since, _MOST_REFUSALS)
        if heard(expectation, standing, refusals, since):
            return False
        if expectation.kind == "start":
            return await self._still_requesting(installation.id, expectation.charger_id)
        return not await self._was_seen(installation.id, expectation, since)

    async def _is_within_our_session(self, expectation: Expectation, evidence: Evidence) -> bool:
        """Whether the charger ran, then or soon after, a session we gave: a card may be shown to end it, a car that
        paused asks again, and nobody calls a hook."""
        view = await self._ledger.view(evidence.running_session_id) if evidence.running_session_id else None
        return view is not None and covers(view, evidence, expectation.at)

    async def _is_ours(self, session_id: str | None, standing: Standing) -> bool:
        if standing.claim and standing.claim.session_id == session_id:
            return True
        view = await self._ledger.view(session_id) if session_id else None
        return view is not None and view.start_known

    async def _was_seen(self, installation_id: str, expectation: Expectation, since: datetime) -> bool:
        """In observe mode a card nobody knows is let in, and noted as seen."""
        seen = await self._decisions.seen_tokens(installation_id)
        return any(one.token_id == expectation.token_id and one.last_seen >= since for one in seen)

    async def _type(self, installation_id: str) -> int | None:
        """How the installation authorizes, as ZapCloud last said; None where it never did."""
        now = self._clock()
        asked_at, known = self._types.get(installation_id, (None, None))
        if self._authentication_type is None or (asked_at and now - asked_at < _ASK_AGAIN_AFTER):
            return known
        try:
            known = await self._authentication_type(installation_id)
        except ZapCloudError as error:
            telemetry.event("lockout.not_asked", installationId=installation_id, reason=str(error))
        else:
            self._types[installation_id] = now, known
        return known


def came_after(evidence: Evidence, at: datetime) -> datetime:
    """When the car that asks at `at` came at the earliest; all that was heard of it since counts, as when a charger
    that was away says again what it said before."""
    gone = evidence.disconnected_at
    return gone if gone and gone < at else at - _LONGEST_PARKED


def covers(view: SessionView, evidence: Evidence, at: datetime) -> bool:
    """Whether something observed at `at` belongs to a session that we gave; pure."""
    if not view.start_known or view.start is None or at < view.start - PATIENCE:
        return False
    gone = evidence.disconnected_at
    over_at = view.end or (gone if gone and gone > view.start else None)
    return over_at is None or at <= over_at + _BEFORE


def heard(expectation: Expectation, standing: Standing, refusals: list[Refusal], since: datetime) -> bool:
    """Whether a start was heard from the charger since then; of a card, one that carried it."""
    claim = standing.claim
    claimed = claim is not None and claim.at >= since
    refused = [refusal for refusal in refusals if refusal.charger_id == expectation.charger_id]
    if expectation.kind == "token":
        same_card = claimed and claim is not None and claim.token_id == expectation.token_id
        return same_card or any(refusal.token_id == expectation.token_id for refusal in refused)
    polled = standing.heard_at is not None and standing.heard_at >= since
    waited = standing.waiting is not None and standing.waiting.latest >= since
    return claimed or polled or waited or bool(refused)


def _report(installation_id: str, expectation: Expectation) -> None:
    telemetry.warning(
        _EVENTS[expectation.kind],
        installationId=installation_id,
        chargerId=expectation.charger_id,
        at=expectation.at,
        tokenId=expectation.token_id,
        sessionId=expectation.session_id,
    )
