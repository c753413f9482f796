"""Who may use the REST API: the token service, and how often.

ZapCloud grants tokens for a password and, with the scope offline_access, single-use refresh tokens (guide 6.5.8,
pp. 3-4). Using one again makes all that stem from the same login bad, as users of the live service have seen. Each user
may make 10 requests a second with a burst of 15 (docs.zaptec.com, "API rate limiting").
"""

import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from simulator.world import World

RATE_PER_S = 10.0
BURST = 15.0
RETRY_AFTER_S = 1


class InvalidGrantError(Exception):
    """The credentials are not good; the message is the `error_description`."""


class RefreshToken(msgspec.Struct):
    """A single-use refresh token; its family are those that stem from one login."""

    user: str
    family: int
    expiry: datetime
    used: bool = False


class TokenService:
    """Issues and checks access tokens; they live in simulated time."""

    def __init__(self, world: World, username: str, password: str) -> None:
        self._world = world
        self._passwords = {username: password}
        self._access: dict[str, tuple[str, datetime]] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._families = itertools.count()
        self._dead: set[int] = set()

    def grant(self, form: Mapping[str, str]) -> dict[str, str | int]:
        """Answer a request for a token.

        Raises:
            InvalidGrantError: wrong user or password, a refresh token that is unknown, expired or used before (which
                makes the others of its family bad as well), or another grant type.
        """
        match form.get("grant_type"):
            case "password":
                user = form.get("username", "")
                if user not in self._passwords or self._passwords[user] != form.get("password"):
                    raise InvalidGrantError("invalid_username_or_password")
                family = next(self._families) if "offline_access" in form.get("scope", "").split() else None
            case "refresh_token":
                token = self._use(form.get("refresh_token", ""))
                user, family = token.user, token.family
            case _:
                raise InvalidGrantError("The grant type is not supported.")
        return self._issue(user, family)

    def user_of(self, access_token: str) -> str | None:
        """Whose token it is, if it is still good."""
        user, expiry = self._access.get(access_token, ("", self._world.now()))
        return user if self._world.now() < expiry else None

    def revoke_all(self) -> None:
        """Make every access token bad, as a rotation of ZapCloud's signing keys would."""
        self._access.clear()

    def _use(self, refresh_token: str) -> RefreshToken:
        token = self._refresh.get(refresh_token)
        if token is None or token.expiry <= self._world.now():
            raise InvalidGrantError("The specified refresh token is invalid or has expired.")
        if token.used:
            self._dead.add(token.family)
            raise InvalidGrantError("Refresh token re-use was detected.")
        if token.family in self._dead:
            raise InvalidGrantError("The specified refresh token was revoked.")
        token.used = True
        return token

    def _issue(self, user: str, family: int | None) -> dict[str, str | int]:
        life_s = self._world.settings.access_token_s
        token = self._world.secret()
        self._access[token] = (user, self._world.now() + timedelta(seconds=life_s))
        answer: dict[str, str | int] = {"access_token": token, "token_type": "Bearer", "expires_in": life_s}
        if family is not None:
            refresh = answer["refresh_token"] = self._world.secret()
            expiry = self._world.now() + timedelta(seconds=self._world.settings.oauth_refresh_life_s)
            self._refresh[refresh] = RefreshToken(user, family, expiry)
        return answer


class RateLimit:
    """A bucket per user, filled in simulated time.

    In virtual time the clock cannot move while the caller's own caller is being waited for, so that a refusal stands
    for the second it asks the caller to wait, and fills the bucket as that second would.
    """

    def __init__(self, world: World, *, virtual: bool) -> None:
        self._world = world
        self._virtual = virtual
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def allows(self, user: str) -> bool:
        now = self._world.now()
        level, since = self._buckets.get(user, (BURST, now))
        level = min(BURST, level + RATE_PER_S * (now - since).total_seconds())
        allowed = level >= 1
        if allowed:
            level -= 1
        elif self._virtual:
            level += RATE_PER_S * RETRY_AFTER_S
        self._buckets[user] = (level, now)
        return allowed
