"""Drivers. A visit is data: a scenario is a list of visits."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from simulator.chargers import DEFAULT_POWER_KW, Chargers
from simulator.errors import ConflictError
from simulator.kernel import Kernel
from simulator.models import Attempt, Plugged
from simulator.world import World

Seconds = Annotated[float, msgspec.Meta(ge=0, le=10 * 365 * 86400)]
Power = Annotated[float, msgspec.Meta(ge=0)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Plug(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One time of plugging in: which card, when, and how much is drawn for how long.

    The vehicle draws `power_kw` for `charge_s` and stays `idle_s` longer. A driver who is refused pulls the cable
    `patience_s` later. `unplug_after_s` pulls it that long after plugging in, whatever happens. The card is not shown
    if a session began without it.
    """

    token: str | None = None
    scan_after_s: Seconds = 8
    power_kw: Power = DEFAULT_POWER_KW
    charge_s: Seconds = 3600
    idle_s: Seconds = 600
    patience_s: Seconds = 20
    unplug_after_s: Seconds | None = None
    pause_before_s: Seconds = 0


class Visit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A driver comes to a charger at an instant, or so long after now, and plugs in once or several times.

    Finding another vehicle there, the driver leaves; the attempt's outcome is then `occupied`.
    """

    charger: str
    driver: str = ""
    at: Instant | None = None
    after_s: Seconds = 0
    plugs: list[Plug] = msgspec.field(default_factory=lambda: [Plug()])


class Drivers:
    """Sends drivers on their visits."""

    def __init__(self, kernel: Kernel, world: World, chargers: Chargers) -> None:
        self._kernel = kernel
        self._world = world
        self._chargers = chargers

    def schedule(self, visits: list[Visit], *, together: bool = False) -> None:
        """Let every visit take place. Together: those of one instant are in flight side by side, not in turn.

        Raises:
            NotFoundError: for a charger that is not there; then no visit takes place.
        """
        now = self._kernel.now()
        for visit in visits:
            self._world.charger(visit.charger)
        for visit in visits:
            instant = visit.at or now + timedelta(seconds=visit.after_s)
            name = f"visit of {visit.driver or 'a driver'}"
            self._kernel.spawn(self._take_place_at(instant, visit), name, side_by_side=together)

    async def _take_place_at(self, instant: datetime, visit: Visit) -> None:
        await self._kernel.sleep_until(instant)
        for plug in visit.plugs:
            if plug.pause_before_s:
                await self._kernel.sleep(plug.pause_before_s)
            try:
                plugged = self._chargers.plug(visit.charger, driver=visit.driver, power_kw=plug.power_kw)
            except ConflictError as error:
                self._turn_away(visit, str(error))
                return
            await self._stay(visit.charger, plug, plugged)
            if not plugged.gone:
                self._chargers.unplug(visit.charger)

    async def _stay(self, charger_id: str, plug: Plug, plugged: Plugged) -> None:
        """From plugging in to just before the cable is pulled."""
        stay_s = float("inf") if plug.unplug_after_s is None else plug.unplug_after_s
        plugged_at = self._kernel.now()

        def left_s() -> float:
            return max(0.0, stay_s - (self._kernel.now() - plugged_at).total_seconds())

        if plug.token is not None:
            over = await self._kernel.wait(plugged.over, min(plug.scan_after_s, left_s()))
            if not over and left_s() and not plugged.gone:
                self._chargers.scan(charger_id, plug.token)
        await self._kernel.wait(plugged.over, None if plug.unplug_after_s is None else left_s())
        if plugged.attempt.outcome == "authorized":
            await self._kernel.sleep(min(plug.charge_s, left_s()))
            self._chargers.finish(charger_id)
            await self._kernel.sleep(min(plug.idle_s, left_s()))
        else:
            await self._kernel.sleep(min(plug.patience_s, left_s()))

    def _turn_away(self, visit: Visit, reason: str) -> None:
        now = self._kernel.now()
        charger = self._world.charger(visit.charger)
        attempt = Attempt(self._world.new_id("attempt"), charger.id, charger.installation_id, visit.driver, now)
        attempt.outcome, attempt.reason, attempt.ended_at = "occupied", reason, now
        self._world.attempts.append(attempt)
