"""Table `Reconciliation`: per installation, how far ZapCloud's lists of finished sessions were read."""

from datetime import datetime

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Tables

_KEY = "mark"


class Mark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far an installation's sessions were read; None where they never were.

    `history_until`: all that began before was read, as charge history was then. `deep_reached`: how far the deep
    re-reading under way has come, and `deep_at` when the last one was complete; `year_reached` and `year_at`: the same
    of the one of a year. `archive_until`: all that ended before was read from the archive; `archive_cursor`: where the
    reading under way goes on, of all that ended from `archive_from` until `archive_to`.
    """

    read_at: datetime | None = None
    history_until: datetime | None = None
    deep_reached: datetime | None = None
    deep_at: datetime | None = None
    year_reached: datetime | None = None
    year_at: datetime | None = None
    archive_until: datetime | None = None
    archive_cursor: str | None = None
    archive_from: datetime | None = None
    archive_to: datetime | None = None


class Reconciliation:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Reconciliation"]

    async def mark(self, installation_id: str) -> Mark:
        row = await self._table.get(installation_id, _KEY)
        return from_properties(Mark, row.properties) if row else Mark()

    async def set_mark(self, installation_id: str, mark: Mark) -> None:
        await self._table.upsert(installation_id, _KEY, to_properties(mark))
