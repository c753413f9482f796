"""Whether we would believe ZapCloud: the authentication payload of Zaptec Portal, held against our hook credentials.

No part of a payload goes into an answer, a message or a log.
"""

from enum import StrEnum
from urllib.parse import parse_qsl

from shared.readiness.address import Leads
from shared.security.hook_credentials import HookCredentials, digest_of
from shared.security.principal import Principal
from shared.storage.credentials import HookCredential

_MOST_FIELDS = 20
_NAMES = {"password": ("username", "password"), "client_credentials": ("client_id", "client_secret")}
"""By OAuth grant (RFC 6749, 4.3 and 4.4), the fields of name and secret; HTTP Basic has those of the first (guide
6.5.8, "Configuration")."""


class Caller(StrEnum):
    """What we would say to ZapCloud's credential."""

    BELIEVED = "believed"
    BY_OLDER_SECRET = "by-older-secret"  # noqa: S105 - a verdict
    """A next secret was made; this is the one before it, which works until it is retired."""
    NO_PAYLOAD = "no-payload"
    UNREADABLE = "unreadable"
    """Name or secret cannot be found in it."""
    UNKNOWN = "unknown"
    """No hook credential has this name."""
    WRONG_SECRET = "wrong-secret"  # noqa: S105 - a verdict
    OTHER_INSTALLATION = "other-installation"
    """The credential may not speak for this installation."""
    BY_ENTRA = "by-entra"
    """An Entra application we know; only Entra can tell whether its secret is right."""
    NOT_JUDGED = "not-judged"
    """The payload goes to somebody we do not know."""


async def judge_caller(
    credentials: HookCredentials, payload: str, authentication_url: Leads, installation_id: str
) -> Caller:
    """Raises StorageUnavailable."""
    if authentication_url is Leads.ELSEWHERE:
        return Caller.NOT_JUDGED
    if not payload:
        return Caller.NO_PAYLOAD
    fields = _fields(payload)
    if authentication_url is Leads.TO_ENTRA:
        application = fields.get("client_id")
        known = await credentials.by_entra_app(application) if application else None
        if known is None:
            return Caller.UNKNOWN if application else Caller.UNREADABLE
        return Caller.BY_ENTRA if _speaks_for(known, installation_id) else Caller.OTHER_INSTALLATION
    grant = "password" if authentication_url is Leads.NOWHERE else fields.get("grant_type", "")
    name, secret = (fields.get(field) for field in _NAMES.get(grant, ("", "")))
    if not name or not secret:
        return Caller.UNREADABLE
    credential = await credentials.check(name, secret)
    if credential is None:
        has_name = await credentials.by_fingerprint(name, lambda _: True)
        return Caller.WRONG_SECRET if has_name else Caller.UNKNOWN
    if not _speaks_for(credential, installation_id):
        return Caller.OTHER_INSTALLATION
    return Caller.BELIEVED if digest_of(secret) == credential.sha256[-1] else Caller.BY_OLDER_SECRET


def _fields(payload: str) -> dict[str, str]:
    """A form's fields, read as our token service reads them; none where it is no form."""
    try:
        return dict(parse_qsl(payload, keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def _speaks_for(credential: HookCredential, installation_id: str) -> bool:
    return Principal(credential.name, credential.installations).may_speak_for(installation_id)
