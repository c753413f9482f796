"""The rules by which ZapCloud calls the two web hooks (guide 6.5.8, pp. 7-10).

Session start is called when a vehicle is connected and then every 10 s for as long as the app answers 401, until the
first failed call with a token, 5 minutes, or the cable is pulled; a card that is scanned is sent at once. Any other
answer than 200 and 401 ends it. Session end is called once ZapCloud has closed the session, and again until it is
accepted or a day has passed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from simulator.faults import Faults
from simulator.kernel import Kernel, Signal
from simulator.models import AttemptOutcome, Charger, HookCall, Installation, Plugged, Poll
from simulator.sessions import Session
from simulator.webhooks import OK, Answer, HookClient, NoBearerError, session_id_of
from simulator.world import World

UNAUTHORIZED = 401
GARBAGE = b'{"SessionId":'

type OnAuthorized = Callable[[Charger, Plugged, str], None]
"""Begins the session with the id that the app gave."""


class StartCaller:
    """Asks the app whether a vehicle may charge, until there is an outcome."""

    def __init__(self, kernel: Kernel, world: World, client: HookClient) -> None:
        self._kernel = kernel
        self._world = world
        self._client = client

    async def ask(self, charger: Charger, plugged: Plugged, authorized: OnAuthorized) -> None:
        """Poll from now on; ends with an outcome in the attempt, calling `authorized` for the good one."""
        settings = self._world.settings
        installation = self._world.installation_of(charger)
        deadline = self._kernel.now() + timedelta(seconds=settings.poll_for_s)
        while True:
            plugged.changed = Signal()
            next_poll = self._kernel.now() + timedelta(seconds=settings.poll_every_s)
            asked_with = plugged.token
            answer = await self._poll(charger, plugged, installation)
            outcome, detail = self._judge(answer, asked_with)
            if plugged.gone:
                outcome, detail = "unplugged", ""
            if outcome == "authorized":
                authorized(charger, plugged, detail)
                return
            if outcome is None:
                await self._kernel.wait(plugged.changed, self._seconds_to(min(next_poll, deadline)))
                if plugged.gone:
                    outcome = "unplugged"
                elif self._kernel.now() >= deadline:
                    outcome = "timed-out"
            if outcome is not None:
                conclude(plugged, outcome, self._kernel.now(), detail)
                return

    async def _poll(self, charger: Charger, plugged: Plugged, installation: Installation) -> Answer:
        poll = Poll(self._kernel.now(), plugged.token is not None)
        plugged.attempt.polls.append(poll)
        record = HookCall(
            self._kernel.now(),
            "start",
            url_path(installation.webhooks_session_start_url),
            installation.id,
            charger.id,
            had_token=poll.had_token,
        )
        body = self._body(charger, plugged, installation)
        try:
            answer = await self._client.call("start", installation, body, record)
        except NoBearerError as error:
            if self._world.settings.no_bearer == "end":
                return Answer(reason=str(error), final=True)
            return Answer(reason=str(error))
        poll.status = answer.status
        if answer.status is None and self._world.settings.no_answer == "end":
            return Answer(reason=answer.reason, final=True)
        return answer

    def _judge(self, answer: Answer, token: str | None) -> tuple[AttemptOutcome | None, str]:
        """The outcome, None to go on polling, and the session id of a good one or the reason of a bad one."""
        if answer.status == OK:
            session_id = session_id_of(answer.body)
            if session_id is None:
                return "failed", "the answer holds no lower-case hyphenated UUID as sessionId"
            if session_id in self._world.sessions:
                return "failed", f"the app gave the id of an earlier session, {session_id}"
            return "authorized", session_id
        if answer.status == UNAUTHORIZED:
            return ("refused", "401 to a call with a token") if token is not None else (None, "")
        if answer.status is None:
            return ("no-answer", answer.reason) if answer.final else (None, "")
        return "failed", f"the app answered {answer.status}"

    def _body(self, charger: Charger, plugged: Plugged, installation: Installation) -> bytes:
        settings = self._world.settings
        keys = settings.start_keys
        body = {
            keys.charger_id: charger.id,
            keys.charger_name: charger.name,
            keys.installation_id: installation.id,
            keys.installation_name: installation.name,
        }
        token = plugged.token
        if token is not None:
            body[keys.token] = token if settings.token_prefix else token.removeprefix("nfc-")
        elif settings.absent_token == "null":  # noqa: S105 - not a secret
            return msgspec.json.encode({**body, keys.token: None})
        return msgspec.json.encode(body)

    def _seconds_to(self, instant: datetime) -> float:
        return max(0.0, (instant - self._kernel.now()).total_seconds())


class EndCaller:
    """Tells the app that a session has ended, until it accepts."""

    def __init__(self, kernel: Kernel, world: World, faults: Faults, client: HookClient) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._client = client

    async def tell(self, session: Session) -> None:
        settings = self._world.settings
        installation = self._world.installation(session.installation_id)
        deadline = self._kernel.now() + timedelta(seconds=settings.end_retry_for_s)
        pause_s = settings.end_retry_first_s
        garbage = self._faults.strikes("end-garbage-first", session.charger_id) is not None
        while self._kernel.now() < deadline:
            session.end_tries += 1
            answer = await self._try(session, installation, garbage=garbage)
            garbage = False
            if answer.status == OK:
                session.status = "acknowledged"
                session.end_acknowledged_at = self._kernel.now()
                return
            await self._kernel.sleep(pause_s)
            pause_s = min(pause_s * settings.end_retry_factor, settings.end_retry_most_s)
        session.status = "given-up"

    async def _try(self, session: Session, installation: Installation, *, garbage: bool) -> Answer:
        record = HookCall(
            self._kernel.now(),
            "end",
            url_path(installation.webhooks_session_end_url),
            installation.id,
            session.charger_id,
            session.id,
            faults=["end-garbage-first"] if garbage else [],
        )
        body = GARBAGE if garbage else self._body(session)
        try:
            return await self._client.call("end", installation, body, record)
        except NoBearerError as error:
            return Answer(reason=str(error))

    def _body(self, session: Session) -> bytes:
        keys = self._world.settings.end_keys
        return msgspec.json.encode(
            {
                keys.session_id: session.id,
                keys.session_start: iso_utc(session.claimed_start),
                keys.session_end: iso_utc(session.known_end or session.claimed_start),
                keys.energy: session.energy_kwh,
                keys.signed_session: session.signed_session,
            }
        )


def conclude(plugged: Plugged, outcome: AttemptOutcome, at: datetime, reason: str = "") -> None:
    """Write down how the attempt ended and wake whoever waits for that."""
    attempt = plugged.attempt
    attempt.outcome, attempt.reason, attempt.ended_at = outcome, reason, at
    plugged.over.set()


def iso_utc(instant: datetime) -> str:
    """As the guide writes dates (6.5.8, p. 10): whole seconds and `Z`, with a fraction only where there is one."""
    return instant.replace(tzinfo=None).isoformat() + "Z"


def url_path(url: str) -> str:
    """The path alone: a URL's user, query and host are nobody's business in a record."""
    return urlsplit(url).path
