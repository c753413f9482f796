"""The one source of time."""

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import EPOCH, clock_from, file_clock, system_clock
from simulator.clockfile import ClockFile

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=100)


def test_the_systems_time_is_aware_and_utc() -> None:
    before = datetime.now(UTC)

    assert before <= system_clock() <= datetime.now(UTC)
    assert system_clock().tzinfo is UTC
    assert clock_from(None) is system_clock


@given(instant=st.datetimes(datetime(1901, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
@EXAMPLES
def test_a_clock_file_is_read_to_the_microsecond(tmp_path_factory: pytest.TempPathFactory, instant: datetime) -> None:
    path = tmp_path_factory.getbasetemp() / "any-instant"
    path.write_bytes(struct.pack("<q", (instant - EPOCH) // timedelta(microseconds=1)))

    assert file_clock(path)() == instant


def test_a_clock_file_is_read_anew_each_time_it_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.write_bytes(struct.pack("<q", 0))
    now = clock_from(path)
    assert now() == EPOCH
    assert now().tzinfo is UTC

    with path.open("r+b") as file:
        file.write(struct.pack("<q", 1_500_000))

    assert now() == EPOCH + timedelta(seconds=1.5)


def test_the_simulators_clock_file_is_the_one_we_read(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    instant = datetime(2026, 3, 2, 6, 0, 0, 123456, tzinfo=UTC)
    ClockFile(path).write(instant)

    assert file_clock(path)() == instant


def test_a_clock_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        clock_from(tmp_path / "nowhere")
    (tmp_path / "short").write_bytes(b"1234")
    with pytest.raises(ValueError, match="mmap"):
        clock_from(tmp_path / "short")
