"""The intervals of a local clock: quarter hours, half hours, hours and days as people at an installation read them.

An interval begins where the local clock reads a multiple of its length, and also where the clock is set forward or
back, so an hour that is repeated in autumn is two intervals and one that is left out in spring is none. In a zone that
is set by half an hour (Lord Howe Island) the hour of the change is cut at the change. A day begins at local midnight,
or where the clock passes over it, and has 23 to 25 hours.

All such instants are quarter hours of UTC: since 2016 offsets are multiples of 15 minutes, and clocks have been set at
quarter hours only, but for an Antarctic station that once did it a minute late (IANA time zone database; a test looks
at every zone).
"""

from collections.abc import Hashable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.clock import EPOCH
from shared.errors import InvalidInput

QUARTER = timedelta(minutes=15)


class Interval(StrEnum):
    """A length of time on the clock."""

    QUARTER_HOUR = "quarter-hour"
    HALF_HOUR = "half-hour"
    HOUR = "hour"
    DAY = "day"


_MINUTES = {Interval.QUARTER_HOUR: 15, Interval.HALF_HOUR: 30, Interval.HOUR: 60}


def zone_named(name: str) -> ZoneInfo:
    """The time zone of an IANA name such as "Europe/Oslo"; raises InvalidInput where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            "not a time zone", {"timeZone": 'must be the IANA name of a time zone, such as "Europe/Oslo"'}
        ) from error


def quarter_before(instant: datetime) -> datetime:
    """The last quarter hour that is not after `instant`."""
    return instant - (instant - EPOCH) % QUARTER


def intervals_touched(
    start: datetime, end: datetime, zone: ZoneInfo, length: Interval
) -> Iterator[tuple[datetime, datetime]]:
    """Beginning and end, in UTC, of each interval that has a part of [start, end), in order and without a gap.

    An instant (start = end) touches the interval it is in. `start` must not be after `end`.
    """
    began = quarter_before(start.astimezone(UTC))
    while _reading(began - QUARTER, zone, length) == _reading(began, zone, length):
        began -= QUARTER
    while True:
        ends = began + QUARTER
        while _reading(ends, zone, length) == _reading(began, zone, length):
            ends += QUARTER
        yield began, ends
        if ends >= end:
            return
        began = ends


def _reading(instant: datetime, zone: ZoneInfo, length: Interval) -> Hashable:
    """What tells an interval from the one before and the one after."""
    local = instant.astimezone(zone)
    if length is Interval.DAY:
        return local.date()
    return local.date(), (local.hour * 60 + local.minute) // _MINUTES[length], local.utcoffset()
