"""Table `SessionIndex`: the sessions of an installation in order of time, a projection of `Sessions`.

Partition = installation and month, row = the instant the session is listed under and its id; both never change.
"""

from datetime import UTC, datetime, timedelta
from itertools import batched

import msgspec

from shared.errors import Conflict
from shared.storage.codec import from_properties, to_properties
from shared.storage.guard import MAX_TRANSACTION_ROWS
from shared.storage.table import Change, Tables

NO_INSTALLATION = "unknown"
"""Stands for the installation of a session of which only the end was heard."""


class DrawnEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where an entry is, and what it tells of ZapCloud's statements: `history` and `archived` name those of charge
    history and of the archive that it was drawn from, the others say what may be left to be found out."""

    session_id: str
    listed_at: datetime
    start_known: bool
    token_id: str | None = None
    signature: str | None = None
    history: str | None = None
    archived: str | None = None

    @property
    def row_key(self) -> str:
        return f"{instant_key(self.listed_at)}-{self.session_id}"


_DRAWN_PROPERTIES = [field.encode_name for field in msgspec.structs.fields(DrawnEntry)]


class SessionEntry(DrawnEntry, frozen=True, kw_only=True, rename="camel"):
    """A session as it is listed; energy in kWh. `facts` counts what it was drawn from: more facts, newer entry."""

    facts: int
    status: str
    unresolved: bool = False
    """Something is still waited for: its end, its figures, or whose session it is."""
    installation_id: str | None = None
    charger_id: str | None = None
    driver: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    energy_kwh: float | None = None
    source: str | None = None
    billable: bool = False
    flags: tuple[str, ...] = ()
    replaced_by: str | None = None
    token_name: str | None = None
    external_id: str | None = None

    @property
    def partition(self) -> str:
        return month_partition(self.installation_id, self.listed_at)


def instant_key(instant: datetime) -> str:
    """An instant as text that sorts by time."""
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def month_partition(installation_id: str | None, instant: datetime) -> str:
    return f"{installation_id or NO_INSTALLATION}|{instant.astimezone(UTC):%Y%m}"


def months(first: datetime, last: datetime) -> list[datetime]:
    """The beginnings of the months, in UTC, from that of the one instant to that of the other."""
    month = first.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    while month <= last:
        found.append(month)
        month = (month + timedelta(days=32)).replace(day=1)
    return found


class SessionIndex:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["SessionIndex"]

    async def put(self, entry: SessionEntry) -> None:
        """Write the entry unless a newer one of the same session, or the same, is there."""
        properties = to_properties(entry)
        while (row := await self._table.get(entry.partition, entry.row_key)) is not None:
            stored = from_properties(SessionEntry, row.properties)
            if stored.facts > entry.facts or stored == entry:
                return
            try:
                await self._table.transact([Change("replace", entry.partition, entry.row_key, properties, row.etag)])
            except Conflict:
                continue
            return
        if not await self._table.insert(entry.partition, entry.row_key, properties):
            await self.put(entry)

    async def put_new(self, entries: list[SessionEntry]) -> None:
        """Write entries of sessions that are listed nowhere yet, in as few transactions as they need."""
        partitions: dict[str, list[SessionEntry]] = {}
        for entry in entries:
            partitions.setdefault(entry.partition, []).append(entry)
        for partition, members in partitions.items():
            for batch in batched(members, MAX_TRANSACTION_ROWS, strict=False):
                try:
                    await self._table.transact(
                        [Change("insert", partition, entry.row_key, to_properties(entry)) for entry in batch]
                    )
                except Conflict:
                    for entry in batch:
                        await self.put(entry)

    async def forget(self, entry: SessionEntry, installation_id: str | None) -> None:
        """The session is no longer listed under this installation, or among those without one."""
        await self._table.delete(month_partition(installation_id, entry.listed_at), entry.row_key)

    async def page(self, partition: str, after: str, before: str | None, limit: int) -> list[SessionEntry]:
        """Up to `limit` entries of one installation's month whose row keys lie between `after` and `before`."""
        rows = await self._table.partition(partition, after=after, before=before, limit=limit)
        return [from_properties(SessionEntry, row.properties) for row in rows]

    async def drawn(
        self, partition: str, after: str, *, before: str | None = None, limit: int | None = None
    ) -> list[DrawnEntry]:
        """What up to `limit` entries of one installation's month were drawn from, whose row keys lie between."""
        rows = await self._table.partition(partition, after=after, before=before, limit=limit, select=_DRAWN_PROPERTIES)
        return [from_properties(DrawnEntry, row.properties) for row in rows]

    async def unresolved(self, partition: str) -> list[SessionEntry]:
        rows = await self._table.partition(partition, where=("unresolved", True))
        return [from_properties(SessionEntry, row.properties) for row in rows]
