"""The alert rules and the workbook use every query and no other, and an alert says where to read what to do."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.bicep import sources
from tests.infra.deployment import Deployed
from tests.monitoring.deployed import DEPLOYMENT, RULES, RUNBOOK_URL, alert_name, charts, severities
from tests.monitoring.kusto import QUERIES, parsed, timer_names
from tests.monitoring.runbook import RUNBOOK, anchors_of

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
    "backup-missing",
    "sessions-not-read",
    "signature-invalid",
    "upkeep-failing",
}
SECONDS = {"M": 60, "H": 3600, "D": 86400}
LENGTHS_AZURE_TAKES = {"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H"}
LONGEST_WINDOWS = {"P1D", "P2D"}
"""Besides those: Terraform Registry, azurerm_monitor_scheduled_query_rules_alert_v2, `window_duration`."""


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"PT?(\d+)([MHD])", duration).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]


def criterion(rule: Deployed) -> Mapping[str, Any]:
    criteria: list[Mapping[str, Any]] = rule.properties["criteria"]["allOf"]
    (only,) = criteria
    return only


def test_there_is_an_alert_for_everything_that_was_asked_for() -> None:
    assert severities().keys() >= ASKED_FOR
    assert len(severities()) == len(RULES) + 1


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
        "backup.completed",
        "reconcile.completed",
        "session.signature_invalid",
        "upkeep.failed",
        "upkeep.resting",
        "driver.erasure_failed",
    }
    assert {"p50Ms", "p95Ms", "p99Ms"} <= parsed()["authorizations"].columns.keys()


def test_work_that_fails_is_told_of_whatever_timer_does_it() -> None:
    told = {event for name, query in parsed().items() if name.startswith("alert-") for event in query.events}
    assert told >= {"upkeep.failed", "driver.erasure_failed", "backup.failed"}
    crashing = set(parsed()["alert-upkeep-failing"].functions)
    assert crashing == timer_names() - {"sweep", "backup", "refresh_constants"}
    assert {"sweep.completed"} == set(parsed()["alert-app-not-running"].events)
    assert set(parsed()["upkeep"].functions) == timer_names()


def test_every_query_is_used_once() -> None:
    queries = {f"alert-{alert_name(rule)}": criterion(rule)["query"] for rule in RULES}
    assert queries | charts() == QUERIES
    assert len(RULES) + len(charts()) == len(QUERIES)


def test_no_kql_is_written_in_the_modules() -> None:
    assert not [name for name in ("alerts", "workbook") if "AppTraces" in sources()[f"modules/{name}.bicep"]]


@pytest.mark.parametrize("rule", RULES, ids=alert_name)
def test_an_alert_links_to_its_section_of_the_runbook(rule: Deployed) -> None:
    name, properties = alert_name(rule), rule.properties
    assert name in anchors_of(RUNBOOK)
    title = properties["displayName"].removeprefix("zapbridge: ")
    assert properties["description"] == f"{title}. What to do: {RUNBOOK_URL}#{name}"


@pytest.mark.parametrize("rule", RULES, ids=alert_name)
def test_any_row_of_the_workspace_is_told_to_the_operator(rule: Deployed) -> None:
    (workspace,) = DEPLOYMENT.of("Microsoft.OperationalInsights/workspaces")
    (group,) = DEPLOYMENT.of("Microsoft.Insights/actionGroups")
    assert rule.properties["scopes"] == [workspace.id]
    assert rule.properties["actions"]["actionGroups"] == [group.id]
    asked = criterion(rule)
    assert (asked["timeAggregation"], asked["operator"], asked["threshold"]) == ("Count", "GreaterThan", 0)


@pytest.mark.parametrize("rule", RULES, ids=alert_name)
def test_it_looks_often_enough_and_misses_nothing_that_arrives_late(rule: Deployed) -> None:
    every, window = rule.properties["evaluationFrequency"], rule.properties["windowSize"]
    severity = rule.properties["severity"]
    assert every in LENGTHS_AZURE_TAKES
    assert window in LENGTHS_AZURE_TAKES | LONGEST_WINDOWS
    assert seconds(window) >= 2 * seconds(every)
    assert 0 <= severity <= 3
    assert severity == 3 or every == "PT5M"


@pytest.mark.parametrize("rule", RULES, ids=alert_name)
def test_it_is_told_apart_by_a_column_of_its_query(rule: Deployed) -> None:
    columns = parsed()[f"alert-{alert_name(rule)}"].columns
    dimensions = criterion(rule)["dimensions"]
    names = {one["name"] for one in dimensions}
    assert dimensions == [{"name": name, "operator": "Include", "values": ["*"]} for name in names]
    assert all(columns[name] == "string" for name in names)
    assert {"installation", "stream", "hook", "work"} & columns.keys() == names
