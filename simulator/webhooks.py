"""One call of ZapCloud to the app: authentication, delivery, and what may go wrong on the way.

Authentication as in the guide 6.5.8, p. 7: with an authentication URL the payload is posted there for a bearer token,
which is used until it expires; without one the payload's username and password are sent as HTTP Basic.
"""

import re
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from simulator.faults import Fault, Faults
from simulator.kernel import Kernel
from simulator.models import HookCall, Installation
from simulator.world import World

type Kind = Literal["start", "end"]

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OK = 200


class Answer(msgspec.Struct, frozen=True):
    """What ZapCloud saw; `status` is None where it saw nothing, which is `final` if it will not ask again."""

    status: int | None = None
    body: bytes = b""
    reason: str = ""
    final: bool = False


class NoBearerError(Exception):
    """The authentication URL gave no usable access token; the message says why."""


class BearerToken(msgspec.Struct):
    """The part of an OAuth token answer that ZapCloud needs (RFC 6749, 5.1)."""

    access_token: str
    expires_in: float = 0


class HookClient:
    """Calls the hooks of every installation and keeps a record of each call in the world."""

    def __init__(self, kernel: Kernel, world: World, faults: Faults, http: aiohttp.ClientSession) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._http = http
        self._bearers: dict[tuple[str, str], tuple[str, datetime]] = {}

    async def call(self, kind: Kind, installation: Installation, body: bytes, known: HookCall) -> Answer:
        """Post `body` to a hook; `known` is the record's beginning, with charger, session and had_token set.

        Raises:
            NoBearerError: when the hook was not called for want of an access token.
        """
        start = kind == "start"
        url = installation.webhooks_session_start_url if start else installation.webhooks_session_end_url
        if delay := self._strikes(kind, "delayed", known):
            await self._kernel.sleep(delay.seconds)
        headers = await self._authorization(installation)
        known.at = self._kernel.now()
        self._world.calls.append(known)
        if self._strikes(kind, "request-lost", known):
            return Answer(reason="the request was lost")
        if self._strikes(kind, "duplicated", known):
            twin = msgspec.convert(msgspec.to_builtins(known), HookCall)
            self._world.calls.append(twin)
            both = (self._post(url, headers, body, record) for record in (known, twin))
            answer = (await self._kernel.gather(*both))[0]
        else:
            answer = await self._post(url, headers, body, known)
        if self._strikes(kind, "answer-lost", known):
            known.answered = False
            return Answer(reason="the answer was lost")
        return answer

    def _strikes(self, kind: Kind, what: str, record: HookCall) -> Fault | None:
        name = f"{kind}-{what}"
        fault = self._faults.strikes(name, record.charger_id or record.installation_id)
        if fault:
            record.faults.append(name)
        return fault

    async def _post(self, url: str, headers: dict[str, str], body: bytes, record: HookCall) -> Answer:
        timeout = aiohttp.ClientTimeout(total=self._world.settings.answer_within_s)
        try:
            async with self._http.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                record.status, record.delivered = response.status, True
                answer = Answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            record.error = type(error).__name__
            unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL)
            record.delivered = not unsent
            return Answer(reason=f"no answer: {record.error}")
        record.answered = True
        if record.kind == "start" and answer.status == OK:
            record.session_id = session_id_of(answer.body)
        return answer

    async def _authorization(self, installation: Installation) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        payload = installation.webhooks_auth_payload
        if installation.webhooks_auth_url:
            headers["Authorization"] = f"Bearer {await self._bearer(installation)}"
        elif payload:
            fields = parse_qs(payload, keep_blank_values=True)
            user, password = fields.get("username", [""])[0], fields.get("password", [""])[0]
            headers["Authorization"] = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        return headers

    async def _bearer(self, installation: Installation) -> str:
        url, payload = installation.webhooks_auth_url, installation.webhooks_auth_payload
        cached, expiry = self._bearers.get((url, payload), ("", self._kernel.now()))
        if self._kernel.now() < expiry:
            return cached
        record = HookCall(self._kernel.now(), "auth", urlsplit(url).path, installation.id)
        self._world.calls.append(record)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._post(url, headers, payload.encode(), record)
        if answer.status != OK:
            raise NoBearerError(answer.reason or f"the authentication URL answered {answer.status}")
        try:
            token = msgspec.json.decode(answer.body, type=BearerToken)
        except msgspec.DecodeError as error:
            raise NoBearerError("the authentication URL answered without an access_token") from error
        self._bearers[url, payload] = (token.access_token, self._kernel.now() + timedelta(seconds=token.expires_in))
        return token.access_token


def session_id_of(body: bytes) -> str | None:
    """The session id in a good answer to session start, or None if ZapCloud could not use it."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    value = answer.get("sessionId") if isinstance(answer, dict) else None
    return value if isinstance(value, str) and UUID.fullmatch(value) else None
