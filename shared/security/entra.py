"""Microsoft Entra ID access tokens, checked against the tenant's published signing keys.

Source: "Access tokens in the Microsoft identity platform" and "Signing key rollover", Microsoft Learn: signature RS256
by a key of the tenant's JWKS, `iss`, `aud`, `nbf`, `exp`; the calling application is `azp` (v2.0) or `appid` (v1.0);
app roles are in `roles`. Keys roll without notice, so an unknown key id means: look again.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import jwt
import msgspec

from shared import telemetry
from shared.clock import EPOCH, Clock
from shared.errors import Unauthenticated

_KEYS_AGE = timedelta(hours=24)
_LOOK_AGAIN_EVERY = timedelta(minutes=1)
_SKEW = timedelta(minutes=5)
_FETCH_SECONDS = 5.0


class EntraCaller(msgspec.Struct, frozen=True):
    """An application or user with a valid token."""

    app_id: str
    roles: tuple[str, ...]


class EntraTokens:
    def __init__(self, clock: Clock, issuer: str, audience: str, jwks_url: str) -> None:
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def caller(self, token: str) -> EntraCaller:
        """Raises Unauthenticated, saying which check the token failed."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise Unauthenticated("the bearer token is not a JWT") from None
        key = await self._key(str(header.get("kid", "")))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuer,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp"]},
            )
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(f"the Entra token is not valid: {error}") from None
        self._check_times(claims)
        app_id = claims.get("azp") or claims.get("appid")
        roles = claims.get("roles", [])
        if not isinstance(app_id, str) or not isinstance(roles, list):
            raise Unauthenticated("the Entra token names no calling application")
        return EntraCaller(app_id, tuple(str(role) for role in roles))

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        try:
            expires = EPOCH + timedelta(seconds=float(claims["exp"]))
            begins = EPOCH + timedelta(seconds=float(claims.get("nbf", 0)))
        except (TypeError, ValueError, OverflowError):
            raise Unauthenticated("the Entra token's times are not numbers") from None
        if now >= expires + _SKEW:
            raise Unauthenticated("the Entra token has expired")
        if now < begins - _SKEW:
            raise Unauthenticated("the Entra token is not valid yet")

    async def _key(self, key_id: str) -> jwt.PyJWK:
        """The signing key of that id, from what was fetched, or fetched now if that is old or lacks it."""
        async with self._fetching:
            now = self._clock()
            old = self._fetched_at is None or now - self._fetched_at >= _KEYS_AGE
            may_try = self._tried_at is None or now - self._tried_at >= _LOOK_AGAIN_EVERY
            if (old or key_id not in self._keys) and may_try:
                self._tried_at = now
                await self._fetch(now)
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthenticated("the Entra token is signed by a key the tenant does not publish") from None

    async def _fetch(self, now: datetime) -> None:
        """Replace the known keys; where that fails, the ones we have go on serving."""
        try:
            async with httpx.AsyncClient(timeout=_FETCH_SECONDS) as client:
                response = await client.get(self._jwks_url)
            response.raise_for_status()
            published = jwt.PyJWKSet.from_json(response.text)
        except (AttributeError, httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            telemetry.warning("entra.keys_not_fetched", reason=type(error).__name__, keysKnown=len(self._keys))
            return
        self._keys = {key.key_id: key for key in published.keys if key.key_id}
        self._fetched_at = now
