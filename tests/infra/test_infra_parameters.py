"""infra/main.bicepparam: what it sets fits infra/main.bicep."""

from typing import Any

import pytest

from tests.infra.bicep import INFRA, read, sources
from tests.infra.deployment import Deployment, deploy
from tests.infra.parameters import parameters, variables

MAIN = read("main.bicep", sources()["main.bicep"])
TEXT = (INFRA / "main.bicepparam").read_text()


def deployed(**environment: str) -> Deployment:
    return deploy(sources(), parameters(environment))


def test_it_deploys_as_it_is() -> None:
    assert deployed().outputs["AZURE_RESOURCE_GROUP"] == "rg-zapbridge"


def test_it_sets_what_must_be_set_and_nothing_unknown() -> None:
    required = {name for name, parameter in MAIN.parameters.items() if parameter.default is None}

    assert required <= set(parameters({})) <= set(MAIN.parameters)


def test_what_it_sets_without_being_told_is_the_default() -> None:
    """Whoever deploys main.bicep without this file gets the same."""
    assert deployed() == deploy(sources(), {"environmentName": "zapbridge", "location": "westeurope"})


@pytest.mark.parametrize(
    ("variable", "value", "parameter", "read_as"),
    [
        ("AZURE_ENV_NAME", "prod", "environmentName", "prod"),
        ("AZURE_LOCATION", "norwayeast", "location", "norwayeast"),
        ("AZURE_PRINCIPAL_ID", "3f", "operatorPrincipalId", "3f"),
        ("AZURE_PRINCIPAL_TYPE", "Group", "operatorPrincipalType", "Group"),
        ("ZAPBRIDGE_ALERT_EMAIL", "ops@example.com", "alertEmail", "ops@example.com"),
        ("ZAPBRIDGE_RUNBOOK_URL", "https://example.com/runbook", "runbookUrl", "https://example.com/runbook"),
        ("ZAPBRIDGE_PRIVATE_NETWORK", "true", "privateNetwork", True),
        ("ZAPBRIDGE_OPERATOR_ADDRESS", "192.0.2.1", "operatorAddress", "192.0.2.1"),
        ("ZAPBRIDGE_RECOVER_VAULT", "true", "recoverVault", True),
    ],
)
def test_an_environment_variable_is_heard(variable: str, value: str, parameter: str, read_as: Any) -> None:
    assert parameters({variable: value})[parameter] == read_as
    assert deployed(**{variable: value}).outputs


def test_every_variable_that_is_read_is_tried_above() -> None:
    (tried,) = [mark for mark in test_an_environment_variable_is_heard.pytestmark if mark.name == "parametrize"]

    assert {case[0] for case in tried.args[1]} == variables(TEXT)


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"hooksMemoryMB": 1024}, "hooksMemoryMB must not be 1024"),
        ({"tablesRedundancy": "Premium_LRS"}, "tablesRedundancy must not be Premium_LRS"),
        ({"streamsMaximumInstances": 0}, "streamsMaximumInstances must not be 0"),
        ({"streamsMaximumInstances": 1001}, "streamsMaximumInstances must not be 1001"),
        ({"environmentName": ""}, "environmentName must not be "),
        ({"environmentName": "x" * 41}, "environmentName must not be xxx"),
        ({"zoneRedundant": "yes"}, "zoneRedundant is no bool"),
        ({"location": None}, "location is no string"),
    ],
)
def test_what_azure_would_refuse_is_refused(given: dict[str, Any], refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        deploy(sources(), parameters({}) | given)


def test_a_file_for_another_template_is_refused() -> None:
    with pytest.raises(ValueError, match=r"main\.bicep"):
        parameters({}, TEXT.replace("using './main.bicep'", "using './other.bicep'"))
