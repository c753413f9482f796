"""Table `ChargerHistory`: per charger and minute the newest observation of what is metered (power, energy, currents).

Partition = installation and day in UTC, row = charger and minute, so that the chargers of a minute share a transaction
and no minute can be there twice.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from shared.storage.newest import NewestRows, Wanted
from shared.storage.table import Tables

_REMEMBERED_CHARACTERS = 20_000_000
_DAY = timedelta(days=1)


class Minute(msgspec.Struct, frozen=True):
    """A minute of a charger: when it began, and texts by state id."""

    at: datetime
    texts: Mapping[int, str]


class ChargerHistory:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["ChargerHistory"]
        self._rows = NewestRows(self._table, _REMEMBERED_CHARACTERS, mostly_new=True)

    async def merge(self, installation_id: str, minutes: Mapping[tuple[str, datetime], Mapping[int, str]]) -> None:
        """Store, per charger and minute, what is newer than what is there; may be repeated after StorageUnavailable."""
        days: dict[str, dict[str, Wanted]] = {}
        for (charger_id, at), texts in minutes.items():
            rows = days.setdefault(_partition(installation_id, at), {})
            rows[f"{charger_id}|{at:%H%M}"] = Wanted({f"o{state}": text for state, text in texts.items()})
        for partition, rows in days.items():
            await self._rows.merge(partition, rows)

    async def read(self, installation_id: str, charger_id: str, start: datetime, end: datetime) -> list[Minute]:
        """The minutes that began from `start` until before `end`, in order of time."""
        found: list[Minute] = []
        day = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < end:
            rows = await self._table.partition(
                _partition(installation_id, day), after=f"{charger_id}|", before=f"{charger_id}|~"
            )
            for row in rows:
                clock = row.key.rpartition("|")[2]
                at = day + timedelta(hours=int(clock[:2]), minutes=int(clock[2:]))
                if start <= at < end:
                    texts = {int(name[1:]): text for name, text in row.properties.items() if name[1:].isdecimal()}
                    found.append(Minute(at, texts))
            day += _DAY
        return found


def _partition(installation_id: str, at: datetime) -> str:
    return f"{installation_id}|{at:%Y%m%d}"


def merged_minutes(one: list[Minute], other: list[Minute]) -> list[Minute]:
    """What two partitions know of one charger's minutes, together and in order of time."""
    texts: dict[datetime, dict[int, str]] = {}
    for minute in (*one, *other):
        known = texts.setdefault(minute.at, {})
        known |= {state: text for state, text in minute.texts.items() if text > known.get(state, "")}
    return [Minute(at, known) for at, known in sorted(texts.items())]
