"""What is known of chargers now, and minute by minute: read from where `store.py` put it."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from shared.observations.folding import CURRENTS_A, OPERATION_MODE, POWER_W, REQUESTING, SESSION_ENERGY_KWH
from shared.observations.observation import Observation, number_in, observation_from
from shared.storage.charger_history import ChargerHistory, Minute, merged_minutes
from shared.storage.charger_states import UNASSIGNED, ChargerStates, StateTexts, merged
from shared.storage.chargers import Charger


class ChargerNow(msgspec.Struct, frozen=True):
    """A charger's newest observations, by state id; `newest` is the instant of the latest."""

    device_id: str
    device_type: int | None
    newest: datetime
    observations: dict[int, Observation]


class MeteredInterval(msgspec.Struct, frozen=True, kw_only=True):
    """What a charger metered in an interval: mean power and currents, and the session's energy at its end.

    None where nothing of the kind was observed within it.
    """

    at: datetime
    power_w: float | None = None
    energy_kwh: float | None = None
    current_phase1_a: float | None = None
    current_phase2_a: float | None = None
    current_phase3_a: float | None = None


class ChargerReader:
    def __init__(self, states: ChargerStates, history: ChargerHistory) -> None:
        self._states = states
        self._history = history

    async def now(self, charger_id: str, installation_id: str | None) -> ChargerNow | None:
        """All states; None where nothing was ever observed. Includes what came before the charger was known to us."""
        found = await asyncio.gather(
            *(self._states.read(place, charger_id) for place in (installation_id or UNASSIGNED, UNASSIGNED))
        )
        both = merged(*found)
        return _now(charger_id, both) if both else None

    async def glance(self, chargers: Iterable[Charger]) -> dict[str, ChargerNow]:
        """Ordinary states only, of many chargers at once; those of which nothing was observed are not there."""
        wanted = list(chargers)
        found = await asyncio.gather(*(self._glance(charger.id, charger.installation_id) for charger in wanted))
        return {charger.id: _now(charger.id, one) for charger, one in zip(wanted, found, strict=True) if one}

    async def _glance(self, charger_id: str, installation_id: str) -> StateTexts | None:
        found = await asyncio.gather(
            *(self._states.read_wide(place, charger_id) for place in (installation_id, UNASSIGNED))
        )
        return merged(*found)

    async def is_requesting(self, installation_id: str, charger_id: str) -> bool:
        """Whether a vehicle at the charger asks to charge (710 = 2)."""
        states = await self._glance(charger_id, installation_id)
        text = states.texts.get(OPERATION_MODE) if states else None
        newest = observation_from(charger_id, OPERATION_MODE, text) if text else None
        return newest is not None and newest.value == REQUESTING

    async def history(
        self, charger_id: str, installation_id: str, start: datetime, end: datetime, resolution: timedelta
    ) -> list[MeteredInterval]:
        """Intervals that hold anything, from `start` until before `end`, aligned to the clock in UTC."""
        found = await asyncio.gather(
            *(self._history.read(place, charger_id, start, end) for place in (installation_id, UNASSIGNED))
        )
        minutes = merged_minutes(*found)
        intervals: dict[datetime, list[Minute]] = {}
        for minute in minutes:
            begin = minute.at - (minute.at - datetime.min.replace(tzinfo=minute.at.tzinfo)) % resolution
            intervals.setdefault(begin, []).append(minute)
        return [_interval(at, some) for at, some in intervals.items()]


def _now(charger_id: str, states: StateTexts) -> ChargerNow:
    observations = {
        state: observation_from(charger_id, state, text, states.long_values.get(state))
        for state, text in sorted(states.texts.items())
    }
    return ChargerNow(states.device_id, states.device_type, datetime.fromisoformat(states.newest), observations)


def _interval(at: datetime, minutes: list[Minute]) -> MeteredInterval:
    currents = [_mean(minutes, state) for state in CURRENTS_A]
    energies = _values(minutes, SESSION_ENERGY_KWH)
    return MeteredInterval(
        at=at,
        power_w=_mean(minutes, POWER_W),
        energy_kwh=energies[-1] if energies else None,
        current_phase1_a=currents[0],
        current_phase2_a=currents[1],
        current_phase3_a=currents[2],
    )


def _mean(minutes: list[Minute], state: int) -> float | None:
    values = _values(minutes, state)
    return round(sum(values) / len(values), 3) if values else None


def _values(minutes: list[Minute], state: int) -> list[float]:
    """The numbers in order of time; a value that is none is left out."""
    texts = [minute.texts[state] for minute in minutes if state in minute.texts]
    numbers = (number_in(observation_from("", state, text).value) for text in texts)
    return [number for number in numbers if number is not None]
