"""Table `Chargers`: each charger twice, under its UUID and under its serial, so that either finds it in one read."""

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Tables

_ROW = "charger"
_SERIAL_ROW = "serial"


class Charger(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`device_id` is the serial, such as ZAP000123; ZapCloud's own `SerialNo` is another word for the name."""

    id: str
    installation_id: str
    device_id: str = ""
    name: str = ""


class Chargers:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Chargers"]

    async def get(self, charger_id: str) -> Charger | None:
        """The charger of a canonical UUID."""
        row = await self._table.get(charger_id, _ROW)
        return from_properties(Charger, row.properties) if row else None

    async def by_serial(self, serial: str) -> Charger | None:
        row = await self._table.get(serial.upper(), _SERIAL_ROW)
        return from_properties(Charger, row.properties) if row else None

    async def put(self, charger: Charger) -> None:
        """Store both rows where they are not there yet as they should be, and take a former serial's away."""
        known = await self.get(charger.id)
        if known and known.device_id not in {"", charger.device_id}:
            await self._table.delete(known.device_id.upper(), _SERIAL_ROW)
        if charger.device_id and await self.by_serial(charger.device_id) != charger:
            await self._table.upsert(charger.device_id.upper(), _SERIAL_ROW, to_properties(charger))
        if known != charger:
            await self._table.upsert(charger.id, _ROW, to_properties(charger))

    async def page(self, after: str, limit: int, installation_id: str | None = None) -> list[Charger]:
        """Up to `limit` chargers, of one installation if given, by id, after the id `after` ("" for the first page)."""
        where = ("installationId", installation_id) if installation_id else None
        rows = await self._table.scan(key=_ROW, beyond=after, where=where, limit=limit)
        return [from_properties(Charger, row.properties) for row in rows]

    async def all(self) -> list[Charger]:
        return [from_properties(Charger, row.properties) for row in await self._table.scan(key=_ROW)]
