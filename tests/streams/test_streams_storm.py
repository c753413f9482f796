"""A small storm over the message stream; `make storm` plays it in full."""

from pathlib import Path

import pytest

from tests.streams.storm import faults_of, storm

pytestmark = pytest.mark.xdist_group("streams")

MESSAGES, CHARGERS = 6000, 60


@pytest.mark.parametrize("around", ["file", "azure"])
async def test_after_a_storm_the_states_are_the_truth(tmp_path: Path, seed: int, around: str) -> None:
    result = await storm(tmp_path, MESSAGES, CHARGERS, seed, azure=around == "azure")
    assert faults_of(result, MESSAGES) == [], result
