"""The alerts and charts that the templates would deploy, each with the text of its query."""

import json

from tests.infra.bicep import sources
from tests.infra.deployment import Deployed, deploy
from tests.infra.sites import EXAMPLE

RUNBOOK_URL = "https://runbook"
DEPLOYMENT = deploy(sources(), EXAMPLE | {"runbookUrl": RUNBOOK_URL})
RULES = DEPLOYMENT.of("Microsoft.Insights/scheduledQueryRules")
"""The alerts on logs."""


def alert_name(rule: Deployed) -> str:
    return rule.name.removeprefix("zapbridge-")


def severities() -> dict[str, int]:
    """Of every alert by its name: those on logs, and the one on what is asked from outside."""
    rules = [*RULES, *DEPLOYMENT.of("Microsoft.Insights/metricAlerts")]
    return {alert_name(rule): rule.properties["severity"] for rule in rules}


def charts() -> dict[str, str]:
    """The queries of the workbook by the names of its charts."""
    (workbook,) = DEPLOYMENT.of("Microsoft.Insights/workbooks")
    items = json.loads(workbook.properties["serializedData"])["items"]
    return {item["name"]: item["content"]["query"] for item in items if "query" in item["content"]}
