"""Chargers of installations with a message subscription report by themselves: readings, signed ones, signs of life.

Intervals are those of a Zaptec Go's settings 145 and 147 and of 555; each charger has its own seeded second, so that
they do not all report at once.
"""

from datetime import datetime, timedelta
from random import Random

from simulator import readings
from simulator.agenda import Agenda
from simulator.models import Charger, Installation, StateId
from simulator.ocmf import signed_reading
from simulator.sessions import Session
from simulator.subscriptions import Subscriptions
from simulator.world import FIRMWARE, World

IDLE_LOOK_S = 60.0
"""How often a charger looks whether it has something to say, while reports are switched off."""


class Telemetry:
    """Makes the chargers report that should."""

    def __init__(self, world: World, agenda: Agenda, subscriptions: Subscriptions) -> None:
        self._world = world
        self._agenda = agenda
        self._subscriptions = subscriptions
        self._pulse_due: dict[str, datetime] = {}

    def refresh(self) -> None:
        """Begin with chargers whose messages have somewhere to go by now."""
        for installation in self._world.installations.values():
            if self._subscriptions.of_installation(installation.id):
                for charger in self._chargers(installation):
                    if charger.id not in self._pulse_due:
                        self._begin(charger)

    def _begin(self, charger: Charger) -> None:
        settings = self._world.settings
        source = self._source(charger)
        now = self._world.now()
        self._pulse_due[charger.id] = now + timedelta(seconds=source.uniform(0, settings.pulse_every_s))
        every_s = settings.telemetry_every_s or IDLE_LOOK_S
        self._agenda.at(now + timedelta(seconds=1 + int(source.uniform(0, every_s))), lambda: self._report(charger))

    def _report(self, charger: Charger) -> None:
        if not self._subscriptions.of_installation(charger.installation_id):
            del self._pulse_due[charger.id]
            return
        settings, now = self._world.settings, self._world.now()
        if charger.online:
            source = self._source(charger)
            session = charger.session
            if session and readings.is_charging(charger):
                if settings.telemetry_every_s:
                    self._observe(charger, readings.charging(charger, session, now, source))
                if settings.signed_every_s:
                    self._sign(charger, session, now)
            elif settings.pulse_every_s and now >= self._pulse_due[charger.id]:
                self._pulse_due[charger.id] = now + timedelta(seconds=settings.pulse_every_s)
                self._observe(charger, readings.idle(charger, source))
        self._agenda.after(settings.telemetry_every_s or IDLE_LOOK_S, lambda: self._report(charger))

    def _observe(self, charger: Charger, found: list[readings.Reading]) -> None:
        age = readings.age_of_reading(self._source(charger))
        for state_id, text in found:
            self._world.observe(charger, state_id, text, age=age)

    def _sign(self, charger: Charger, session: Session, now: datetime) -> None:
        """A signed meter reading, if the last one is long enough ago."""
        last = charger.readings[-1][0] if charger.readings else session.start
        if now - last >= timedelta(seconds=self._world.settings.signed_every_s):
            charger.readings.append((now, session.energy_at(now)))
            self._world.observe(charger, StateId.SIGNED_METER_VALUE, signed_reading(charger, session, now, FIRMWARE))

    def _source(self, charger: Charger) -> Random:
        return self._world.random(f"telemetry {charger.id}")

    def _chargers(self, installation: Installation) -> list[Charger]:
        return [self._world.chargers[item] for circuit in installation.circuits for item in circuit.charger_ids]
