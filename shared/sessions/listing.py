"""The session log page by page, in order of the instants sessions are listed under (their starts, where credible)."""

import base64
import binascii
from datetime import UTC, datetime, timedelta

import msgspec

from shared.errors import InvalidInput
from shared.storage.session_index import SessionEntry, SessionIndex, instant_key, month_partition, months

DEFAULT_SPAN = timedelta(days=31)
_LONGEST_SPAN = timedelta(days=3660)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class SessionPage(msgspec.Struct, frozen=True):
    items: tuple[SessionEntry, ...]
    cursor: str | None
    """Where the next page begins; None after the last."""


class Listing:
    def __init__(self, index: SessionIndex) -> None:
        self._index = index

    async def page(
        self, installation_ids: list[str | None], start: datetime, end: datetime, cursor: str | None, limit: int
    ) -> SessionPage:
        """Up to `limit` sessions listed from `start` until before `end`, month by month and within a month installation
        by installation; None among the ids stands for sessions whose installation nobody knows.

        Raises InvalidInput where the span or the cursor makes no sense.
        """
        if start < _EARLIEST or not timedelta(0) <= end - start <= _LONGEST_SPAN:
            raise InvalidInput(
                "the time span makes no sense", {"from": "must be after 2000, before `to`, and within ten years of it"}
            )
        partitions = [
            month_partition(installation_id, month)
            for month in months(start, end)
            for installation_id in installation_ids
        ]
        position, after = _read_cursor(cursor, partitions) if cursor else (0, instant_key(start))
        items: list[SessionEntry] = []
        for number, partition in enumerate(partitions[position:], position):
            room = limit - len(items)
            found = await self._index.page(partition, after, instant_key(end), room + 1)
            items += found[:room]
            if len(found) > room:
                last_key = found[room - 1].row_key if room else after
                return SessionPage(tuple(items), _cursor(partitions[number], last_key))
            after = instant_key(start)
        return SessionPage(tuple(items), None)


def _cursor(partition: str, row_key: str) -> str:
    return base64.urlsafe_b64encode(f"{partition} {row_key}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str, partitions: list[str]) -> tuple[int, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        partition, _, row_key = text.partition(" ")
        return partitions.index(partition), row_key
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise InvalidInput(
            "the cursor cannot be used", {"cursor": "must be one that this very query (same parameters) answered with"}
        ) from None
