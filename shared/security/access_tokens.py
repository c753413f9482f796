"""The built-in token service: what "Authentication URL" in Zaptec Portal points at.

It takes the form-encoded grants that the portal's "Authentication payload" spells out (guide 6.5.8, "Configuration"):
password, and client_credentials (RFC 6749, 4.3 and 4.4). A token is a JWT of an hour that holds only as long as the
secret it was issued for: rotating the secret ends it. Checking one needs no storage.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

import jwt

from shared.clock import Clock
from shared.errors import ZapbridgeError
from shared.security.hook_credentials import HookCredentials, digest_of
from shared.security.principal import Principal

LIFETIME = timedelta(hours=1)
_ISSUER = "zapbridge"
_AUDIENCE = "zapbridge-hooks"
_MAX_FORM_BYTES = 16 * 1024


class GrantRefused(ZapbridgeError):
    """`code` is the error of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class TokenService:
    def __init__(self, clock: Clock, identity_key: str, credentials: HookCredentials) -> None:
        self._clock = clock
        self._key = hmac.new(identity_key.encode(), b"access-tokens", hashlib.sha256).digest()
        self._credentials = credentials

    async def issue(self, form: bytes, authorization: str | None) -> str:
        """An access token for a form-encoded grant; raises GrantRefused, or StorageUnavailable."""
        name, secret, refusal = _credential_of(form, authorization)
        credential = await self._credentials.check(name, secret)
        if credential is None:
            raise GrantRefused(refusal, "the name or the secret is wrong")
        now = self._clock()
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": name,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "sec": _fingerprint(self._key, digest_of(secret)),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    async def principal(self, token: str) -> Principal | None:
        """Who a token was issued to; None where it is not ours, has expired, or its secret is valid no more."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub", "sec"]},
            )
        except jwt.InvalidTokenError:
            return None
        if self._clock() >= datetime.fromtimestamp(claims["exp"], tz=self._clock().tzinfo):
            return None
        credential = await self._credentials.by_fingerprint(
            claims["sub"], lambda digest: hmac.compare_digest(_fingerprint(self._key, digest), claims["sec"])
        )
        return Principal(credential.name, credential.installations) if credential else None


def basic_credential(authorization: str) -> tuple[str, str] | None:
    """Name and secret of a Basic authorization header (RFC 7617); None where it is not one."""
    scheme, _, parameter = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(parameter.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (name, secret) if colon else None


def _credential_of(form: bytes, authorization: str | None) -> tuple[str, str, str]:
    """Name, secret, and the error to answer with if they are wrong."""
    if len(form) > _MAX_FORM_BYTES:
        raise GrantRefused("invalid_request", "the form is too large")
    try:
        fields = dict(parse_qsl(form.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=20))
    except (UnicodeDecodeError, ValueError):
        raise GrantRefused("invalid_request", "expected application/x-www-form-urlencoded") from None
    match fields.get("grant_type"):
        case "password":
            name, secret, refusal = fields.get("username"), fields.get("password"), "invalid_grant"
        case "client_credentials":
            basic = basic_credential(authorization or "")
            name, secret = basic or (fields.get("client_id"), fields.get("client_secret"))
            refusal = "invalid_client"
        case None:
            raise GrantRefused("invalid_request", "grant_type is missing")
        case _:
            raise GrantRefused("unsupported_grant_type", "grant_type must be password or client_credentials")
    if not name or not secret:
        raise GrantRefused("invalid_request", "the name or the secret is missing")
    return name, secret, refusal


def _fingerprint(key: bytes, digest: str) -> str:
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()[:32]
