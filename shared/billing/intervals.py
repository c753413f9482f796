"""A session's energy by the intervals of the local clock: what a price by the hour, or a month's end, is applied to.

The parts add up to the session's energy exactly, and quarter hours to hours and days, since what is rounded is the
energy counted by each boundary, and not each part.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec

from shared.billing.curve import curve_through
from shared.billing.local_clock import Interval, intervals_touched, zone_named
from shared.billing.readings import Reading
from shared.errors import InvalidInput

LONGEST = timedelta(days=366)
_YEARS = range(2000, 2200)
_FINEST = Decimal("1E-18")


class IntervalEnergy(msgspec.Struct, frozen=True):
    """The energy of one interval of the local clock, of which the session may have taken only a part."""

    start: datetime
    end: datetime
    energy_kwh: Decimal
    estimated: bool
    """No reading parts this energy from that of a neighbouring interval, or readings contradict the session's."""


def energy_by_interval(
    readings: Iterable[Reading],
    *,
    start: datetime,
    end: datetime,
    energy_kwh: float | Decimal,
    time_zone: str,
    length: Interval = Interval.QUARTER_HOUR,
) -> tuple[IntervalEnergy, ...]:
    """One part for each interval of the clock in `time_zone` that the session touched, in order and without a gap.

    Parts are in whole Wh but for the last that has energy, which makes up the sum. `readings` may come in any order,
    and there need be none. A session that ends before it starts, which a wrong clock can say, has all its energy in the
    interval of its start, estimated. Raises InvalidInput where `energy_kwh` is not a number or negative, the zone is
    unknown, or the instants are those of a clock that was never set: before 2000, or more than 366 days apart.
    """
    zone, total = zone_named(time_zone), _exact(energy_kwh)
    if start.year not in _YEARS or end - start > LONGEST:
        raise InvalidInput(
            "the session has no usable times", {"start": "must be in 2000 to 2199", "end": "at most 366 days later"}
        )
    start, end, backwards = start.astimezone(UTC), max(start, end).astimezone(UTC), end < start
    intervals = list(intervals_touched(start, end, zone, length))
    curve = curve_through(readings, start, end, total)
    boundaries = [ends for _, ends in intervals[:-1]]
    counted = [
        Decimal(0),
        *(min(Decimal(round(curve.counted_at(at) * 1000)) / 1000, total) for at in boundaries),
        total,
    ]
    return tuple(
        IntervalEnergy(
            began,
            ends,
            after - before,
            backwards if not boundaries else curve.is_estimated(began, ends),
        )
        for (began, ends), (before, after) in zip(intervals, pairwise(counted), strict=True)
    )


def _exact(energy_kwh: float | Decimal) -> Decimal:
    """The energy in the digits it is displayed with, of which 18 after the point count."""
    total = energy_kwh if isinstance(energy_kwh, Decimal) else Decimal(str(energy_kwh))
    if not total.is_finite() or not 0 <= total < 10**9:
        raise InvalidInput("not an amount of energy", {"energyKwh": "must be a number of kWh, not negative"})
    return total if int(total.as_tuple().exponent) >= -18 else total.quantize(_FINEST)
