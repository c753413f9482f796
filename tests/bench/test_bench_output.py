"""A run of the benchmarks too short to say how fast anything is: every line of it is a figure, and storage requests,
which are the same in a run of any length, are within what is promised."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def figures() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bench", "--quick"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_every_line_is_a_figure(figures: list[dict[str, Any]]) -> None:
    for figure in figures:
        assert list(figure) == ["name", "value", "unit", "baseline", "ratio"]
        assert isinstance(figure["name"], str)
        assert figure["unit"] in {"1/s", "ms", "requests", "MiB"}
        assert figure["value"] >= 0
        assert (figure["baseline"] is None) == (figure["ratio"] is None)


def test_each_name_stands_for_one_figure(figures: list[dict[str, Any]]) -> None:
    names = [figure["name"] for figure in figures]
    assert len(names) == len(set(names)) == 27


def test_the_baseline_makes_the_storage_requests_of_zapbridge(figures: list[dict[str, Any]]) -> None:
    compared = [figure for figure in figures if "baseline against zapbridge" in figure["name"]]
    assert [figure["value"] for figure in compared] == [figure["baseline"] for figure in compared] == [3, 1]


def test_answers_wait_for_no_more_storage_requests_than_promised(figures: list[dict[str, Any]]) -> None:
    awaited = {figure["name"]: figure for figure in figures if figure["name"].startswith("storage requests awaited")}
    over = {name for name, figure in awaited.items() if figure["value"] > figure["baseline"]}
    assert over <= {name for name in awaited if "maxConcurrent" in name}
