"""Which installation a charger belongs to: all of them in memory, read anew where one is missing and now and then."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from shared import telemetry
from shared.clock import Clock
from shared.storage.charger_states import UNASSIGNED
from shared.storage.chargers import Chargers

_READ_AGAIN_AFTER = timedelta(minutes=10)
_LOOK_FOR_MISSING_EVERY = timedelta(minutes=1)
_MOST_REPORTED = 1000


class Places:
    def __init__(self, clock: Clock, chargers: Chargers) -> None:
        self._clock = clock
        self._chargers = chargers
        self._installations: dict[str, str] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()
        self._reported: set[str] = set()

    async def of(self, charger_ids: Iterable[str]) -> dict[str, str]:
        """Installation ids by charger id; a charger nobody told us of is `unassigned`. Raises StorageUnavailable."""
        wanted = list(charger_ids)
        missing = [charger_id for charger_id in wanted if charger_id not in self._installations]
        async with self._reading:
            if self._is_due(_LOOK_FOR_MISSING_EVERY if missing else _READ_AGAIN_AFTER):
                now = self._clock()
                self._installations = {charger.id: charger.installation_id for charger in await self._chargers.all()}
                self._read_at = now
        for charger_id in missing:
            if charger_id not in self._installations:
                self._report(charger_id)
        return {charger_id: self._installations.get(charger_id, UNASSIGNED) for charger_id in wanted}

    def _is_due(self, age: timedelta) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= age

    def _report(self, charger_id: str) -> None:
        if charger_id not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(charger_id)
            telemetry.warning("stream.charger_unknown", chargerId=charger_id)
