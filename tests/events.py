"""The catalogue of events as docs/events.md has it, and two nets: no test may make the app log an event not in it.

`only_documented_events` watches the process of the tests, once tests/conftest.py imports it; `assert_only_documented`
looks at what the hosts of a stack have logged.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

_GUIDE = Path(__file__).parents[1] / "docs" / "events.md"
_FIELD_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| [^|]+ \|$", re.MULTILINE)
_EVENT_ROW = re.compile(r"^\| `([\w.]+)` \| (info|warning) \| ([^|]+) \|([^|]*)\|[^|]*\|$", re.MULTILINE)
_OURS = {"shared", "functions", "function_app"}
_KINDS = {"text": str, "number": (int, float), "truth": bool, "instant": str}


class Event(msgspec.Struct, frozen=True):
    """An event as the catalogue describes it; `fields` are types by name: text, number, truth or instant."""

    name: str
    level: str
    fields: dict[str, str]
    meaning: str


def read_fields(text: str) -> dict[str, str]:
    """The glossary's fields, by name the type."""
    return dict(_FIELD_ROW.findall(text))


def read_catalogue(text: str) -> dict[str, Event]:
    types = read_fields(text)
    events = {}
    for name, level, meaning, names in _EVENT_ROW.findall(text):
        fields = {field: types[field] for field in re.findall(r"`(\w+)`", names)}
        events[name] = Event(name, level, fields, meaning.strip())
    return events


CATALOGUE = read_catalogue(_GUIDE.read_text())


def faults_of(line: str, level: int | None = None) -> list[str]:
    """What the catalogue has against a logged line; a log file does not tell the level."""
    fields: dict[str, Any] = json.loads(line)
    name = fields.pop("event")
    known = CATALOGUE.get(name)
    if known is None:
        return [f"{name} is not in docs/events.md"]
    faults = [f"{name} has {field}, says docs/events.md not" for field in fields.keys() - known.fields.keys()]
    if level is not None and logging.getLevelName(level).lower() != known.level:
        faults.append(f"{name} is logged as {logging.getLevelName(level)}, docs/events.md says {known.level}")
    for field, kind in known.fields.items():
        if field in fields and not _is_a(fields[field], kind):
            faults.append(f"{name} has {field} = {fields[field]!r}, which is no {kind}")
    return faults


def _is_a(value: object, kind: str) -> bool:
    if isinstance(value, bool) != (kind == "truth"):
        return False
    if kind == "instant":
        return isinstance(value, str) and value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    return isinstance(value, _KINDS[kind])


class _Net(logging.Handler):
    """Looks at each event while it is logged, when the code that logs it can still be told from a test."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if _logged_by() in _OURS:
            self.faults += faults_of(record.getMessage(), record.levelno)


def _logged_by() -> str:
    """The package that called `telemetry.event` or `telemetry.warning`."""
    frame = sys._getframe()
    while frame and frame.f_globals.get("__name__") != "shared.telemetry":
        frame = frame.f_back
    while frame and frame.f_globals.get("__name__") == "shared.telemetry":
        frame = frame.f_back
    return frame.f_globals.get("__name__", "").partition(".")[0] if frame else ""


@pytest.fixture(autouse=True)
def only_documented_events() -> Iterator[None]:
    """What the app logs in this process while a test runs is in the catalogue, with no other fields and types."""
    net = _Net()
    logger = logging.getLogger("zapbridge")
    logger.addHandler(net)
    yield
    logger.removeHandler(net)
    assert not net.faults, "\n".join(net.faults)


def assert_only_documented(log_folder: Path) -> None:
    """What the app's hosts logged; raises where a log holds an event that is not in the catalogue."""
    lines = [line for log in sorted(log_folder.glob("*.log")) for line in log.read_text(errors="replace").splitlines()]
    faults = {fault for line in lines if line.startswith('{"event": ') for fault in faults_of(line)}
    assert not faults, "\n".join(sorted(faults))
