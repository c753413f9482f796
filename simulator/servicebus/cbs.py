"""Claims-based security: what a client may use, by the tokens it has put.

A client sends a shared access signature to the node `$cbs` (OASIS, "AMQP Claims-based Security 1.0"; Microsoft Learn,
"Service Bus access control with Shared Access Signatures"): `SharedAccessSignature sr=<resource>&sig=<signature>&
se=<expiry>&skn=<key name>`, each part URL-encoded, where the signature is HMAC-SHA256 with the key over the encoded
resource, a line feed and the expiry in seconds since 1970.
"""

import base64
import binascii
import hmac
from urllib.parse import quote_plus, unquote_plus

import msgspec

from simulator.servicebus import conditions
from simulator.servicebus.addresses import path_of
from simulator.servicebus.conditions import RefusedError

_SCHEME = "SharedAccessSignature"


class Key(msgspec.Struct, frozen=True):
    """A shared access key and its name."""

    name: str
    key: str


class Claim(msgspec.Struct, frozen=True):
    """A right to what lies under `path`, proven with a key, until `expires_at` (seconds since 1970)."""

    path: str
    key: Key
    expires_at: int

    def covers(self, path: str, key: Key | None, at: float) -> bool:
        """Whether it is good at the instant `at` for a path whose key is `key`."""
        return self.key == key and at < self.expires_at and _lies_under(path, self.path)


def check(token: str, audience: str, key: Key | None, at: float) -> Claim:
    """The right to an audience that a token gives at the instant `at` (seconds since 1970).

    Raises:
        RefusedError: it is not a signature for the audience with this key, or it has expired.
    """
    scheme, _, rest = token.partition(" ")
    parts = dict(part.partition("=")[::2] for part in rest.split("&"))
    if scheme != _SCHEME or not {"sr", "sig", "se", "skn"} <= parts.keys() or not parts["se"].isdecimal():
        raise RefusedError(conditions.UNAUTHORIZED, "InvalidSignature: the token is not a shared access signature.")
    if key is None or unquote_plus(parts["skn"]) not in (key.name, quote_plus(key.name)):
        raise RefusedError(conditions.UNAUTHORIZED, "InvalidSignature: no key has the name in the token.")
    signed = hmac.digest(key.key.encode(), f"{parts['sr']}\n{parts['se']}".encode(), "sha256")
    if not hmac.compare_digest(signed, _decoded(unquote_plus(parts["sig"]))):
        raise RefusedError(conditions.UNAUTHORIZED, "InvalidSignature: the token has an invalid signature.")
    path, expires_at = path_of(audience), int(parts["se"])
    if not _lies_under(path, path_of(unquote_plus(parts["sr"]))):
        raise RefusedError(conditions.UNAUTHORIZED, "InvalidAudience: the token is for another resource.")
    if at >= expires_at:
        raise RefusedError(conditions.UNAUTHORIZED, "ExpiredToken: the token has expired.")
    return Claim(path, key, expires_at)


def _lies_under(path: str, root: str) -> bool:
    return not root or f"{path}/".startswith(f"{root}/")


def _decoded(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
