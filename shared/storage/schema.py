"""How the tables stand: their schema version, and how far an upgrade of them, or a restore into them, has come.

Rows of table `Credentials`. Version 1 is also that of an account without the row: it is older than the row, or empty,
and an upgrade suits both.
"""

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Tables

SCHEMA_VERSION = 2
"""What this version of the app writes. 2: entries of the session index tell what is billable, flagged and signed."""
_PARTITION, _SCHEMA, _RESTORE = "upkeep", "schema", "restore"


class Standing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`reached` is how far the step to the next version has come, "" where it has not begun."""

    version: int = 1
    reached: str = ""


class RestoreMark(msgspec.Struct, frozen=True, rename="camel"):
    """A restore under way: of which backup, how many of its parts are written, and whether all was found equal."""

    backup: str
    parts: int = 0
    equal: bool = False


class Schema:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Credentials"]

    async def standing(self) -> Standing:
        row = await self._table.get(_PARTITION, _SCHEMA)
        return from_properties(Standing, row.properties) if row else Standing()

    async def version(self) -> int:
        return (await self.standing()).version

    async def put(self, standing: Standing) -> None:
        await self._table.upsert(_PARTITION, _SCHEMA, to_properties(standing))

    async def restore(self) -> RestoreMark | None:
        row = await self._table.get(_PARTITION, _RESTORE)
        return from_properties(RestoreMark, row.properties) if row else None

    async def put_restore(self, mark: RestoreMark) -> None:
        await self._table.upsert(_PARTITION, _RESTORE, to_properties(mark))

    async def end_restore(self) -> None:
        await self._table.delete(_PARTITION, _RESTORE)

    async def standing_and_restore(self) -> tuple[Standing, RestoreMark | None]:
        """Both by one request."""
        rows = {row.key: row.properties for row in await self._table.partition(_PARTITION)}
        standing = from_properties(Standing, rows[_SCHEMA]) if _SCHEMA in rows else Standing()
        return standing, from_properties(RestoreMark, rows[_RESTORE]) if _RESTORE in rows else None
