"""The runbook can be followed: its links lead somewhere, its commands, calls and events exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.app import app
from tests.events import CATALOGUE
from tests.monitoring.deployed import severities
from tests.monitoring.runbook import RUNBOOK, anchors_of

DOCS = Path(__file__).parents[2] / "docs"
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", RUNBOOK, re.MULTILINE))
PARTS = ("Look first", "Do", "Wake somebody else")


@pytest.mark.parametrize("guide", ["events.md", "runbook.md"])
def test_every_link_into_the_runbook_leads_to_a_section(guide: str) -> None:
    prefix = "" if guide == "runbook.md" else r"runbook\.md"
    linked = set(re.findall(rf"\({prefix}#([\w-]+)\)", (DOCS / guide).read_text()))
    assert linked
    assert linked <= anchors_of(RUNBOOK)


@pytest.mark.parametrize("name", severities())
def test_the_section_of_an_alert_says_what_to_look_at_what_to_do_and_whom_to_wake(name: str) -> None:
    (text,) = (text for heading, text in SECTIONS.items() if anchors_of(f"## {heading}") == {name})
    assert [part for part in PARTS if not re.search(rf"^{part}\b.*:", text, re.MULTILINE)] == []
    assert "**" in text, "what it means for drivers and money is in bold"


def test_the_table_at_the_top_has_every_alert_at_its_severity() -> None:
    rows = re.findall(r"^\| (\d) \| [^|]+ \| ([^|]+) \|$", RUNBOOK, re.MULTILINE)
    told = {(name, int(severity)) for severity, names in rows for name in re.findall(r"#([\w-]+)", names)}
    assert told == set(severities().items())


def test_it_speaks_only_of_events_that_exist() -> None:
    areas = "|".join({name.partition(".")[0] for name in CATALOGUE})
    spoken_of = set(re.findall(rf"`((?:{areas})\.[a-z_]+)`", RUNBOOK))
    assert spoken_of
    assert spoken_of <= CATALOGUE.keys()


def test_its_calls_are_calls_of_the_api() -> None:
    documented = {
        (method.upper(), path)
        for path, operations in yaml.safe_load((DOCS / "openapi.yaml").read_text())["paths"].items()
        for method in operations
    }
    calls = set(re.findall(r"(GET|PUT|POST|DELETE) +/api(/[\w{}/-]+)", RUNBOOK))
    assert calls
    assert calls <= documented


@pytest.mark.parametrize("line", sorted({line.strip() for line in re.findall(r"zapctl [^`\n#]+", RUNBOOK)}))
def test_its_commands_are_commands_of_zapctl(line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = line.split()[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    flags = {option: one.is_flag for one in command.params for option in one.opts if one.param_type_name == "option"}
    given = []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            given.append(word)
        elif not flags[word]:
            words.pop(0)
    assert len(given) <= sum(one.param_type_name == "argument" for one in command.params)
