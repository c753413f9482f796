"""Table `ObservationKinds`: state ids that ZapCloud's constants named after this version was made.

Partition = device type ("any" for all), row = state id.
"""

import msgspec

from shared.storage.table import Row, Tables

_ANY = "any"


class StoredKind(msgspec.Struct, frozen=True):
    device_type: int | None
    id: int
    name: str


class ObservationKinds:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["ObservationKinds"]

    async def put(self, kind: StoredKind) -> None:
        partition = _ANY if kind.device_type is None else str(kind.device_type)
        await self._table.upsert(partition, str(kind.id), {"name": kind.name})

    async def all(self) -> list[StoredKind]:
        return [_kind(row) for row in await self._table.scan()]


def _kind(row: Row) -> StoredKind:
    return StoredKind(None if row.partition == _ANY else int(row.partition), int(row.key), row.properties["name"])
