"""The key that a charger's meter signs with, its public half, as somebody may write it down.

Zaptec publishes it as observation 981 (MIDPublicKey) in a form that is not documented; the charger firmware writes it
as PEM, on the curve secp384r1 (smjothen/ApolloESP32Application, mid_sign.c). So PEM is read, also with its line breaks
lost or spelled \\n, the SubjectPublicKeyInfo inside it (RFC 5480) in base64 or hex, and the bare point (SEC 1, 2.3.3)
in either, with or without the byte that says it is not compressed. A bare point does not name its curve, which its
length then tells, among the curves of NIST.
"""

import base64
import re
from hashlib import sha256

import msgspec

from shared.errors import InvalidInput

_LONGEST = 4096
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*)-----END \1-----", re.DOTALL)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_UNCOMPRESSED, _COMPRESSED = b"\x04", (b"\x02", b"\x03")
_BARE_LENGTHS = (64, 96, 132)
"""Of both coordinates on secp256r1, secp384r1 and secp521r1, in bytes."""


class PublicKey(msgspec.Struct, frozen=True):
    """A public key of an elliptic curve."""

    der: bytes
    """The SubjectPublicKeyInfo."""
    curve: str

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the SubjectPublicKeyInfo, in hex: `openssl pkey -pubin -outform der | sha256sum`."""
        return sha256(self.der).hexdigest()


def read_public_key(text: str) -> PublicKey:
    """Raises InvalidInput saying what is wrong with it."""
    from pyocmf import PublicKey as PyocmfPublicKey
    from pyocmf import PyOCMFError

    content = _bytes_in(text)
    der = _subject_public_key_info(content) if _is_point(content) else content
    try:
        curve = PyocmfPublicKey.from_string(der.hex()).curve
    except PyOCMFError as error:
        raise _wrong("is not a public key of an elliptic curve that OCMF knows") from error
    return PublicKey(der, str(curve))


def _bytes_in(text: str) -> bytes:
    if len(text) > _LONGEST:
        raise _wrong(f"is longer than {_LONGEST} characters")
    content = text.replace("\\n", "\n").replace("\\r", "\r").strip()
    if pem := _PEM.fullmatch(content):
        if pem[1] != "PUBLIC KEY":
            raise _wrong(f'is PEM of "{pem[1]}"; what is needed is PEM of "PUBLIC KEY"')
        content = pem[2]
    content = "".join(content.split())
    if not content:
        raise _wrong("is empty")
    if _HEX.fullmatch(content):
        return bytes.fromhex(content)
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise _wrong("is neither PEM nor base64 nor hex") from error


def _is_point(content: bytes) -> bool:
    """No SubjectPublicKeyInfo that names its curve is as long as a point without its first byte."""
    return content.startswith((_UNCOMPRESSED, *_COMPRESSED)) or len(content) in _BARE_LENGTHS


def _subject_public_key_info(point: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if len(point) in _BARE_LENGTHS:
        point = _UNCOMPRESSED + point
    curves: dict[int, ec.EllipticCurve] = {32: ec.SECP256R1(), 48: ec.SECP384R1(), 66: ec.SECP521R1()}
    curve = curves.get(len(point) - 1 if point.startswith(_COMPRESSED) else (len(point) - 1) // 2)
    if curve is None:
        raise _wrong("is no point of secp256r1, secp384r1 or secp521r1, by its length")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError as error:
        raise _wrong(f"is not a point of {curve.name}") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _wrong(fault: str) -> InvalidInput:
    return InvalidInput(f"the public key {fault}", {"publicKey": fault})
