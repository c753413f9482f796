"""The log page by page: every session once, in order, whatever the size of the pages."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.services import Services
from shared.errors import InvalidInput
from shared.storage.session_index import SessionEntry, SessionIndex

HERE, THERE = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
FIRST = datetime(2026, 1, 30, tzinfo=UTC)
LAST = datetime(2026, 4, 2, tzinfo=UTC)


@pytest.fixture
async def logged(services: Services) -> list[SessionEntry]:
    """Sessions every eleven hours over three turns of the month, at two installations in turn."""
    entries = [
        SessionEntry(
            session_id=f"00000000-0000-4000-9000-{number:012x}",
            listed_at=FIRST + timedelta(hours=11 * number),
            facts=1,
            status="authorized",
            start_known=True,
            installation_id=(HERE, THERE)[number % 2],
        )
        for number in range(120)
    ]
    await SessionIndex(services.tables).put_new(entries)
    return entries


@pytest.mark.parametrize("limit", [1, 7, 60, 1000])
async def test_pages_together_are_the_log(services: Services, logged: list[SessionEntry], limit: int) -> None:
    found: list[SessionEntry] = []
    cursor: str | None = None
    while True:
        page = await services.listing.page([HERE], FIRST, LAST, cursor, limit)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
        assert len(page.items) == limit, "only the last page may be short"
    assert found == [entry for entry in logged if entry.installation_id == HERE]


async def test_the_span_includes_its_start_and_not_its_end(services: Services, logged: list[SessionEntry]) -> None:
    start, end = logged[10].listed_at, logged[20].listed_at
    page = await services.listing.page([HERE, THERE], start, end, None, 1000)
    assert {entry.session_id for entry in page.items} == {entry.session_id for entry in logged[10:20]}


async def test_a_cursor_of_another_query_is_refused(services: Services, logged: list[SessionEntry]) -> None:
    page = await services.listing.page([HERE], FIRST, LAST, None, 5)
    with pytest.raises(InvalidInput):
        await services.listing.page([THERE], FIRST, LAST, page.cursor, 5)
    with pytest.raises(InvalidInput):
        await services.listing.page([HERE], FIRST, LAST, "' or 1 eq 1", 5)
