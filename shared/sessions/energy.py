"""A session's energy by interval of its installation's clock, from whichever source tells it in most detail."""

from datetime import datetime
from decimal import Decimal

import msgspec

from shared.billing.intervals import IntervalEnergy, energy_by_interval
from shared.billing.local_clock import Interval
from shared.billing.ocmf import read_document
from shared.billing.readings import SAME_ENERGY_KWH, Reading, readings_of_details, readings_of_meter
from shared.errors import InvalidInput
from shared.sessions.flags import Flag
from shared.sessions.view import Event, SessionView, Source

_NO_MORE_THAN_THE_ENDS = 2


def intervals_of(view: SessionView, time_zone: str, length: Interval) -> tuple[IntervalEnergy, ...]:
    """The parts sum to the session's energy; none where the session is not over or nobody said how much it took. All
    are estimated where the charger's clock was not right.

    Raises InvalidInput where its times are those of a clock that was never set.
    """
    if view.start is None or view.end is None or view.energy_kwh is None:
        return ()
    parts = energy_by_interval(
        _readings(view, view.start),
        start=view.start,
        end=view.end,
        energy_kwh=view.energy_kwh,
        time_zone=time_zone,
        length=length,
    )
    if Flag.TIMES_UNRELIABLE not in view.flags:
        return parts
    return tuple(msgspec.structs.replace(part, estimated=True) for part in parts)


def _readings(view: SessionView, start: datetime) -> tuple[Reading, ...]:
    """The meter's own where it signed them, or else charge history's, or else the meter's unsigned."""
    of_meter = _of_document(view)
    if of_meter and view.source == Source.SIGNED_METER_VALUE:
        return of_meter
    return _of_history(view, start) or of_meter


def _of_document(view: SessionView) -> tuple[Reading, ...]:
    """Empty where the document has no readings but the first and the last, which part nothing from nothing."""
    if view.signed_session is None:
        return ()
    try:
        document = read_document(view.signed_session)
    except InvalidInput:
        return ()  # the verdict on it says so
    readings = readings_of_meter(document.readings)
    return readings if len(readings) > _NO_MORE_THAN_THE_ENDS else ()


def _is_same(stated_kwh: float | None, energy_kwh: float | None) -> bool:
    """To within the Wh that a register was cut by, and the one that a sum was rounded by."""
    if stated_kwh is None or energy_kwh is None:
        return False
    return abs(Decimal(str(stated_kwh)) - Decimal(str(energy_kwh))) <= SAME_ENERGY_KWH


def _of_history(view: SessionView, start: datetime) -> tuple[Reading, ...]:
    told = [
        fact
        for fact in view.timeline
        if fact.event == Event.ENDED
        and fact.data.get("energyDetails")
        and _is_same(fact.data.get("energyKwh"), view.energy_kwh)
    ]
    best = max(told, key=lambda fact: (len(fact.data["energyDetails"]), fact.key), default=None)
    if best is None:
        return ()
    return readings_of_details(msgspec.convert(best.data["energyDetails"], list[tuple[datetime, float]]), start)
