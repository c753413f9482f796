"""The session-start web hook: from a body to an answer ZapCloud can act on.

ZapCloud asks again every 10 s for as long as the answer is 401, until a try with a token failed; any other code but
200 ends the attempt for good (guide 6.5.8, "Session start"). So 401 is the answer to everything that is not an outage,
and in observe and open mode a request we cannot read lets the driver in.
"""

import asyncio
from datetime import timedelta
from enum import Enum

import msgspec

from shared import telemetry
from shared.errors import Conflict, InvalidInput, LimitExceeded, StorageUnavailable, Unauthenticated
from shared.security.principal import Principal
from shared.sessions.admission import Admission
from shared.sessions.intake import Intake
from shared.sessions.outage import Outage
from shared.sessions.request import Placing, StartRequest
from shared.storage.installations import Mode
from shared.zapcloud.hooks import Aliases, StartFields, json_object, read_start

_KIND = "session-start"


class Outcome(Enum):
    AUTHORIZED = "authorized"
    NOT_AUTHORIZED = "not-authorized"
    UNAVAILABLE = "unavailable"


class StartAnswer(msgspec.Struct, frozen=True):
    """`session_id` is there when authorized, `message` (for ZapCloud's log) when not."""

    outcome: Outcome
    session_id: str = ""
    message: str = ""


class StartHook:
    def __init__(
        self,
        aliases: Aliases,
        budget: timedelta,
        placing: Placing,
        admission: Admission,
        outage: Outage,
        intake: Intake,
    ) -> None:
        self._aliases = aliases
        self._budget = budget
        self._placing = placing
        self._admission = admission
        self._outage = outage
        self._intake = intake

    async def answer(self, principal: Principal, body: bytes, spent: timedelta = timedelta(0)) -> StartAnswer:
        """Raises InvalidInput where the body is no JSON object. `spent` is how much of the budget is gone already."""
        content = json_object(body)
        fields = read_start(content, self._aliases)
        try:
            answer = await self._answer_in_time(fields, principal, body, self._budget - spent)
        except Unauthenticated as error:
            telemetry.warning("start.wrong_installation", credential=principal.name)
            return StartAnswer(Outcome.NOT_AUTHORIZED, message=str(error))
        await self._intake.note_shape(_KIND, content)
        return answer

    def answer_unchecked(self, body: bytes) -> StartAnswer:
        """While storage is down and the caller cannot be told from a stranger: nobody is let in, but polls go on."""
        try:
            with_token = read_start(json_object(body), self._aliases).token is not None
        except InvalidInput:
            with_token = False
        telemetry.warning("outage.start_unchecked", withToken=with_token)
        outcome = Outcome.UNAVAILABLE if with_token else Outcome.NOT_AUTHORIZED
        return StartAnswer(outcome, message="storage is down; the caller cannot be checked")

    async def _answer_in_time(
        self, fields: StartFields, principal: Principal, body: bytes, patience: timedelta
    ) -> StartAnswer:
        try:
            async with asyncio.timeout(patience.total_seconds()):
                request = await self._placing.place(fields, principal)
                await self._outage.write_down(request.charger_id)
                answer = await self._decide(request, body, principal)
        except (StorageUnavailable, Conflict, LimitExceeded, TimeoutError) as error:
            return self._answer_without_storage(fields, principal, error)
        self._outage.write_down_soon()
        return answer

    async def _decide(self, request: StartRequest, body: bytes, principal: Principal) -> StartAnswer:
        if not request.unreadable:
            answer = await self._admission.decide(request)
        else:
            reason = "; ".join(f"{field} {fault}" for field, fault in sorted(request.unreadable.items()))
            await self._intake.quarantine(_KIND, reason, body, principal)
            if request.mode is Mode.ENFORCE:
                return StartAnswer(Outcome.NOT_AUTHORIZED, message=reason)
            answer = await self._admission.let_in_without_understanding(request, body)
        if answer.session_id:
            return StartAnswer(Outcome.AUTHORIZED, session_id=answer.session_id)
        return StartAnswer(Outcome.NOT_AUTHORIZED, message=answer.message)

    def _answer_without_storage(self, fields: StartFields, principal: Principal, error: Exception) -> StartAnswer:
        """Without a token the polling goes on; with one the installation's outage policy decides."""
        request = self._placing.place_from_memory(fields, principal)
        telemetry.warning(
            "outage.start",
            installationId=request.installation_id,
            chargerId=request.charger_id,
            withToken=fields.token is not None,
            policy=self._outage.policy(request),
            reason=str(error) or "no answer within the hook's budget",
        )
        if fields.token is None:
            return StartAnswer(Outcome.NOT_AUTHORIZED, message="storage is down; ask again")
        if session_id := self._outage.allow(request):
            return StartAnswer(Outcome.AUTHORIZED, session_id=session_id)
        return StartAnswer(Outcome.UNAVAILABLE, message="storage is down; refused by the outage policy")
