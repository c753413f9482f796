"""docs/events.md is the catalogue of what the code logs: every event, its level and its fields, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shared import telemetry
from tests.events import CATALOGUE, assert_only_documented, faults_of, read_catalogue, read_fields

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "events.md").read_text()
LEVELS = {"event": "info", "warning": "warning"}


class Call(msgspec.Struct, frozen=True):
    """A call of the telemetry; `name` is one that it may log, None where that cannot be told from the text."""

    name: str | None
    level: str
    fields: frozenset[str]
    place: str


def calls_in(source: str, place: str) -> Iterator[Call]:
    tree = ast.parse(source)
    tables = {
        target.id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)
        for target in statement.targets
        if isinstance(target, ast.Name) and _is_literal(statement.value)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("telemetry"), attr="event" | "warning" as function)):
                fields = frozenset(keyword.arg or "**" for keyword in node.keywords)
                for name in _names(node.args[0], tables):
                    yield Call(name, LEVELS[function], fields, f"{place}:{node.lineno}")


def _names(argument: ast.expr, tables: dict[str, dict[str, str]]) -> list[str | None]:
    """A literal, or every value of a table of literals it is looked up in."""
    match argument:
        case ast.Constant(str(name)):
            return [name]
        case ast.Subscript(value=ast.Name(table)) if table in tables:
            return list(tables[table].values())
    return [None]


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


CALLS = [
    call
    for folder in ("shared", "functions")
    for path in sorted((ROOT / folder).rglob("*.py"))
    for call in calls_in(path.read_text(), str(path.relative_to(ROOT)))
]


def test_every_name_and_field_can_be_told_from_the_code() -> None:
    assert not [call.place for call in CALLS if call.name is None or {"**", "level"} & call.fields]


def test_the_telemetry_is_called_in_no_other_way() -> None:
    sources = {path: path.read_text() for folder in ("shared", "functions") for path in (ROOT / folder).rglob("*.py")}
    used = {match for text in sources.values() for match in re.findall(r"\btelemetry\.(\w+)", text)}
    assert used == set(LEVELS)
    imports = {match for text in sources.values() for match in re.findall(r".*import.*\btelemetry\b.*", text)}
    assert imports == {"from shared import telemetry"}


def test_the_catalogue_lists_every_event_and_no_other() -> None:
    assert CATALOGUE.keys() == {call.name for call in CALLS}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_it_tells_the_events_level_and_fields(name: str) -> None:
    calls = [call for call in CALLS if call.name == name]
    assert {call.level for call in calls} == {CATALOGUE[name].level}
    assert {field for call in calls for field in call.fields} == CATALOGUE[name].fields.keys()
    assert CATALOGUE[name].meaning


def test_every_row_of_the_tables_is_read() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", GUIDE, re.MULTILINE)
    assert sorted(rows) == sorted([*read_fields(GUIDE), *CATALOGUE])


def test_the_glossary_explains_the_fields_that_are_used_and_no_other() -> None:
    assert read_fields(GUIDE).keys() == {field for event in CATALOGUE.values() for field in event.fields}
    assert set(read_fields(GUIDE).values()) == {"text", "number", "truth", "instant"}


CODE = """
from shared import telemetry
_EVENTS = {"a": "found.one", "b": "found.other"}
telemetry.event("plain", at=1)
telemetry.warning(_EVENTS[kind], reason=2)
telemetry.event(made_up(), **more)
"""


def test_the_scan_sees_plain_names_names_from_a_table_and_what_it_cannot_see() -> None:
    told = [(call.name, call.level, sorted(call.fields)) for call in calls_in(CODE, "")]
    assert told == [
        ("plain", "info", ["at"]),
        ("found.one", "warning", ["reason"]),
        ("found.other", "warning", ["reason"]),
        (None, "info", ["**"]),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"event": "start.invented"}', "start.invented is not in docs/events.md"),
        ('{"event": "stream.silent", "stream": "a", "colour": 1}', "stream.silent has colour, says docs/events.md not"),
        ('{"event": "stream.silent", "seconds": "900"}', "stream.silent has seconds = '900', which is no number"),
        ('{"event": "sessions.open_too_long", "oldest": "2026-03-02"}', "no instant"),
        ('{"event": "hook_credential.rotated"}', "logged as WARNING, docs/events.md says info"),
    ],
)
def test_the_net_of_all_tests_catches_what_is_not_in_the_catalogue(line: str, fault: str) -> None:
    (told,) = faults_of(line, 30)
    assert fault in told


def test_the_net_lets_through_what_is() -> None:
    assert faults_of('{"event": "stream.silent", "stream": "fjordveien", "seconds": 901}', 30) == []


def test_a_catalogue_with_an_event_of_unknown_fields_is_not_read() -> None:
    with pytest.raises(KeyError, match="colour"):
        read_catalogue("| `a.b` | info | It was seen. | `colour` | |\n")


def test_a_test_that_logs_an_event_itself_is_none_of_the_nets_business() -> None:
    telemetry.event("made.up")


def test_the_net_of_the_stacks_logs_catches_it_too(tmp_path: Path) -> None:
    log = tmp_path / "hooks.log"
    log.write_text('devhost: ready\n{"event": "stream.silent", "stream": "a", "seconds": 901}\n')
    assert_only_documented(tmp_path)
    log.write_text('{"event": "start.invented"}\n')
    with pytest.raises(AssertionError, match=r"start\.invented"):
        assert_only_documented(tmp_path)
