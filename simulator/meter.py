"""The key that a charger's calibrated meter signs its readings with.

The curve and the hash are those of a signed session of a live Zaptec Pro MID (stelund/charging-costs). In which form
Zaptec publishes the public key, as observation 981 (MIDPublicKey), is not documented: here it is the
SubjectPublicKeyInfo (RFC 5480) in base64.
"""

import base64
from functools import cached_property
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHM = "ECDSA-secp384r1-SHA256"
KEY_BITS = 383
"""Any number of so many bits is below the order of the curve."""


class MeterKey:
    """A key pair drawn from a seeded source. Signatures are those of RFC 6979: the same text has the same one."""

    def __init__(self, source: Random) -> None:
        self._number = source.getrandbits(KEY_BITS) + 1

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self._number, ec.SECP384R1())

    @cached_property
    def public_key(self) -> str:
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def sign(self, text: str) -> str:
        """The signature of `text`, DER in base64."""
        signature = self._key.sign(text.encode(), ec.ECDSA(SHA256(), deterministic_signing=True))
        return base64.b64encode(signature).decode()
