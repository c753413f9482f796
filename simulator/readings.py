"""What chargers measure and how they write it, with the small variation that real readings have.

A Zaptec Go writes three decimals (`%.3f` in its firmware), a Pro up to four. Voltages are those of a TN network.
"""

from datetime import datetime, timedelta
from random import Random

from simulator.models import Charger, OperationMode, StateId
from simulator.sessions import Session

GO = 4
PHASES = 3
NOMINAL_V = 230.0
CURRENTS = (StateId.CURRENT_PHASE_1, StateId.CURRENT_PHASE_2, StateId.CURRENT_PHASE_3)
VOLTAGES = (StateId.VOLTAGE_PHASE_1, StateId.VOLTAGE_PHASE_2, StateId.VOLTAGE_PHASE_3)

type Reading = tuple[StateId, str]


def number_text(charger: Charger, number: float) -> str:
    text = f"{number:.3f}" if charger.device_type == GO else f"{number:.4f}".rstrip("0").rstrip(".")
    return text if float(text) else text.removeprefix("-")


def charging(charger: Charger, session: Session, now: datetime, source: Random) -> list[Reading]:
    """What a charger reports once a minute while energy flows."""
    power_w = session.power_kw * 1000 * source.uniform(0.99, 1.01)
    volts = [NOMINAL_V * source.uniform(0.985, 1.015) for _ in range(PHASES)]
    found = [(state, number_text(charger, volt)) for state, volt in zip(VOLTAGES, volts, strict=True)]
    found += [
        (state, number_text(charger, power_w / PHASES / volt)) for state, volt in zip(CURRENTS, volts, strict=True)
    ]
    found.append((StateId.TOTAL_CHARGE_POWER_W, number_text(charger, power_w)))
    found.append((StateId.SESSION_ENERGY_KWH, number_text(charger, session.energy_at(now))))
    return found


def idle(charger: Charger, source: Random) -> list[Reading]:
    """A sign of life, and now and then something about the weather inside."""
    found: list[Reading] = [(StateId.PULSE, "")]
    if source.random() < 0.2:
        found.append((StateId.TEMPERATURE_C, number_text(charger, source.uniform(8, 35))))
    if source.random() < 0.1:
        found.append((StateId.HUMIDITY_PERCENT, number_text(charger, source.uniform(20, 80))))
    if source.random() < 0.2:
        found.append((StateId.SIGNAL_STRENGTH, str(source.randint(-80, -40))))
    return found


def any_reading(charger: Charger, source: Random) -> Reading:
    """One of the observations that make up most of the traffic, for load; it need not fit what the charger does."""
    kind = source.random()
    if kind < 0.2:
        return StateId.TOTAL_CHARGE_POWER_W, number_text(charger, source.uniform(0, 22_000))
    if kind < 0.6:
        return source.choice(CURRENTS), number_text(charger, source.uniform(0, 32))
    if kind < 0.75:
        return StateId.SESSION_ENERGY_KWH, number_text(charger, source.uniform(0, 60))
    if kind < 0.85:
        return source.choice(VOLTAGES), number_text(charger, NOMINAL_V * source.uniform(0.97, 1.03))
    if kind < 0.9:
        return StateId.OPERATION_MODE, str(charger.operation_mode)
    if kind < 0.94:
        return StateId.PULSE, ""
    if kind < 0.97:
        return StateId.TEMPERATURE_C, number_text(charger, source.uniform(8, 60))
    if kind < 0.98:
        return StateId.IS_ONLINE, "1"
    return StateId.SIGNAL_STRENGTH, str(source.randint(-80, -40))


def age_of_reading(source: Random) -> timedelta:
    """Up to a second, in any number of digits."""
    digits = source.randint(0, 6)
    return timedelta(microseconds=source.randrange(10**digits) * 10 ** (6 - digits))


def is_charging(charger: Charger) -> bool:
    return charger.session is not None and charger.operation_mode == OperationMode.CHARGING
