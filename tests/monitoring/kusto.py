"""What a query says, told by Microsoft's own parser, and what is wrong with it by the catalogue of events.

`tables.json` holds the columns of the tables as Microsoft publishes them ("Azure Monitor Logs reference", AppTraces and
AppRequests).
"""

import ast
import functools
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tests.events import CATALOGUE

ROOT = Path(__file__).parents[2]
QUERIES = {path.stem: path.read_text() for path in sorted((ROOT / "infra" / "queries").glob("*.kql"))}
READING_EVENTS = (
    "AppTraces",
    "| where Message startswith '{\"event\": '",
    "| distinct TimeGenerated, OperationId, Message",
    "| extend body = parse_json(Message)",
    "| extend event = tostring(body.event)",
)
"""The steps by which every query comes to `event` and `body`; docs/events.md explains them."""
_CONVERSIONS = {
    "text": {"tostring"},
    "number": {"toreal", "toint", "tolong"},
    "truth": {"tobool"},
    "instant": {"todatetime"},
}


class Field(msgspec.Struct, frozen=True):
    """A field of `body` that a query uses, and the function it is handed to."""

    name: str
    conversion: str


class Query(msgspec.Struct, frozen=True):
    """`events` is what `event` is compared with, `functions` what `Name` is; `columns` are types by name."""

    diagnostics: tuple[str, ...]
    unchecked: tuple[str, ...]
    tables: tuple[str, ...]
    events: tuple[str, ...]
    functions: tuple[str, ...]
    fields: tuple[Field, ...]
    columns: dict[str, str]


def parse(queries: Mapping[str, str]) -> dict[str, Query]:
    """All at once: it takes most of a second to load the parser."""
    folder = Path(__file__).parent
    given = json.dumps({"tables": json.loads((folder / "tables.json").read_text()), "queries": queries})
    told = subprocess.run(["node", folder / "kql.cjs"], input=given.encode(), capture_output=True, check=True)  # noqa: S603, S607
    return msgspec.json.decode(told.stdout, type=dict[str, Query])


@functools.cache
def parsed() -> dict[str, Query]:
    """Every query of infra/queries."""
    return parse(QUERIES)


def faults_of(query: Query) -> Iterator[str]:
    """What the parser, the catalogue and the code have against a query."""
    yield from query.diagnostics
    yield from (f"cannot be checked: {part}" for part in query.unchecked)
    yield from (f"no such event: {name}" for name in query.events if name not in CATALOGUE)
    yield from (f"no such function: {name}" for name in query.functions if name not in function_names())
    selected = [CATALOGUE[name] for name in query.events if name in CATALOGUE] or list(CATALOGUE.values())
    types = {name: kind for event in selected for name, kind in event.fields.items()} | {"event": "text"}
    for field in query.fields:
        if field.name not in types:
            yield f"none of the events has {field.name}"
        elif field.conversion not in _CONVERSIONS[types[field.name]]:
            yield f"{field.name} is {types[field.name]}, and is read by {field.conversion or 'no conversion'}"


@functools.cache
def function_names() -> frozenset[str]:
    """The functions of the app that a route or a timer starts, which are the names of requests."""
    return _started_by("route") | timer_names()


@functools.cache
def timer_names() -> frozenset[str]:
    return _started_by("timer_trigger")


def _started_by(trigger: str) -> frozenset[str]:
    return frozenset(
        function.name
        for path in (ROOT / "functions").glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.AsyncFunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr == trigger
    )
