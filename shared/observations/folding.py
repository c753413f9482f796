"""Folding: of many observations the newest per charger and state, and per charger, minute and metered state.

Taking the greater of two is the same in any order, any number of times and in any grouping, which is what makes
reordered, repeated and twice delivered messages harmless, here and against the store (`shared/storage/newest.py`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from shared.clock import EPOCH
from shared.observations.observation import Observation

POWER_W, SESSION_ENERGY_KWH, CURRENTS_A = 513, 553, (507, 508, 509)
METERED = frozenset({POWER_W, SESSION_ENERGY_KWH, *CURRENTS_A})
"""Observations that are kept minute by minute: power, session energy and the currents of the three phases."""
DISCONNECTED, REQUESTING, CHARGING = "1", "2", "3"
"""Values of observation 710 (ChargerOperationModes of ZapCloud's constants)."""
OPERATION_MODE, SESSION_ID, SCANNED_TOKEN, COMPLETED_SESSION = 710, 721, 722, 723
TELLING = frozenset({OPERATION_MODE, SESSION_ID, SCANNED_TOKEN, COMPLETED_SESSION})
"""Observations that move the session log, each of them, not the newest alone."""
_MINUTE = timedelta(minutes=1)

type ByState = dict[int, Observation]
type Device = tuple[str, int | None]
"""A charger's serial ("" where no message said it) and device type; of several the greater."""


class Fold(msgspec.Struct):
    """The newest observations per charger and state, per charger and minute since 1970, and those that tell of
    sessions."""

    newest: dict[str, ByState] = msgspec.field(default_factory=dict)
    devices: dict[str, Device] = msgspec.field(default_factory=dict)
    by_minute: dict[tuple[str, int], ByState] = msgspec.field(default_factory=dict)
    telling: list[Observation] = msgspec.field(default_factory=list)


def fold(observations: Iterable[Observation], onto: Fold | None = None) -> Fold:
    """Everything that is worth keeping of the observations, and of what was folded before."""
    result = onto or Fold()
    newest, by_minute, devices = result.newest, result.by_minute, result.devices
    for observation in observations:
        charger_id, state_id = observation.charger_id, observation.state_id
        states = newest.get(charger_id)
        if states is None:
            states = newest[charger_id] = {}
        device = observation.device_id, observation.device_type
        if devices.get(charger_id) != device:
            devices[charger_id] = _greater(devices.get(charger_id), device)
        known = states.get(state_id)
        if known is None or observation.is_after(known):
            states[state_id] = observation
        if state_id in METERED:
            key = charger_id, (observation.at - EPOCH) // _MINUTE
            minute = by_minute.get(key)
            if minute is None:
                minute = by_minute[key] = {}
            known = minute.get(state_id)
            if known is None or observation.is_after(known):
                minute[state_id] = observation
        elif state_id in TELLING:
            result.telling.append(observation)
    return result


def _greater(one: Device | None, other: Device) -> Device:
    if one is None:
        return other
    types = [device_type for _, device_type in (one, other) if device_type is not None]
    return max(one[0], other[0]), max(types, default=None)


def minute_instant(minute: int) -> datetime:
    return EPOCH + minute * _MINUTE
