"""A small storm over the session log; `make session-storm` plays it in full."""

from pathlib import Path

import pytest

from tests.sessions.storm import faults_of, storm

pytestmark = pytest.mark.xdist_group("streams")

SESSIONS, CHARGERS = 48, 8


async def test_after_a_storm_the_log_is_the_truth(tmp_path: Path, seed: int) -> None:
    result = await storm(tmp_path, SESSIONS, CHARGERS, seed)
    assert list(faults_of(result)) == [], result
