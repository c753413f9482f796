"""The file through which other processes read simulated time: one signed little-endian count of microseconds."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMAT = struct.Struct("<q")


class ClockFile:
    """Owns the file at `path`; it is kept if it exists, as others may have mapped it already."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size != FORMAT.size:
            path.write_bytes(bytes(FORMAT.size))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), FORMAT.size)

    def write(self, instant: datetime) -> None:
        microseconds = (instant - EPOCH) // timedelta(microseconds=1)
        self._page[: FORMAT.size] = FORMAT.pack(microseconds)

    def close(self) -> None:
        self._page.close()
