"""The credentials ZapCloud calls the web hooks with: made here, shown once, kept as digests.

A secret has 256 random bits, so a plain SHA-256 of it gives nothing away. Two may be valid at once, which is how one is
rotated: add the next, paste it into Zaptec Portal, retire the first.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from shared.clock import Clock
from shared.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from shared.storage.cache import Cache
from shared.storage.credentials import Credentials, HookCredential

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")
_MAXIMUM_AGE = timedelta(seconds=30)
_REREAD_EVERY = timedelta(minutes=1)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOBODY = hashlib.sha256(b"").hexdigest()
_ALL = "all"


class HookCredentials:
    """Known credentials: those of the table, and beneath them those of a setting, which survive any outage."""

    def __init__(self, clock: Clock, repository: Credentials, configured: tuple[HookCredential, ...]) -> None:
        self._clock = clock
        self._repository = repository
        self._configured = {credential.name: credential for credential in configured}
        self._stored = Cache[str, dict[str, HookCredential]](clock, _MAXIMUM_AGE, self._read)
        self._reread_at: datetime | None = None

    async def check(self, name: str, secret: str) -> HookCredential | None:
        """The credential if the secret is one of its own; takes as long for a wrong secret as for an unknown name.

        Raises StorageUnavailable where the credential is not known here and storage cannot be asked.
        """
        digest = digest_of(secret)
        return await self.by_fingerprint(name, lambda known: hmac.compare_digest(known, digest))

    async def by_fingerprint(self, name: str, fits: Callable[[str], bool]) -> HookCredential | None:
        """The credential of that name if `fits` says so of the digest of one of its valid secrets."""
        if found := _match(self._configured.get(name), fits):
            return found
        found = _match((await self._stored.get(_ALL)).get(name), fits)
        if found is None and self._may_reread():
            found = _match((await self._stored.get(_ALL)).get(name), fits)
        return found

    async def by_entra_app(self, app_id: str) -> HookCredential | None:
        """The credential an Entra application calls with."""
        return _of_app(self._configured, app_id) or _of_app(await self._stored.get(_ALL), app_id)

    async def create(
        self, name: str, installations: tuple[str, ...], entra_app_id: str | None = None
    ) -> tuple[HookCredential, str | None]:
        """Store a credential, or replace what an existing one may speak for; a new one's secret is returned, once."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                "the credential cannot be stored",
                {"name": "must be 1 to 64 letters, digits, dots, hyphens or underscores"},
            )
        existing = (await self._repository.hooks()).get(name)
        secret = None if existing or entra_app_id else new_secret()
        digests = existing.sha256 if existing else (digest_of(secret),) if secret else ()
        credential = HookCredential(name=name, installations=installations, sha256=digests, entra_app_id=entra_app_id)
        await self._put(credential)
        return credential, secret

    async def rotate(self, name: str) -> str:
        """A next secret, valid beside the current one; raises Conflict while two are valid already."""
        existing = await self._existing(name)
        if len(existing.sha256) > 1:
            raise Conflict("two secrets are valid already; retire the older one first, once ZapCloud uses the newer")
        secret = new_secret()
        await self._put(msgspec.structs.replace(existing, sha256=(*existing.sha256, digest_of(secret))))
        return secret

    async def retire(self, name: str) -> None:
        """Only the newest secret is valid from now on."""
        existing = await self._existing(name)
        await self._put(msgspec.structs.replace(existing, sha256=existing.sha256[-1:]))

    async def delete(self, name: str) -> None:
        await self._repository.delete_hook(name)
        self._stored.expire(_ALL)

    async def all(self) -> list[HookCredential]:
        return sorted((await self._repository.hooks()).values(), key=lambda credential: credential.name)

    async def _existing(self, name: str) -> HookCredential:
        existing = (await self._repository.hooks()).get(name)
        if existing is None:
            raise NotFound("no such hook credential; create it first")
        return existing

    async def _put(self, credential: HookCredential) -> None:
        await self._repository.put_hook(credential)
        self._stored.expire(_ALL)

    async def _read(self, _: str) -> dict[str, HookCredential]:
        return await self._repository.hooks()

    def _may_reread(self) -> bool:
        """Whether what was read may be thrown away now, since somebody came with a credential not among it."""
        now = self._clock()
        if self._reread_at and now - self._reread_at < _REREAD_EVERY:
            return False
        self._reread_at = now
        self._stored.expire(_ALL)
        return True


def new_secret() -> str:
    return secrets.token_hex(32)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def configured_credentials(text: str) -> tuple[HookCredential, ...]:
    """The credentials of the setting ZAPBRIDGE_HOOK_CREDENTIALS, a JSON list; raises ConfigurationError."""
    try:
        found = msgspec.json.decode(text, type=tuple[HookCredential, ...])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"ZAPBRIDGE_HOOK_CREDENTIALS: {error}") from error
    credentials = tuple(
        msgspec.structs.replace(one, sha256=tuple(digest.lower() for digest in one.sha256)) for one in found
    )
    if not all(_DIGEST.fullmatch(digest) for one in credentials for digest in one.sha256):
        raise ConfigurationError("ZAPBRIDGE_HOOK_CREDENTIALS: each sha256 must be 64 hex digits")
    return credentials


def _of_app(known: Mapping[str, HookCredential], app_id: str) -> HookCredential | None:
    wanted = app_id.lower()
    return next((one for one in known.values() if one.entra_app_id and one.entra_app_id.lower() == wanted), None)


def _match(credential: HookCredential | None, fits: Callable[[str], bool]) -> HookCredential | None:
    valid = credential.sha256 if credential and credential.sha256 else (_NOBODY,)
    matches = [fits(digest) for digest in valid]
    return credential if credential and credential.sha256 and any(matches) else None
