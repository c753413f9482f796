"""What the built-in catalogue does not know yet, learnt from ZapCloud's constants and shared between instances."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from shared import telemetry
from shared.clock import Clock
from shared.observations.catalogue import NewKind, learn, new_in
from shared.storage.observation_kinds import ObservationKinds, StoredKind

_READ_EVERY = timedelta(minutes=10)

Constants = Callable[[], Awaitable[dict[str, Any]]]
"""Asks ZapCloud for its constants; raises ZapCloudError."""


class LearntKinds:
    def __init__(self, clock: Clock, kinds: ObservationKinds, constants: Constants | None) -> None:
        self._clock = clock
        self._kinds = kinds
        self._constants = constants
        self._read_at: datetime | None = None

    async def refresh(self) -> int:
        """Ask ZapCloud, store what is new; returns how many kinds the catalogue lacks. Does nothing without an
        account.

        Raises ZapCloudError, InvalidInput where the answer is no constants, StorageUnavailable.
        """
        if self._constants is None:
            return 0
        found = new_in(await self._constants())
        for kind in found:
            await self._kinds.put(StoredKind(kind.device_type, kind.id, kind.name))
        learn(found)
        if found:
            telemetry.event("observations.new_kinds", kinds=len(found), example=found[0].name)
        return len(found)

    async def recall(self) -> None:
        """Learn what any instance has stored, now and then; raises StorageUnavailable."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= _READ_EVERY:
            stored = await self._kinds.all()
            learn(NewKind(kind.device_type, kind.id, kind.name) for kind in stored)
            self._read_at = now
