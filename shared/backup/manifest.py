"""What a backup consists of. The manifest is written last: blobs without one are no backup."""

import hashlib
import hmac
from datetime import UTC, datetime

import msgspec

from shared.errors import BackupUnusable

FORMAT = 1
_NAME = "manifest.json"
_PURPOSE = b"zapbridge backup: under which identity key are the ids of these tokens"


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One blob: gzip of up to a few megabytes of lines of one table. `sha256` (hex) and `bytes` are the blob's."""

    blob: str
    table: str
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`key_fingerprint` tells whether two identity keys are the same, and nothing else of them; "" where the key was
    not known to whoever made the backup."""

    format: int = FORMAT
    backup: str
    started: datetime
    ended: datetime
    schema_version: int
    key_fingerprint: str
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def backup_name(started: datetime) -> str:
    """The instant it was begun; names sort by time."""
    return started.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def manifest_blob(backup: str) -> str:
    return f"{backup}/{_NAME}"


def backup_of(blob: str) -> str | None:
    """The backup whose manifest a blob is, None for another blob."""
    backup, slash, name = blob.rpartition("/")
    return backup if slash and name == _NAME else None


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def decode(content: bytes) -> Manifest:
    """Raises BackupUnusable where it cannot be read by this version."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupUnusable(f"the manifest cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BackupUnusable(f"the backup has format {manifest.format}, this version reads {FORMAT}")
    return manifest


def fingerprint(identity_key: str) -> str:
    return hmac.new(identity_key.encode(), _PURPOSE, hashlib.sha256).hexdigest()[:16]


def digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
