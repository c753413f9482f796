"""Where the log looks for the sessions of a page: all of them are found, and little else is read."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.sessions.past import spans
from tests.conftest import MONDAY_MORNING

instants = st.integers(0, 60 * 24 * 60).map(lambda minutes: MONDAY_MORNING + timedelta(minutes=minutes))


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
