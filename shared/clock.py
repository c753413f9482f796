"""The one source of time.

In Azure it is the system's clock. On the accelerated local stack it is the simulator's: a file of eight bytes, the
little-endian signed count of microseconds since 1970-01-01 UTC, named by the setting `ZAPBRIDGE_CLOCK_FILE`.
"""

import mmap
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Clock = Callable[[], datetime]
"""Tells the present instant as an aware UTC datetime."""


def system_clock() -> datetime:
    return datetime.now(UTC)


def file_clock(path: Path) -> Clock:
    """A clock that somebody else sets: reads the instant from the eight bytes of the file at `path`."""
    with path.open("rb") as file:
        page = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def now() -> datetime:
        (microseconds,) = struct.unpack("<q", page[:8])
        return EPOCH + timedelta(microseconds=microseconds)

    return now


def clock_from(path: Path | None) -> Clock:
    return file_clock(path) if path else system_clock
