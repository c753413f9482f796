"""Where an address in Zaptec Portal leads: to us, or wrong in which way."""

from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

import msgspec

from shared.errors import InvalidInput
from shared.loopback import is_loopback

_ENTRA = {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
"""Where Microsoft Entra ID issues tokens (Microsoft Learn, "National clouds")."""
_PORTS = {"http": 80, "https": 443}


class Leads(StrEnum):
    NOWHERE = "nowhere"
    """The field is empty."""
    TO_US = "to-us"
    NOT_HTTPS = "not-https"
    """To us, but unencrypted."""
    WRONG_PATH = "wrong-path"
    """To us, but to nothing that answers there."""
    ELSEWHERE = "elsewhere"
    TO_ENTRA = "to-entra"
    """To Microsoft Entra ID, which can stand in for our own token service."""


class OurAddresses(msgspec.Struct, frozen=True, rename="camel"):
    """What is to be pasted into Zaptec Portal."""

    session_start_url: str
    session_end_url: str
    authentication_url: str


def our_addresses(base: str) -> OurAddresses:
    """The addresses at a site, such as https://my-zapbridge.azurewebsites.net.

    Unencrypted is only what stays on one machine: in Azure encryption ends in front of the host, which may therefore
    see a request as unencrypted. Raises InvalidInput where `base` is more, or less, than scheme and host.
    """
    parts = _split(base)
    if parts is None or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise InvalidInput("a parameter is wrong", {"base": "must be like https://my-zapbridge.azurewebsites.net"})
    scheme = parts.scheme if is_loopback(parts.hostname) else "https"
    root = f"{scheme}://{parts.netloc}/api"
    return OurAddresses(f"{root}/hooks/session-start", f"{root}/hooks/session-end", f"{root}/oauth/token")


def leads(configured: str, ours: str) -> Leads:
    """Where `configured` leads, if `ours` is the address it should be. A query does not matter."""
    if not configured:
        return Leads.NOWHERE
    found, wanted = _split(configured), urlsplit(ours)
    if found is None or found.hostname != wanted.hostname:
        return Leads.TO_ENTRA if found and found.hostname in _ENTRA else Leads.ELSEWHERE
    if found.scheme != wanted.scheme:
        return Leads.NOT_HTTPS if found.scheme == "http" else Leads.ELSEWHERE
    if _port(found) != _port(wanted):
        return Leads.ELSEWHERE
    return Leads.TO_US if found.path == wanted.path else Leads.WRONG_PATH


def _split(text: str) -> SplitResult | None:
    """None for what is no http(s) address."""
    try:
        parts = urlsplit(text)
        _port(parts)
    except ValueError:
        return None
    return parts if parts.scheme in _PORTS and parts.hostname else None


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
