"""azure.yaml: azd deploys the package of this folder to the two sites that the templates make."""

import yaml

from tests.infra.bicep import ROOT, sources
from tests.infra.deployment import deploy
from tests.infra.sites import EXAMPLE

AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text())


def test_azd_finds_a_site_for_every_service() -> None:
    sites = deploy(sources(), EXAMPLE).of("Microsoft.Web/sites")

    assert sorted(AZURE["services"]) == sorted(site.values["tags"]["azd-service-name"] for site in sites)


def test_azd_finds_the_resource_group() -> None:
    deployment = deploy(sources(), EXAMPLE)
    (group,) = deployment.of("Microsoft.Resources/resourceGroups")

    assert group.values["tags"] == {"azd-env-name": "prod"}
    assert deployment.outputs["AZURE_RESOURCE_GROUP"] == group.name


def test_every_service_is_the_package_of_this_folder() -> None:
    """`host` and `language` are of azd's schema v1.0."""
    assert {tuple(sorted(service.items())) for service in AZURE["services"].values()} == {
        (("host", "function"), ("language", "py"), ("project", "."))
    }


def test_azd_deploys_the_templates() -> None:
    infra = AZURE["infra"]

    assert infra["provider"] == "bicep"
    assert (ROOT / infra["path"] / f"{infra['module']}.bicep").is_file()
