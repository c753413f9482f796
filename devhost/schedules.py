"""When a timer trigger is due: NCRONTAB expressions and plain intervals.

Six fields, `{second} {minute} {hour} {day} {month} {day-of-week}`, or five without the second (Microsoft Learn,
"Timer trigger for Azure Functions", NCRONTAB expressions). Day and day-of-week must both match. Instants are UTC.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol

MONTHS = tuple(name.upper() for name in calendar.month_name[1:])
WEEKDAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
SHORTEST_NAME = 3

LONGEST_MONTH = {month: calendar.monthrange(2000, month)[1] for month in range(1, 13)}
"""2000 is a leap year: 29 February can be waited for."""

INTERVAL = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")


class ScheduleError(ValueError):
    """The expression is not one that Azure Functions would run; the message says which part is wrong."""


class Schedule(Protocol):
    def next_after(self, instant: datetime) -> datetime:
        """The first occurrence strictly later than `instant` (aware), in UTC."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> tuple[int, ...]:
        found: set[int] = set()
        for part in text.split(","):
            found.update(self._part(part))
        return tuple(sorted(found))

    def _part(self, text: str) -> range:
        span, slash, step_text = text.partition("/")
        if slash and not (step_text.isascii() and step_text.isdigit() and int(step_text)):
            raise ScheduleError(f"{self.name}: '{text}' has no step above zero after the '/'")
        step = int(step_text) if slash else 1
        if span == "*":
            return range(self.lowest, self.highest + 1, step)
        first_text, dash, last_text = span.partition("-")
        first = self._number(first_text)
        last = self._number(last_text) if dash else self.highest if slash else first
        if last < first:
            raise ScheduleError(f"{self.name}: the range '{span}' runs backwards (Azure would swap its ends)")
        return range(first, last + 1, step)

    def _number(self, text: str) -> int:
        if text.isascii() and text.isdigit():
            number = int(text)
        elif len(text) >= SHORTEST_NAME and (
            found := [n for n, name in enumerate(self.names, self.lowest) if name.startswith(text.upper())]
        ):
            number = found[0]
        else:
            raise ScheduleError(f"{self.name}: '{text}' is not a value")
        if not self.lowest <= number <= self.highest:
            raise ScheduleError(f"{self.name}: {number} is not between {self.lowest} and {self.highest}")
        return number


FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day-of-week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, instant: datetime) -> datetime:
        earliest = instant.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        year, month, day = earliest.year, earliest.month, earliest.day
        of_day = self._time_from(earliest.time())
        while True:
            if month in self.months:
                for candidate in range(day, calendar.monthrange(year, month)[1] + 1):
                    if of_day and candidate in self.days and self._weekday(year, month, candidate) in self.weekdays:
                        return datetime.combine(datetime(year, month, candidate, tzinfo=UTC), of_day, UTC)
                    of_day = self._first_time()
            of_day = self._first_time()
            day = 1
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)

    def _first_time(self) -> time:
        return time(self.hours[0], self.minutes[0], self.seconds[0])

    def _time_from(self, earliest: time) -> time | None:
        """The first time of day that matches and is not before `earliest`; None when only another day has one."""
        for hour in self.hours:
            if hour > earliest.hour:
                return time(hour, self.minutes[0], self.seconds[0])
            if hour < earliest.hour:
                continue
            for minute in self.minutes:
                if minute > earliest.minute:
                    return time(hour, minute, self.seconds[0])
                if minute < earliest.minute:
                    continue
                for second in self.seconds:
                    if second >= earliest.second:
                        return time(hour, minute, second)
        return None

    @staticmethod
    def _weekday(year: int, month: int, day: int) -> int:
        return (calendar.weekday(year, month, day) + 1) % 7


@dataclass(frozen=True, slots=True)
class Interval:
    """A TimeSpan schedule: every so often, counted from the previous run."""

    every: timedelta

    def next_after(self, instant: datetime) -> datetime:
        return instant.astimezone(UTC) + self.every


def parse(expression: str) -> Schedule:
    """Read a timer trigger's `schedule`.

    Raises:
        ScheduleError: it has not five or six fields, a field is out of range, or no date can ever match.
    """
    if match := INTERVAL.fullmatch(expression.strip()):
        return _interval(expression, *(int(part or 0) for part in match.groups()))
    fields = expression.split()
    if len(fields) == len(FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) != len(FIELDS):
        raise ScheduleError(f"'{expression}' has {len(fields)} fields; a schedule has five or six")
    cron = Cron(*(field.values(text) for field, text in zip(FIELDS, fields, strict=True)))
    if all(cron.days[0] > LONGEST_MONTH[month] for month in cron.months):
        raise ScheduleError(f"'{expression}' names a date that no year has")
    return cron


def _interval(expression: str, days: int, hours: int, minutes: int, seconds: int) -> Interval:
    every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if hours > FIELDS[2].highest or minutes > FIELDS[1].highest or seconds > FIELDS[0].highest or not every:
        raise ScheduleError(f"'{expression}' is not a time span between 00:00:01 and days.23:59:59")
    return Interval(every)
