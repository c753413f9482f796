"""The alert rules and the workbook use every query and no other, and an alert says where to read what to do."""

import re
from pathlib import Path

import pytest

from tests.monitoring.bicep import MODULES, Alert, alerts, anchors_of, charts, module, severities
from tests.monitoring.kusto import QUERIES, parsed

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
ALERTS = alerts()
ASKED_FOR = {
    "stream-silent",
    "rotation-failed",
    "rotation-not-moving",
    "login-refused",
    "hooks-5xx",
    "hook-authentication-failing",
    "bodies-not-understood",
    "possible-lockout",
    "quarantine-growing",
    "sessions-open-too-long",
    "app-not-running",
    "app-not-answering",
    "app-not-configured",
    "app-partly-configured",
}
SECONDS = {"M": 60, "H": 3600, "D": 86400}
LENGTHS_AZURE_TAKES = {"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H"}


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"PT?(\d+)([MHD])", duration).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]


def named(alert: Alert) -> str:
    return alert.name


def test_there_is_an_alert_for_everything_that_was_asked_for() -> None:
    assert severities().keys() >= ASKED_FOR
    assert len(severities()) == len(ALERTS) + 1


def test_what_stops_drivers_everywhere_is_the_most_severe() -> None:
    assert {name for name, severity in severities().items() if severity == 0} == {
        "app-not-answering",
        "possible-lockout",
    }


def test_the_workbook_shows_what_was_asked_for() -> None:
    shown = {event for name in charts() for event in parsed()[name].events}
    assert shown >= {
        "start.authorized",
        "start.refused",
        "session.ended",
        "stream.progress",
        "login.renewed",
        "rotation.step",
        "stream.messages_quarantined",
        "charger.fault",
    }
    assert {"p50Ms", "p95Ms", "p99Ms"} <= parsed()["authorizations"].columns.keys()


def test_every_query_is_used_once_and_every_file_that_is_loaded_exists() -> None:
    loaded = [alert.query for alert in ALERTS] + list(charts().values())
    assert sorted(loaded) == sorted(f"../queries/{name}.kql" for name in QUERIES)
    for name in ("alerts", "workbook"):
        paths = re.findall(r"loadTextContent\('(.+?)'\)", (MODULES / f"{name}.bicep").read_text())
        assert all((MODULES / path).is_file() for path in paths)


def test_no_kql_is_written_in_the_modules() -> None:
    assert not [name for name in ("alerts", "workbook") if "AppTraces" in (MODULES / f"{name}.bicep").read_text()]


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_an_alert_is_named_as_its_query_and_its_section_of_the_runbook(alert: Alert) -> None:
    assert alert.query == f"../queries/alert-{alert.name}.kql"
    assert alert.name in anchors_of(RUNBOOK)


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_it_looks_often_enough_and_misses_nothing_that_arrives_late(alert: Alert) -> None:
    assert {alert.every, alert.window} <= LENGTHS_AZURE_TAKES
    assert seconds(alert.window) >= 2 * seconds(alert.every)
    assert 0 <= alert.severity <= 3
    assert alert.severity == 3 or alert.every == "PT5M"


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_it_is_told_apart_by_a_column_of_its_query(alert: Alert) -> None:
    columns = parsed()[f"alert-{alert.name}"].columns
    assert alert.dimension is None or columns[alert.dimension] == "string"
    assert {"installation", "stream", "hook"} & columns.keys() == ({alert.dimension} if alert.dimension else set())


def test_the_rules_are_made_of_the_list_and_link_to_the_runbook() -> None:
    rules = module("alerts")["resources"]["rules"]["config"]
    assert rules["loop_type"]["detail"] == {"item_name": "alert", "array_name": "alerts"}
    properties = rules["config"]["properties"]
    assert properties["description"] == "${alert.title}. What to do: ${runbook}#${alert.name}"
    assert properties["scopes"] == ["workspaceId"]
    assert properties["actions"]["actionGroups"] == ["actionGroupId"]
    (criterion,) = properties["criteria"]["allOf"]
    assert (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == ("Count", "GreaterThan", 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        (
            "alerts",
            {
                "location": "string",
                "tags": "object",
                "workspaceId": "string",
                "applicationInsightsId": "string",
                "actionGroupId": "string",
                "runbook": "string",
            },
        ),
        ("workbook", {"location": "string", "tags": "object", "workspaceId": "string"}),
    ],
)
def test_a_module_takes_what_the_others_hand_it_and_uses_all_of_it(name: str, parameters: dict[str, str]) -> None:
    assert {key: one["type"] for key, one in module(name)["parameters"].items()} == parameters
    text = (MODULES / f"{name}.bicep").read_text()
    declared = [*parameters, *module(name)["variables"]]
    assert not [symbol for symbol in declared if len(re.findall(rf"\b{symbol}\b", text)) < 2]
