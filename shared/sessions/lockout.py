"""Signs that drivers are locked out, or let in by somebody else: what a charger observed, and no web hook went with it.

Three signs, each an event an alert can stand on:

- `lockout.no_hook_call`: a car has been asking to charge for a minute, and no start was heard from its charger;
- `lockout.token_not_asked`: a card was scanned, and no start carried it;
- `lockout.session_not_ours`: in enforce mode, a session runs that we never authorized.

Only where ZapCloud says that the installation uses web hooks, or cannot be asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared import telemetry
from shared.clock import Clock
from shared.errors import ZapCloudError
from shared.sessions.ledger import Ledger
from shared.storage.authorizations import Authorizations, Standing
from shared.storage.cache import Cache
from shared.storage.decisions import Decisions, Expectation, Refusal
from shared.storage.installations import Installation, Installations, Mode

_BEFORE = timedelta(seconds=30)
"""A hook may come before the observation that goes with it: clocks differ, and ZapCloud is quick."""
_ASK_AGAIN_AFTER = timedelta(hours=1)
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
StillRequesting = Callable[[str, str, datetime], Awaitable[bool]]
"""Whether a charger of an installation has been asking to charge since an instant, as far as its states say."""


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
        self._types = Cache[str, int | None](clock, _ASK_AGAIN_AFTER, self._ask)

    async def run(self) -> None:
        """Look at all that is due; what this run does not reach, or fails on, the next one looks at."""
        now = self._clock()
        for installation in await self._installations.all():
            due = await self._decisions.due_expectations(installation.id, now, _MOST_PER_RUN)
            if not due:
                continue
            by_hooks = await self._types.get(installation.id) in {None, _WEB_HOOKS}
            for start in range(0, len(due), _AT_ONCE):
                some = due[start : start + _AT_ONCE]
                await asyncio.gather(*(self._look_at(installation, one, by_hooks=by_hooks) for one in some))

    async def _look_at(self, installation: Installation, expectation: Expectation, *, by_hooks: bool) -> None:
        if by_hooks and await self._is_sign(installation, expectation):
            _report(installation.id, expectation)
        await self._decisions.forget(installation.id, expectation)

    async def _is_sign(self, installation: Installation, expectation: Expectation) -> bool:
        if expectation.kind == "session":
            return installation.mode is Mode.ENFORCE and not await self._is_ours(expectation.session_id)
        standing = await self._authorizations.read(expectation.charger_id)
        since = expectation.at - _BEFORE
        evidence = standing.evidence
        if is_under_way(standing):
            return False
        if evidence.running_at and evidence.running_at >= since and await self._is_ours(evidence.running_session_id):
            return False
        refusals = await self._decisions.refusals(installation.id, since, _MOST_REFUSALS)
        if heard(expectation, standing, refusals, since):
            return False
        if expectation.kind == "start":
            return await self._still_requesting(installation.id, expectation.charger_id, expectation.at)
        return not await self._was_seen(installation.id, expectation, since)

    async def _is_ours(self, session_id: str | None) -> bool:
        view = await self._ledger.view(session_id) if session_id else None
        return view is not None and view.start_known

    async def _was_seen(self, installation_id: str, expectation: Expectation, since: datetime) -> bool:
        """In observe mode a card nobody knows is let in, and noted as seen."""
        seen = await self._decisions.seen_tokens(installation_id)
        return any(one.token_id == expectation.token_id and one.last_seen >= since for one in seen)

    async def _ask(self, installation_id: str) -> int | None:
        if self._authentication_type is None:
            return None
        try:
            return await self._authentication_type(installation_id)
        except ZapCloudError as error:
            telemetry.event("lockout.not_asked", installationId=installation_id, reason=str(error))
            return None


def is_under_way(standing: Standing) -> bool:
    """Whether the charger runs the session it was given: then a card may be shown to end it, and a car that paused
    asks again, and nobody calls a hook."""
    claim, evidence = standing.claim, standing.evidence
    if claim is None or evidence.running_session_id != claim.session_id:
        return False
    return evidence.disconnected_at is None or evidence.disconnected_at <= claim.at


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
