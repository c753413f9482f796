"""What a backup holds, by table."""

import gzip

import msgspec

from shared.backup.container import BackupContainer
from shared.backup.manifest import backup_of, decode


class BackedUp(msgspec.Struct):
    """Of one table: how many rows, their lines, and what is left of these after compression."""

    rows: int = 0
    line_bytes: int = 0
    blob_bytes: int = 0


async def latest_backup(address: str) -> dict[str, BackedUp]:
    """The newest of the container at `address`. Raises LookupError where there is none, StorageUnavailable."""
    async with BackupContainer(address) as container:
        manifests = [name for name in await container.names() if backup_of(name)]
        if not manifests:
            raise LookupError("there is no backup")
        tables: dict[str, BackedUp] = {}
        for part in decode(await container.get(manifests[-1]) or b"").parts:
            table = tables.setdefault(part.table, BackedUp())
            table.rows += part.rows
            table.line_bytes += len(gzip.decompress(await container.get(part.blob) or b""))
            table.blob_bytes += part.bytes
        return tables
