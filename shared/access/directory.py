"""The installations and chargers we know, remembered for a while so that a poll need not read them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared import telemetry
from shared.clock import Clock
from shared.errors import ZapCloudError
from shared.identifiers import canonical_uuid
from shared.storage.cache import Cache
from shared.storage.chargers import Charger, Chargers
from shared.storage.installations import Installation, Installations

_SETTINGS_AGE = timedelta(seconds=30)
_RELOAD_EVERY = timedelta(minutes=1)
_LONGEST_SERIAL = 64
_PATIENCE_SECONDS = 2.0
"""How long a driver at the plug waits for ZapCloud to tell us of a new charger."""

Hierarchy = Callable[[str], Awaitable[list[Charger]]]
"""Asks ZapCloud for the chargers of an installation; raises ZapCloudError."""


class Directory:
    def __init__(
        self, clock: Clock, installations: Installations, chargers: Chargers, hierarchy: Hierarchy | None
    ) -> None:
        self._clock = clock
        self._chargers = chargers
        self._hierarchy = hierarchy
        self._installation_cache = Cache[str, Installation | None](clock, _SETTINGS_AGE, installations.get)
        self._charger_cache = Cache[str, Charger | None](clock, _SETTINGS_AGE, self._read_charger)
        self._asked: dict[str, tuple[datetime, asyncio.Task[None]]] = {}

    async def installation(self, installation_id: str) -> Installation | None:
        return await self._installation_cache.get(installation_id)

    def last_known_installation(self, installation_id: str) -> Installation | None:
        return self._installation_cache.last_known(installation_id)

    def changed(self, installation: Installation) -> None:
        """Settings were just written here; do not serve the old ones."""
        self._installation_cache.put(installation.id, installation)

    async def charger(self, uuid_or_serial: str) -> Charger | None:
        """None where we do not know it, and for a text that is neither a UUID nor could be a serial."""
        is_serial = uuid_or_serial.isalnum() and len(uuid_or_serial) <= _LONGEST_SERIAL
        if not is_serial and canonical_uuid(uuid_or_serial) is None:
            return None
        return await self._charger_cache.get(uuid_or_serial.upper())

    def last_known_charger(self, uuid_or_serial: str) -> Charger | None:
        return self._charger_cache.last_known(uuid_or_serial.upper())

    async def charger_after_asking(self, charger_id: str, installation_id: str) -> Charger | None:
        """A charger we do not know may be new: ask ZapCloud, at most once a minute, and look again. Who comes while
        it is being asked waits for the same answer: a driver refused with a card is not asked for again."""
        if self._hierarchy is None:
            return None
        now = self._clock()
        last = self._asked.get(installation_id)
        if last is None or (last[1].done() and now - last[0] >= _RELOAD_EVERY):
            last = now, asyncio.create_task(self._reload_in_time(installation_id))
            self._asked[installation_id] = last
        elif last[1].done():
            return None
        await asyncio.shield(last[1])
        return await self.charger(charger_id)

    async def _reload_in_time(self, installation_id: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self.reload(installation_id)
        except (ZapCloudError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            telemetry.warning("chargers.reload_failed", installationId=installation_id, reason=reason)

    async def reload(self, installation_id: str) -> int:
        """Store the chargers ZapCloud says an installation has; returns how many. Does nothing without an account."""
        if self._hierarchy is None:
            return 0
        found = await self._hierarchy(installation_id)
        await self.register(found)
        return len(found)

    async def register(self, chargers: list[Charger]) -> None:
        for charger in chargers:
            await self._chargers.put(charger)
            for name in {charger.id.upper(), charger.device_id.upper()} - {""}:
                self._charger_cache.put(name, charger)

    async def _read_charger(self, uuid_or_serial: str) -> Charger | None:
        if charger_id := canonical_uuid(uuid_or_serial):
            return await self._chargers.get(charger_id)
        return await self._chargers.by_serial(uuid_or_serial)
