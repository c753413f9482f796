"""Access tokens for ZapCloud's API: one for all instances, got before it is needed, never asked for twice in a minute.

Tokens live in the secret store. A row of the `Credentials` table says when somebody last asked for one; whoever
changes that row may ask. Where refresh tokens are used, each works once ("refresh token re-use was detected",
custom-components/zaptec pull request 422), so before one is spent the store must take a note, which shows that it can
be written; the new one is stored before the new access token is used; and one that may have been spent already is not
tried again: the password takes its place.

Wire facts: form-encoded grants (guide 6.5.8, "Authentication"), 400 with an OAuth error for bad credentials.
"""

import asyncio
import secrets as random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import SecretStoreUnavailable, StorageUnavailable, ZapCloudError, ZapCloudUnavailable
from shared.security.secrets import SecretStore
from shared.storage.streams import LoginMark, StreamRecords

SECRET = "zapcloud-tokens"  # noqa: S105 - its name
EVERY = timedelta(minutes=1)
_RENEW_BEFORE = timedelta(minutes=5)
_LEASE = "zapcloud-login"
_TURNED_AWAY = {429, 503}
"""Said at the door when it is busy; any other failure may come from behind it, after the token was used up."""
_LONGEST_SECONDS = 10 * 365 * 86400

Post = Callable[[Mapping[str, str]], Awaitable[tuple[int, Any]]]
"""Posts a form to ZapCloud's token endpoint; gives status and decoded JSON (None where it is none); raises
ZapCloudUnavailable."""


