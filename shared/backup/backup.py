"""Makes a backup: every table that is worth it, as blobs of lines, and a manifest at the end.

Memory stays the same whatever there is to back up: a table is read by the page, and what has been read goes into the
next blob when it amounts to a few megabytes.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator

from shared import telemetry
from shared.backup.account import pages
from shared.backup.container import BackupContainer
from shared.backup.contents import KEPT, Kept
from shared.backup.manifest import Manifest, Part, backup_name, digest, encode, fingerprint, manifest_blob
from shared.clock import Clock
from shared.storage.schema import Schema
from shared.storage.table import Tables

_PART_BYTES = 8 * 1024 * 1024
"""Of lines in one blob, before they are compressed."""


class Backup:
    """`tables` is best an access of its own, with more patience than a web hook has. `identity_key` may be ""."""

    def __init__(self, clock: Clock, tables: Tables, container: BackupContainer, identity_key: str) -> None:
        self._clock = clock
        self._tables = tables
        self._container = container
        self._identity_key = identity_key

    async def run(self) -> Manifest:
        """Make a backup of now. Raises StorageUnavailable or Conflict, and what was written then is no backup."""
        started = self._clock()
        name = backup_name(started)
        await self._container.prepare()
        schema_version = await Schema(self._tables).version()
        parts = [part for kept in KEPT async for part in self._parts(name, kept)]
        manifest = Manifest(
            backup=name,
            started=started,
            ended=self._clock(),
            schema_version=schema_version,
            key_fingerprint=fingerprint(self._identity_key) if self._identity_key else "",
            parts=tuple(parts),
        )
        await self._container.add(manifest_blob(name), encode(manifest))
        seconds = (manifest.ended - started).total_seconds()
        telemetry.event("backup.completed", backup=name, rows=manifest.rows, bytes=manifest.bytes, seconds=seconds)
        return manifest

    async def _parts(self, backup: str, kept: Kept) -> AsyncIterator[Part]:
        number = 0
        async for rows, lines in _pieces(pages(self._tables.service(), kept)):
            number += 1
            blob = await asyncio.to_thread(gzip.compress, lines, 6, mtime=0)
            name = f"{backup}/{kept.table}-{number:05}.ndjson.gz"
            await self._container.add(name, blob)
            yield Part(blob=name, table=kept.table, rows=rows, bytes=len(blob), sha256=digest(blob))

    async def close(self) -> None:
        await self._tables.close()
        await self._container.close()


async def _pieces(read: AsyncIterator[list[bytes]]) -> AsyncIterator[tuple[int, bytes]]:
    """Pages put together to what makes one blob: the number of rows, and their lines."""
    rows, lines = 0, bytearray()
    async for page in read:
        for line in page:
            lines += line + b"\n"
            rows += 1
            if len(lines) >= _PART_BYTES:
                yield rows, bytes(lines)
                rows, lines = 0, bytearray()
    if rows:
        yield rows, bytes(lines)
