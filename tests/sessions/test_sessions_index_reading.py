"""Where the log looks for the sessions of a page: all of them are found, and each row of the index is read once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.storing import CountingTransport
from shared.sessions import index_reading as module
from shared.sessions.index_reading import IndexReading, spans
from shared.storage.session_index import SessionEntry, SessionIndex
from shared.storage.table import Tables
from shared.zapcloud.history import PastSession, read_history
from tests.conftest import MONDAY_MORNING, HandClock

instants = st.integers(0, 60 * 24 * 60).map(lambda minutes: MONDAY_MORNING + timedelta(minutes=minutes))
NOW = datetime(2026, 3, 4, tzinfo=UTC)
BEGINNING = NOW - timedelta(days=20)


@given(st.lists(instants, max_size=20), st.integers(1, 8))
def test_every_instant_is_in_one_span_and_there_are_no_more_than_allowed(starts: list[datetime], most: int) -> None:
    found = spans(starts, most=most)
    assert len(found) <= most
    assert all(sum(first <= start <= last for first, last in found) == 1 for start in starts)
    assert sorted(found) == found


def test_a_session_that_was_offline_for_days_is_looked_for_by_itself() -> None:
    days_ago, then = MONDAY_MORNING - timedelta(days=3), MONDAY_MORNING + timedelta(minutes=50)
    assert spans([MONDAY_MORNING, then, days_ago], most=8) == [(days_ago, days_ago), (MONDAY_MORNING, then)]
    assert spans([MONDAY_MORNING, then, days_ago], most=1) == [(days_ago, then)]
    assert spans([], most=8) == []


class Book:
    """An index of `sessions` sessions, of which one in ten is not listed."""

    def __init__(self, tables: Tables, transport: CountingTransport, clock: HandClock, sessions: int) -> None:
        clock.set(NOW)
        self.clock = clock
        self.random = Random(1)
        self.transport = transport
        self.index = SessionIndex(tables)
        self.installation = "10000000-0000-4000-8000-000000000001"
        minutes = sorted(self.random.uniform(0, 20 * 24 * 60) for _ in range(sessions))
        self.sessions = [self._session(place, BEGINNING + timedelta(minutes=one)) for place, one in enumerate(minutes)]
        self.listed = {one.report.session_id for one in self.sessions if self.random.random() < 0.9}

    def _session(self, place: int, start: datetime) -> PastSession:
        return read_history({"id": f"20000000-0000-4000-8000-{place:012x}", "startdatetime": start.isoformat()})

    async def write(self) -> None:
        await self.index.put_new(
            [
                SessionEntry(
                    session_id=one.report.session_id,
                    installation_id=self.installation,
                    listed_at=(one.report.start or NOW) + timedelta(minutes=self.random.uniform(-14, 14)),
                    start_known=True,
                    facts=1,
                    status="ended",
                )
                for one in self.sessions
                if one.report.session_id in self.listed
            ]
        )
        self.transport.requests = 0

    def reading(self, since: datetime = BEGINNING) -> IndexReading:
        return IndexReading(self.clock.now, self.index, self.installation, since)

    async def found(self, reading: IndexReading, order: list[PastSession]) -> set[str]:
        found: set[str] = set()
        for first in range(0, len(order), 100):
            found |= set(await reading.entries(order[first : first + 100]))
        return found


@pytest.fixture
async def book(connection_string: str, clock: HandClock) -> AsyncIterator[Book]:
    transport = CountingTransport()
    async with Tables(connection_string, transport) as tables:
        book = Book(tables, transport, clock, 2200)
        await book.write()
        yield book


async def test_pages_in_order_of_starts_read_each_row_once(book: Book) -> None:
    assert await book.found(book.reading(), book.sessions) == book.listed
    february = sum(bool(one.report.start and one.report.start.month == 2) for one in book.sessions)
    assert 1000 < february * 0.9 < 2000, "two requests for February, one for March"
    assert book.transport.requests == 3


async def test_pages_in_any_order_find_the_same(book: Book) -> None:
    shuffled = book.random.sample(book.sessions, 500)
    asked = {one.report.session_id for one in shuffled}
    late = book.reading(NOW - timedelta(days=2))
    assert await book.found(late, shuffled) == book.listed & asked


async def test_what_was_forgotten_is_read_again(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KEPT", 50)
    reading = book.reading()
    assert await book.found(reading, book.sessions) == book.listed
    assert len(reading._entries) <= 50
    assert await book.found(reading, book.sessions[::-7]) == book.listed & {
        one.report.session_id for one in book.sessions[::-7]
    }