class Account(msgspec.Struct, frozen=True):
    username: str
    password: str
    grant: Literal["password", "refresh"] = "password"


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What ZapCloud gave; `spent` once its refresh token may have been used."""

    access: str
    renew_at: datetime
    refresh: str | None = None
    spent: bool = False


class Login:
    """`secrets` and `records` are shared with all instances; without them this process is on its own."""

    def __init__(
        self,
        clock: Clock,
        account: Account,
        post: Post,
        secrets: SecretStore | None = None,
        records: StreamRecords | None = None,
    ) -> None:
        self._clock = clock
        self._account = account
        self._post = post
        self._secrets = secrets
        self._records = records
        self._held: Tokens | None = None
        self._unsaved: Tokens | None = None
        self._instead_of: Tokens | None = None
        """What is stored while something of ours is unsaved."""
        self._asked_at: datetime | None = None
        self._one_at_a_time = asyncio.Lock()

    async def access_token(self, instead_of: str | None = None) -> str:
        """A token that works, other than the one that was just refused.

        Raises ZapCloudUnavailable where none can be had now, ZapCloudError where the account is refused.
        """
        async with self._one_at_a_time:
            if self._held is None or not self._is_good(self._held, instead_of):
                self._held = await self._shared_or_new(instead_of)
            return self._held.access

    async def renew_if_due(self, ahead: timedelta) -> bool:
        """Get a new token if the present one must be renewed within `ahead`; whether it did. Raises like the above."""
        async with self._one_at_a_time:
            stored = await self._stored()
            if stored and self._clock() + ahead < stored.renew_at:
                self._held = stored
                return False
            self._held = await self._ask(stored)
            return True

    async def _shared_or_new(self, instead_of: str | None) -> Tokens:
        stored = await self._stored()
        if stored and self._is_good(stored, instead_of):
            return stored
        return await self._ask(stored)

    def _is_good(self, tokens: Tokens, instead_of: str | None) -> bool:
        return tokens.access != instead_of and self._clock() < tokens.renew_at

    async def _stored(self) -> Tokens | None:
        """What all instances share; first of all what could not be stored before."""
        if self._secrets is None:
            return self._held
        try:
            text = await self._secrets.get(SECRET)
            stored = msgspec.json.decode(text, type=Tokens) if text else None
            if self._unsaved and stored == self._instead_of:
                stored = self._unsaved
                await self._save(stored)
        except SecretStoreUnavailable as error:
            raise ZapCloudUnavailable(f"tokens cannot be read: {error}") from error
        except msgspec.MsgspecError as error:
            telemetry.warning("login.stored_tokens_unreadable", reason=type(error).__name__)
            return None
        self._unsaved = None  # saved, or somebody else has got on since
        return stored

    async def _save(self, tokens: Tokens) -> None:
        """Store tokens; what fails to be stored is kept, to be stored first thing next time, unless others were."""
        self._unsaved = tokens
        await self._write(tokens)
        self._unsaved = None

    async def _write(self, tokens: Tokens) -> None:
        if self._secrets is not None:
            await self._secrets.set(SECRET, msgspec.json.encode(tokens).decode())

    async def _ask(self, old: Tokens | None) -> Tokens:
        now = self._clock()
        await self._take_turn(now)
        self._instead_of = old
        try:
            tokens = await self._grant(old, now)
            await self._save(tokens)
            if self._records is not None:
                await self._records.put_login(LoginMark(at=now, renew_at=tokens.renew_at))
        except StorageUnavailable as error:
            telemetry.warning("login.not_noted", reason=str(error))
        except SecretStoreUnavailable as error:
            raise ZapCloudUnavailable(f"tokens cannot be stored, so none is used: {error}") from error
        telemetry.event("login.renewed", renewAt=tokens.renew_at, refreshable=tokens.refresh is not None)
        return tokens

    async def _take_turn(self, now: datetime) -> None:
        """Raises ZapCloudUnavailable where somebody asked less than a minute ago."""
        too_soon = ZapCloudUnavailable("logged in less than a minute ago; not trying again yet")
        if self._asked_at and now - self._asked_at < EVERY:
            raise too_soon
        if self._records is not None:
            try:
                if not await self._records.take_lease(_LEASE, random.token_hex(8), now, EVERY):
                    raise too_soon
            except StorageUnavailable as error:
                raise ZapCloudUnavailable(f"no turn to log in: {error}") from error
        self._asked_at = now

    async def _grant(self, old: Tokens | None, now: datetime) -> Tokens:
        account = self._account
        if account.grant == "refresh" and old and old.refresh and not old.spent:
            self._instead_of = msgspec.structs.replace(old, spent=True)
            await self._write(self._instead_of)
            form = {"grant_type": "refresh_token", "refresh_token": old.refresh}
            status, answer = await self._post(form)
            if status == 200:
                return _tokens(answer, now)
            if status in _TURNED_AWAY:
                await self._save(old)  # it was not used up
            if status != 400:
                raise ZapCloudUnavailable(f"ZapCloud's token service answered {status}")
            telemetry.warning("login.refresh_refused", error=_field(answer, "error"))
        form = {"grant_type": "password", "username": account.username, "password": account.password}
        if account.grant == "refresh":
            form["scope"] = "offline_access"
        status, answer = await self._post(form)
        if status == 400:
            telemetry.warning("login.refused", error=_field(answer, "error"))
            raise ZapCloudError("ZapCloud refused the login; check the account's name and password")
        if status != 200:
            raise ZapCloudUnavailable(f"ZapCloud's login answered {status}")
        return _tokens(answer, now)


def _tokens(answer: Any, now: datetime) -> Tokens:
    fields = {str(name).lower(): part for name, part in answer.items()} if isinstance(answer, dict) else {}
    access, refresh, seconds = fields.get("access_token"), fields.get("refresh_token"), fields.get("expires_in")
    if not isinstance(access, str) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_SECONDS:
        raise ZapCloudError("ZapCloud's login answered without a token or its lifetime")
    lifetime = timedelta(seconds=seconds)
    renew_at = now + max(lifetime - _RENEW_BEFORE, lifetime / 2)
    return Tokens(access=access, renew_at=renew_at, refresh=refresh if isinstance(refresh, str) else None)


def _field(answer: Any, name: str) -> str | None:
    """An OAuth error code, as far as it looks like one: it goes into the log."""
    code = answer.get(name) if isinstance(answer, dict) else None
    return code if isinstance(code, str) and code.replace("_", "").isalnum() and len(code) < 40 else None
