"""NCRONTAB against a slow, obvious reading of the same expression."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.schedules import MONTHS, WEEKDAYS, Cron, ScheduleError, parse

INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def matches(cron: Cron, instant: datetime) -> bool:
    return (
        instant.second in cron.seconds
        and instant.minute in cron.minutes
        and instant.hour in cron.hours
        and instant.day in cron.days
        and instant.month in cron.months
        and instant.isoweekday() % 7 in cron.weekdays
    )


def brute_force(cron: Cron, instant: datetime) -> datetime:
    """Walk: seconds to the end of the minute, minutes to the end of the hour, hours to the end of the day, days."""
    at = instant.replace(microsecond=0) + timedelta(seconds=1)
    while not matches(cron, at):
        if at.day not in cron.days or at.month not in cron.months or at.isoweekday() % 7 not in cron.weekdays:
            at = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        elif at.hour not in cron.hours:
            at = at.replace(minute=0, second=0) + timedelta(hours=1)
        elif at.minute not in cron.minutes:
            at = at.replace(second=0) + timedelta(minutes=1)
        else:
            at += timedelta(seconds=1)
    return at


def part(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.tuples(st.one_of(st.just("*"), span, number.map(str)), st.integers(1, high)).map(
        lambda pair: f"{pair[0]}/{pair[1]}"
    )
    return st.lists(st.one_of(number.map(str), span, step), min_size=1, max_size=3).map(",".join) | st.just("*")


EXPRESSIONS = st.tuples(
    part(0, 59), part(0, 59), part(0, 23), part(1, 28), st.one_of(part(1, 12), st.sampled_from(MONTHS)), part(0, 6)
).map(" ".join)


@given(EXPRESSIONS, INSTANTS)
def test_next_occurrence_is_the_one_a_patient_reader_finds(expression: str, instant: datetime) -> None:
    cron = parse(expression)
    assert isinstance(cron, Cron)
    assert cron.next_after(instant) == brute_force(cron, instant)


@given(EXPRESSIONS, INSTANTS)
def test_nothing_matches_between_an_instant_and_its_next_occurrence(expression: str, instant: datetime) -> None:
    cron = parse(expression)
    assert isinstance(cron, Cron)
    due = cron.next_after(instant)
    assert due > instant
    assert matches(cron, due)
    seconds = min(int((due - instant).total_seconds()), 300)
    assert not any(matches(cron, due - timedelta(seconds=back)) for back in range(1, seconds))


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 */5 * * * *", "2026-03-01T10:00:00", "2026-03-01T10:05:00"),
        ("*/5 * * * *", "2026-03-01T10:00:00", "2026-03-01T10:05:00"),
        ("0 0 2 * * *", "2026-12-31T23:00:00", "2027-01-01T02:00:00"),
        ("30 0 9-17 * * MON-FRI", "2026-11-20T17:00:30", "2026-11-23T09:00:30"),
        ("0 0 0 1 jan,JULY *", "2026-02-01T00:00:00", "2026-07-01T00:00:00"),
        ("0 30 9 * * Sunday", "2026-11-23T00:00:00", "2026-11-29T09:30:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 FEB SUN", "2032-03-01T00:00:00", "2060-02-29T00:00:00"),
        ("5/20 0 0 * * *", "2026-01-01T00:00:05", "2026-01-01T00:00:25"),
        ("0 0 0 13 * 5", "2026-11-14T00:00:00", "2027-08-13T00:00:00"),
    ],
)
def test_known_occurrences(expression: str, after: str, due: str) -> None:
    instant = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert parse(expression).next_after(instant) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_fraction_of_a_second_does_not_hide_the_next_second() -> None:
    instant = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    assert parse("* * * * * *").next_after(instant) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_instants_of_other_zones_are_read_as_utc() -> None:
    oslo = timezone(timedelta(hours=2))
    assert parse("0 0 9 * * *").next_after(datetime(2026, 6, 1, 10, tzinfo=oslo)) == datetime(2026, 6, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(("number", "name"), list(enumerate(WEEKDAYS)))
def test_days_of_the_week_count_from_sunday(number: int, name: str) -> None:
    cron = parse(f"0 0 0 * * {name[:3]}")
    assert isinstance(cron, Cron)
    assert cron.weekdays == (number,)


def test_time_span_counts_from_the_previous_run() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert parse("00:05:00").next_after(start) == start + timedelta(minutes=5)
    assert parse("1.00:00:01").next_after(start) == start + timedelta(days=1, seconds=1)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "*/0 * * * * *",
        "a * * * * *",
        "* * * * * MO",
        "30-10 * * * * *",
        "1- * * * * *",
        ", * * * * *",
        "1/ * * * * *",
        "0 0 0 30 2 *",
        "0 0 0 31 2,4 *",
        "00:00:00",
        "24:00:00",
        "00:60:00",
        "* * * * * L",
        "-5 * * * * *",
        "² * * * * *",
    ],
)
def test_what_azure_would_not_run_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse(expression)
