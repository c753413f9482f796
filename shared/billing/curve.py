"""How much of a session's energy had been counted at each instant: straight lines from reading to reading.

`docs/energy.md` states the rules, above all for readings that do not tell what the session's energy does.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from shared.billing.local_clock import QUARTER, quarter_before
from shared.billing.readings import SAME_ENERGY_KWH, Reading

NEAR = timedelta(seconds=60)
"""A reading this near to a quarter hour is the quarter hour's: chargers stamp 10:00:00.281 for 10:00."""
_MICROSECOND = timedelta(microseconds=1)


class Curve:
    """The energy in kWh counted since the session's start; it never falls."""

    def __init__(self, points: Sequence[tuple[datetime, Fraction]], doubtful: tuple[datetime, datetime] | None) -> None:
        """`points` begin with the session's start and end with its end; `doubtful` is a time whose energy contradicts
        the readings around it.
        """
        self._instants = [at for at, _ in points]
        self._counted = [counted for _, counted in points]
        self._doubtful = doubtful

    def counted_at(self, instant: datetime) -> Fraction:
        after = bisect_left(self._instants, instant)
        if after == 0:
            return self._counted[0]
        if after == len(self._instants):
            return self._counted[-1]
        earlier, later = self._instants[after - 1], self._instants[after]
        rise = self._counted[after] - self._counted[after - 1]
        passed, whole = (instant - earlier) // _MICROSECOND, (later - earlier) // _MICROSECOND
        return self._counted[after - 1] + rise * Fraction(passed, whole)

    def is_estimated(self, start: datetime, end: datetime) -> bool:
        """Whether the energy between two instants is more than what readings say."""
        if self._doubtful and self._doubtful[0] < end and start < self._doubtful[1]:
            return True
        return self._divides_energy(start) or self._divides_energy(end)

    def _divides_energy(self, instant: datetime) -> bool:
        """Whether energy was counted between the readings around `instant`, and none of them is at it."""
        after = bisect_left(self._instants, instant)
        if after in (0, len(self._instants)) or self._instants[after] == instant:
            return False
        return self._counted[after] > self._counted[after - 1]


def curve_through(readings: Iterable[Reading], start: datetime, end: datetime, total: Decimal) -> Curve:
    """The curve from `start` to `end` (in UTC) on which `total` kWh were counted."""
    known = _usable(readings, start, end, total)
    if not known:
        return _framed([], start, end, total)
    missing = total - known[-1].energy_kwh
    before, after = known[0].at - start, end - known[-1].at
    if missing > SAME_ENERGY_KWH and before + after:
        raised = Fraction(missing) * Fraction(before // _MICROSECOND, (before + after) // _MICROSECOND)
        return _framed([(one.at, Fraction(one.energy_kwh) + raised) for one in known], start, end, total)
    rises = [(a.at, b.at) for a, b in pairwise(known) if b.energy_kwh > a.energy_kwh]
    if not rises:
        return _framed([], start, end, total)
    last_rise = rises[-1]
    points = [(one.at, Fraction(total if one.at >= last_rise[1] else one.energy_kwh)) for one in known]
    return _framed(points, start, end, total, last_rise if missing > SAME_ENERGY_KWH else None)


def _framed(
    points: Sequence[tuple[datetime, Fraction]],
    start: datetime,
    end: datetime,
    total: Decimal,
    doubtful: tuple[datetime, datetime] | None = None,
) -> Curve:
    """Straight lines through `points`, to them from nothing at `start`, and from them to all at `end`."""
    first = [] if points and points[0][0] == start else [(start, Fraction(0))]
    last = [] if points and points[-1][0] == end else [(end, Fraction(total))]
    return Curve([*first, *points, *last], doubtful)


def _usable(readings: Iterable[Reading], start: datetime, end: datetime, total: Decimal) -> list[Reading]:
    """The readings counted from the first, without those that fall or tell more than `total`, one at an instant."""
    usable: list[Reading] = []
    placed = _placed(readings, start, end)
    for reading in placed:
        counted = reading.energy_kwh - placed[0].energy_kwh
        if counted > total + SAME_ENERGY_KWH or (usable and counted < usable[-1].energy_kwh):
            continue
        if usable and usable[-1].at == reading.at:
            usable.pop()
        usable.append(Reading(reading.at, min(counted, total)))
    return usable


def _placed(readings: Iterable[Reading], start: datetime, end: datetime) -> list[Reading]:
    """The readings in order. Of those near the session's start, its end or a quarter hour in it, the nearest is moved
    there; others outside the session are left out.
    """
    nearest: dict[datetime, tuple[timedelta, datetime]] = {}
    given = sorted(Reading(one.at.astimezone(UTC), one.energy_kwh) for one in readings)
    for reading in given:
        mark, distance = _nearest_mark(reading.at, start, end)
        if distance <= NEAR:
            nearest[mark] = min(nearest.get(mark, (distance, reading.at)), (distance, reading.at))
    moved = {at: mark for mark, (_, at) in nearest.items()}
    return [
        Reading(moved.get(reading.at, reading.at), reading.energy_kwh)
        for reading in given
        if reading.at in moved or start <= reading.at <= end
    ]


def _nearest_mark(at: datetime, start: datetime, end: datetime) -> tuple[datetime, timedelta]:
    quarter = quarter_before(at)
    quarters = [mark for mark in (quarter, quarter + QUARTER) if start < mark < end]
    mark = min((start, *quarters, end), key=lambda mark: (abs(mark - at), mark))
    return mark, abs(mark - at)
