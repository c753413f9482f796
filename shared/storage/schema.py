"""The schema version of the tables: one row of table `Credentials`, and how far an upgrade of it has come.

Version 1 is also that of an account without the row: it is older than the row, or empty, and an upgrade suits both.
"""

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Tables

SCHEMA_VERSION = 2
"""What this version of the app writes. 2: entries of the session index tell what is billable, flagged and signed."""
_PARTITION, _KEY = "upkeep", "schema"


class Standing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`reached` is how far the step to the next version has come, "" where it has not begun."""

    version: int = 1
    reached: str = ""


class Schema:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Credentials"]

    async def standing(self) -> Standing:
        row = await self._table.get(_PARTITION, _KEY)
        return from_properties(Standing, row.properties) if row else Standing()

    async def version(self) -> int:
        return (await self.standing()).version

    async def put(self, standing: Standing) -> None:
        await self._table.upsert(_PARTITION, _KEY, to_properties(standing))
