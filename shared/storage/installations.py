"""Table `Installations`: one row per installation we answer for."""

from datetime import datetime
from enum import StrEnum

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Tables

_PARTITION = "installation"


class Mode(StrEnum):
    """Who is let in: `enforce` those who may charge, `observe` everybody while noting what enforce would have said,
    `open` everybody.
    """

    ENFORCE = "enforce"
    OBSERVE = "observe"
    OPEN = "open"


class OutagePolicy(StrEnum):
    """What a driver with a card gets while storage is down."""

    REFUSE = "refuse"
    ALLOW_AND_MARK = "allow-and-mark"


class Installation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    name: str = ""
    mode: Mode = Mode.ENFORCE
    outage_policy: OutagePolicy = OutagePolicy.REFUSE
    card_grace_seconds: int = 60
    """In observe mode, how long a driver may take to find the card before being let in as "no card shown"."""
    time_zone: str = "Europe/Oslo"
    """IANA name; energy is told by its clock."""
    since: datetime | None = None
    """When we were first told of it; sessions that ended before are not ours to log."""


class Installations:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Installations"]

    async def get(self, installation_id: str) -> Installation | None:
        row = await self._table.get(_PARTITION, installation_id)
        return from_properties(Installation, row.properties) if row else None

    async def put(self, installation: Installation) -> None:
        await self._table.upsert(_PARTITION, installation.id, to_properties(installation))

    async def all(self) -> list[Installation]:
        """Every installation, by id."""
        return [from_properties(Installation, row.properties) for row in await self._table.partition(_PARTITION)]
