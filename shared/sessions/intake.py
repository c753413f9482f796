"""What the two web hooks do with a body besides its meaning: note new shapes, keep what cannot be understood."""

import asyncio
from typing import Any

from shared import telemetry
from shared.clock import Clock
from shared.errors import StorageUnavailable
from shared.security.principal import Principal
from shared.storage.quarantine import Quarantine, Shape
from shared.zapcloud.shapes import sample_of, shape_of

_MAX_REMEMBERED = 1000
_PATIENCE_SECONDS = 1.0


class Intake:
    def __init__(self, clock: Clock, quarantine: Quarantine) -> None:
        self._clock = clock
        self._quarantine = quarantine
        self._known_shapes: set[tuple[str, str]] = set()

    async def note_shape(self, kind: str, body: dict[str, Any]) -> None:
        """Record a form of body nobody has seen before, once; forgone while storage is down."""
        shape = shape_of(body)
        if (kind, shape) in self._known_shapes or len(self._known_shapes) >= _MAX_REMEMBERED:
            return
        described = Shape(at=self._clock(), kind=kind, shape=shape[:8000], sample=sample_of(body)[:8000])
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                new = await self._quarantine.record_shape(described)
        except (StorageUnavailable, TimeoutError):
            telemetry.event("hook.shape_not_recorded", kind=kind)
            return
        self._known_shapes.add((kind, shape))
        if new:
            telemetry.event("hook.shape_new", kind=kind, shape=shape[:1000])

    async def quarantine(self, kind: str, reason: str, body: bytes, principal: Principal) -> None:
        """Keep a body that makes no sense; raises StorageUnavailable where that cannot be done."""
        identity = await self._quarantine.keep(kind, reason, body, self._clock(), principal.installations)
        telemetry.warning("hook.body_not_understood", kind=kind, reason=reason, quarantineId=identity)
