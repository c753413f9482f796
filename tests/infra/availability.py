"""What is wrong with the test that asks from outside whether the web hooks answer, and with the alert on it."""

from collections.abc import Iterator

from tests.infra.bicep import Sources
from tests.infra.deployment import SUFFIX, Deployment, deploy
from tests.infra.differences import differences
from tests.infra.sites import EXAMPLE

PLACES = {"emea-nl-ams-azr", "emea-gb-db3-azr", "emea-ru-msa-edge", "emea-se-sto-edge", "emea-fr-pra-edge"}
"""Source: Azure/azure-quickstart-templates, dynamic-web-tests."""

TEST = {"Kind": "standard", "Enabled": True, "RetryEnabled": True, "Frequency": 900}
ALERT = {"severity": 0, "enabled": True, "autoMitigate": True, "windowSize": "PT15M"}
"""A window as long as the time between two looks from one place, so that each place is in it."""

_KINDS = {"Microsoft.Insights/webtests", "Microsoft.Insights/metricAlerts"}


def faults(sources: Sources) -> list[str]:
    without = deploy(sources, EXAMPLE | {"availabilityTest": False})
    found = [*_test(deploy(sources, EXAMPLE)), *_alert(deploy(sources, EXAMPLE | {"runbookUrl": "https://runbook"}))]
    return found + [f"{one.name} is there unasked" for one in without.resources if one.type in _KINDS]


def _test(deployment: Deployment) -> Iterator[str]:
    (test,) = deployment.of("Microsoft.Insights/webtests")
    (insights,) = deployment.of("Microsoft.Insights/components")
    wanted = TEST | {"Name": test.name, "SyntheticMonitorId": test.name}
    yield from differences(test.properties, wanted)
    if test.values["kind"] != "standard" or test.values["location"] != insights.values["location"]:
        yield "the test is of another kind or in another region than its component"
    if test.values["tags"].get(f"hidden-link:{insights.id}") != "Resource":
        yield "the test is not linked to Application Insights"
    if test.properties["Request"]["RequestUrl"] != f"https://<zapbridge-hooks-{SUFFIX}.defaultHostName>/api/health":
        yield f"asks {test.properties['Request']['RequestUrl']}"
    if test.properties["Request"]["HttpVerb"] != "GET":
        yield "does not GET"
    if test.properties["ValidationRules"] != {"ExpectedHttpStatusCode": 200, "SSLCheck": True}:
        yield f"expects {test.properties['ValidationRules']}"
    if {one["Id"] for one in test.properties["Locations"]} != PLACES:
        yield f"asks from {test.properties['Locations']}"


def _alert(deployment: Deployment) -> Iterator[str]:
    (alert,) = deployment.of("Microsoft.Insights/metricAlerts")
    (test,) = deployment.of("Microsoft.Insights/webtests")
    (insights,) = deployment.of("Microsoft.Insights/components")
    (group,) = deployment.of("Microsoft.Insights/actionGroups")
    yield from differences(alert.properties, ALERT)
    if alert.values["location"] != "global":
        yield "the alert is in a region"
    if alert.properties["scopes"] != [test.id, insights.id]:
        yield "the alert looks elsewhere"
    if alert.properties["criteria"] != {
        "odata.type": "Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria",
        "webTestId": test.id,
        "componentId": insights.id,
        "failedLocationCount": 2,
    }:
        yield f"the alert wants {alert.properties['criteria']}"
    if alert.properties["actions"] != [{"actionGroupId": group.id}]:
        yield "the alert tells nobody"
    if not alert.properties["description"].endswith("https://runbook#app-not-answering"):
        yield "the alert does not say what to do"
