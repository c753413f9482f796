"""Observations in bulk, for those who measure how much their app can take."""

from datetime import timedelta
from typing import Annotated

import msgspec

from simulator.errors import ConflictError
from simulator.kernel import Kernel
from simulator.models import Charger
from simulator.readings import age_of_reading, any_reading
from simulator.subscriptions import Subscriptions
from simulator.visits import Seconds
from simulator.world import World

SLICE_S = 0.25
MOST_AT_ONCE = 500
"""Observations between two of which, in real time, others in the same event loop get their turn."""


class TrafficBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many observations, evenly over so many seconds, by chargers of these installations or of all that publish."""

    messages: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    seconds: Seconds = 0
    installations: list[str] | None = None


class Traffic:
    def __init__(self, kernel: Kernel, world: World, subscriptions: Subscriptions) -> None:
        self._kernel = kernel
        self._world = world
        self._subscriptions = subscriptions

    def begin(self, wanted: TrafficBody) -> int:
        """Let it flow from now on; answers how many chargers take part.

        Raises:
            NotFoundError: for an installation that is not there.
            ConflictError: no charger would have anybody to publish to.
        """
        ids = wanted.installations
        installations = list(self._world.installations.values()) if ids is None else map(self._world.installation, ids)
        chargers = [
            self._world.chargers[charger_id]
            for installation in installations
            if self._subscriptions.of_installation(installation.id)
            for circuit in installation.circuits
            for charger_id in circuit.charger_ids
        ]
        if not chargers:
            raise ConflictError("none of the installations has a message subscription: enable messaging first")
        self._kernel.spawn(self._flow(chargers, wanted.messages, wanted.seconds), "traffic")
        return len(chargers)

    async def _flow(self, chargers: list[Charger], messages: int, seconds: float) -> None:
        source = self._world.random("traffic")
        begin = self._kernel.now()
        slices = max(1, round(seconds / SLICE_S), messages // MOST_AT_ONCE if self._kernel.mode == "real" else 1)
        made = 0
        for number in range(1, slices + 1):
            due = messages * number // slices
            for _ in range(due - made):
                charger = source.choice(chargers)
                if charger.online:
                    state_id, text = any_reading(charger, source)
                    self._world.observe(charger, state_id, text, age=age_of_reading(source))
            made = due
            await self._kernel.sleep_until(begin + timedelta(seconds=seconds * number / slices))
