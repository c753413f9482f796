"""Brings a backup back into an empty account, and shows that all of it is there.

Before a row is written the whole backup is read and its digests are compared. How far the writing came is kept in a row
of the account, so that an interrupted restore goes on; rows that were written already are written again, to the same
effect. While that row is there the app's timers rest (`functions/timed.py`).
"""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import groupby

import msgspec

from shared.backup.account import has_rows, make, pages, write
from shared.backup.container import BackupContainer
from shared.backup.contents import KEPT, Kept
from shared.backup.entities import key_of, lines_of
from shared.backup.manifest import Manifest, Part, backup_of, decode, digest, manifest_blob
from shared.errors import BackupUnusable, Conflict
from shared.storage.schema import SCHEMA_VERSION, RestoreMark, Schema, Standing
from shared.storage.table import Tables

type Advance = Callable[[int], None]
"""Told of each number of rows that were done."""

_KNOWN_TABLES = {kept.table for kept in KEPT}
_PROJECTIONS = (Kept("SessionIndex"),)


class Difference(msgspec.Struct, frozen=True):
    """A row that is `missing` in the account, `added` there, or there with other values (`changed`)."""

    kind: str
    table: str
    partition: str
    key: str


async def backups(container: BackupContainer) -> list[str]:
    """Names of all backups in a container, the latest first."""
    return sorted((name for blob in await container.names() if (name := backup_of(blob))), reverse=True)


async def manifest_of(container: BackupContainer, backup: str) -> Manifest:
    """Raises BackupUnusable where there is none: it was not finished, or never begun."""
    content = await container.get(manifest_blob(backup))
    if content is None:
        raise BackupUnusable(f"there is no backup {backup}, or it was never finished")
    return decode(content)


class Restore:
    """Of one backup, into the account of `tables`. Raises BackupUnusable as soon as something is not as it should be,
    StorageUnavailable where storage does not answer."""

    def __init__(self, container: BackupContainer, tables: Tables, manifest: Manifest) -> None:
        self._container = container
        self._tables = tables
        self._manifest = manifest
        self._schema = Schema(tables)

    def require_known(self) -> None:
        """Raises BackupUnusable where a newer version of the app made the backup."""
        if self._manifest.schema_version > SCHEMA_VERSION:
            told = f"the backup has schema version {self._manifest.schema_version}, this version knows {SCHEMA_VERSION}"
            raise BackupUnusable(f"{told}; use the version of zapbridge that made it")
        if unknown := sorted({part.table for part in self._manifest.parts} - _KNOWN_TABLES):
            raise BackupUnusable(f"this version knows no table {', '.join(unknown)}; use the one that made the backup")

    async def verify(self, advance: Advance) -> None:
        """Read every part, and find it as it was when the backup was made."""
        for part in self._manifest.parts:
            if sum(1 for _ in await self._lines(part)) != part.rows:
                raise BackupUnusable(f"{part.blob} has another number of rows than the manifest says")
            advance(part.rows)

    async def begun(self, *, resume: bool) -> RestoreMark | None:
        """Make sure that the account is empty, or, to `resume`, that this very restore was begun there, and then return
        how far it came. Changes nothing. Raises Conflict."""
        mark = await self._schema.restore()
        if mark and resume:
            if mark.backup != self._manifest.backup:
                raise Conflict(f"what was begun in that account is the restore of {mark.backup}")
            return mark
        if mark:
            raise Conflict(f"the restore of {mark.backup} was begun in that account; go on with it by --resume")
        if resume:
            raise Conflict("no restore was begun in that account, or it was completed; leave out --resume")
        for kept in (*KEPT, *_PROJECTIONS):
            if await has_rows(self._tables.service(), kept):
                raise Conflict(f"the account is not empty: table {kept.table} has rows; nothing was changed")
        return None

    async def begin(self, *, resume: bool) -> RestoreMark:
        """Make the tables and the mark of this restore, or find those of the one to `resume`; returns how far it came.
        Raises Conflict as `begun` does."""
        if mark := await self.begun(resume=resume):
            return mark
        await make(self._tables.service(), (kept.table for kept in (*KEPT, *_PROJECTIONS)))
        mark = RestoreMark(self._manifest.backup)
        await self._schema.put_restore(mark)
        return mark

    async def write(self, done: int, advance: Advance) -> None:
        """Write all parts after the first `done`."""
        for number, part in enumerate(self._manifest.parts[done:], done + 1):
            await write(self._tables.service(), part.table, await self._lines(part))
            await self._schema.put_restore(RestoreMark(self._manifest.backup, number))
            advance(part.rows)

    async def differences(self, advance: Advance) -> AsyncIterator[Difference]:
        """Compare the account with the backup, row by row; nothing where all is equal."""
        by_table = {name: list(parts) for name, parts in groupby(self._manifest.parts, key=lambda part: part.table)}
        for kept in KEPT:
            stored = _rows(pages(self._tables.service(), kept))
            wanted = self._rows_of(by_table.get(kept.table, []), advance)
            async for kind, (partition, key) in _compared(wanted, stored):
                yield Difference(kind, kept.table, partition, key)

    async def found_equal(self) -> None:
        """Remember it: what is completed from now on, the backup does not have."""
        await self._schema.put_restore(RestoreMark(self._manifest.backup, len(self._manifest.parts), equal=True))

    async def complete(self) -> None:
        """From now on the account is one like any other, of the schema version that the backup has."""
        await self._schema.put(Standing(version=self._manifest.schema_version))
        await self._schema.end_restore()

    async def _rows_of(self, parts: Iterable[Part], advance: Advance) -> AsyncIterator[bytes]:
        for part in parts:
            for line in await self._lines(part):
                yield line
            advance(part.rows)

    async def _lines(self, part: Part) -> list[bytes]:
        blob = await self._container.get(part.blob)
        if blob is None:
            raise BackupUnusable(f"{part.blob} is gone")
        if digest(blob) != part.sha256:
            raise BackupUnusable(f"{part.blob} is not what was backed up: its SHA-256 is another one")
        try:
            return list(lines_of(await asyncio.to_thread(gzip.decompress, blob)))
        except (OSError, EOFError, zlib.error) as error:
            raise BackupUnusable(f"{part.blob} cannot be unpacked") from error


async def _rows(read: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for page in read:
        for line in page:
            yield line


async def _compared(
    wanted: AsyncIterator[bytes], stored: AsyncIterator[bytes]
) -> AsyncIterator[tuple[str, tuple[str, str]]]:
    """What differs between two tables in order of their keys."""
    ours, theirs = await anext(wanted, None), await anext(stored, None)
    while ours is not None or theirs is not None:
        if ours == theirs:
            ours, theirs = await anext(wanted, None), await anext(stored, None)
            continue
        our_key = key_of(ours) if ours is not None else None
        their_key = key_of(theirs) if theirs is not None else None
        if our_key is not None and our_key == their_key:
            yield "changed", our_key
            ours, theirs = await anext(wanted, None), await anext(stored, None)
        elif our_key is not None and (their_key is None or our_key < their_key):
            yield "missing", our_key
            ours = await anext(wanted, None)
        elif their_key is not None:
            yield "added", their_key
            theirs = await anext(stored, None)
