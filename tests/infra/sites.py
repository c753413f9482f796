"""What is wrong with the two sites as they would be deployed, held against the code that runs on them."""

import re
from collections.abc import Iterator, Mapping

import yaml

from shared.errors import ConfigurationError
from shared.settings import Settings, read_settings, setting_name
from shared.stream import Stream, read_streams
from tests.infra.bicep import ROOT, Sources
from tests.infra.deployment import SUFFIX, Deployed, Deployment, deploy
from tests.infra.differences import differences

EXAMPLE = {
    "environmentName": "prod",
    "location": "norwayeast",
    "streams": {
        "fjordveien": {"installation": "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"},
        "north2": {"userGroup": "0b1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"},
    },
    "operatorPrincipalId": "<operator>",
}
VAULT = f"zapbridge-{SUFFIX}"

LOCAL_ONLY = {
    "ZAPBRIDGE_SECRETS_FILE",
    "ZAPBRIDGE_STREAMS_HOST_URL",
    "ZAPBRIDGE_STREAMS_HOST_KEY",
    "ZAPBRIDGE_CLOCK_FILE",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
}
"""What stands for Azure on one machine."""

ON_STREAMS = {
    "ZAPBRIDGE_ROLE",
    "ZAPBRIDGE_TABLES",
    "ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID",
    "ZAPBRIDGE_IDENTITY_KEY",
    "ZAPBRIDGE_STREAMS",
}

SECRETS = {
    "ZAPBRIDGE_IDENTITY_KEY": "identity-key",
    "ZAPBRIDGE_ZAPCLOUD_USERNAME": "zapcloud-username",
    "ZAPBRIDGE_ZAPCLOUD_PASSWORD": "zapcloud-password",
}
"""The secrets `zapctl setup` writes, by the settings that refer to them."""

REFUSED_BY_FLEX = {
    "alwaysOn",
    "ftpsState",
    "functionAppScaleLimit",
    "functionsRuntimeScaleMonitoringEnabled",
    "linuxFxVersion",
    "minimumElasticInstanceCount",
    "netFrameworkVersion",
    "preWarmedInstanceCount",
    "use32BitWorkerProcess",
    "windowsFxVersion",
    "cors",
}
"""Properties of siteConfig that a Flex Consumption site must not have: Microsoft Learn, "Flex Consumption plan
deprecations", and error 51021 (microsoft/azure-pipelines-tasks issue 21032, terraform-azurerm-avm-res-web-site pull
request 345)."""

HARDENED = {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "http20Enabled": True}

_REFERENCE = re.compile(r"@Microsoft\.KeyVault\(VaultName=(?P<vault>[\w-]+);SecretName=(?P<secret>[\w-]+)\)")

_UNRESOLVED = re.compile(r"\w+ is an unresolved Key Vault reference; check the site's identity and the secret(; )?")


def faults(sources: Sources) -> list[str]:
    deployment = deploy(sources, EXAMPLE)
    found = [f"{role}: {fault}" for role in ("hooks", "streams") for fault in _site(deployment, role)]
    return found + list(_outputs(deployment))


def settings_of(site: Deployed) -> list[tuple[str, str]]:
    return [(one["name"], one["value"]) for one in site.properties["siteConfig"]["appSettings"]]


def _site(deployment: Deployment, role: str) -> Iterator[str]:
    site = deployment.one("Microsoft.Web/sites", f"zapbridge-{role}-{SUFFIX}")
    acting = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities", site.name)
    pairs = settings_of(site)
    settings = dict(pairs)
    if len(settings) < len(pairs):
        yield "a setting is there twice"
    if unreadable := [name for name, value in pairs if not isinstance(value, str)]:
        yield f"{', '.join(unreadable)} is no text"
        return
    yield from _names(role, settings)
    yield from _references(settings)
    yield from _readable(role, settings)
    yield from _host(site, acting, settings)
    yield from _hardening(deployment, site)
    yield from _scaling(role, site, read_streams(settings.get("ZAPBRIDGE_STREAMS", "")))
    plan = deployment.one("Microsoft.Web/serverfarms", f"zapbridge-{role}-plan-{SUFFIX}")
    if site.properties["serverFarmId"] != plan.id or plan.values["sku"]["name"] != "FC1":
        yield "is in no Flex Consumption plan of its own"
    if site.values["tags"].get("azd-service-name") != role:
        yield "azd would not find it"


def _names(role: str, settings: Mapping[str, str]) -> Iterator[str]:
    read = {setting_name(field) for field in Settings.__struct_fields__}
    wanted = read - LOCAL_ONLY if role == "hooks" else ON_STREAMS | set(_stream_secrets(settings))
    given = {name for name in settings if name.startswith(("ZAPBRIDGE_", "AZURE_"))}
    yield from (f"{name} is not set" for name in sorted(wanted - given))
    yield from (f"{name} is set for nothing" for name in sorted(given - wanted))


def _stream_secrets(settings: Mapping[str, str]) -> dict[str, str]:
    streams = read_streams(settings.get("ZAPBRIDGE_STREAMS", ""))
    return {name: secret for one in streams for name, secret in zip(one.settings, one.secrets, strict=True)}


def _references(settings: Mapping[str, str]) -> Iterator[str]:
    wanted = SECRETS | _stream_secrets(settings)
    for name, value in settings.items():
        reference = _REFERENCE.fullmatch(value)
        if (secret := reference["secret"] if reference else None) != wanted.get(name):
            yield f"{name} refers to secret {secret}"
        if reference and reference["vault"] != VAULT:
            yield f"{name} refers to another vault"


def _readable(role: str, settings: Mapping[str, str]) -> Iterator[str]:
    """At first boot nothing is wrong but that references are unresolved; once they resolve, nothing is."""
    try:
        read_settings(settings)
    except ConfigurationError as error:
        if other := _UNRESOLVED.sub("", str(error)).strip("; "):
            yield f"at first boot the app says: {other}"
    resolved = {
        name: _REFERENCE.sub(r"the value of \g<secret>, long enough for a key", value)
        for name, value in settings.items()
    }
    try:
        understood = read_settings(resolved)
    except ConfigurationError as error:
        yield f"the app does not take its settings: {error}"
        return
    if understood.role != role:
        yield f"runs as {understood.role}"
    if role == "hooks" and not understood.streams_site_id.endswith(f"/sites/zapbridge-streams-{SUFFIX}"):
        yield "restarts another site than the one of the streams"
    if not understood.tables.startswith("https://"):
        yield "does not come to the tables by its identity"


def _host(site: Deployed, acting: Deployed, settings: Mapping[str, str]) -> Iterator[str]:
    client = f"<{acting.name}.clientId>"
    own = f"zap{site.name.split('-')[1]}{SUFFIX}"
    wanted = {
        "AzureWebJobsStorage__accountName": own,
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": client,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"<zapbridge-insights-{SUFFIX}.ConnectionString>",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={client};Authorization=AAD",
        "ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID": client,
    }
    yield from differences(settings, wanted)
    strange = {name for name in settings if not name.startswith("ZAPBRIDGE_")} - set(wanted)
    yield from (f"{name} is set for nothing" for name in sorted(strange))
    if site.values["identity"] != {"type": "UserAssigned", "userAssignedIdentities": {acting.id: {}}}:
        yield "has another identity than its own"
    if site.properties["keyVaultReferenceIdentity"] != acting.id:
        yield "reads its references as somebody else"
    storage = site.properties["functionAppConfig"]["deployment"]["storage"]
    if storage != {
        "type": "blobContainer",
        "value": f"https://{own}.blob.core.windows.net/package",
        "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": acting.id},
    }:
        yield "gets its package in another way"
    if site.properties["functionAppConfig"]["runtime"] != {"name": "python", "version": "3.13"}:
        yield "runs something else than Python 3.13"


def _hardening(deployment: Deployment, site: Deployed) -> Iterator[str]:
    config = site.properties["siteConfig"]
    if site.properties.get("httpsOnly") is not True:
        yield "takes plain HTTP"
    yield from differences(config, HARDENED)
    yield from (f"Flex Consumption refuses {name}" for name in sorted(REFUSED_BY_FLEX & set(config)))
    policies = {
        one.name: one.properties["allow"]
        for one in deployment.of("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
        if one.values["parent"].name == site.name
    }
    if policies != {"ftp": False, "scm": False}:
        yield "takes publishing passwords"


def _scaling(role: str, site: Deployed, streams: tuple[Stream, ...]) -> Iterator[str]:
    scaling = site.properties["functionAppConfig"]["scaleAndConcurrency"]
    wanted = {"http"} if role == "hooks" else {f"function:{stream.function_name}" for stream in streams}
    ready = {one["name"]: one["instanceCount"] for one in scaling["alwaysReady"]}
    if set(ready) != wanted or not all(count >= 1 for count in ready.values()):
        yield f"keeps {sorted(ready)} running"
    if not isinstance(scaling["triggers"]["http"]["perInstanceConcurrency"], int):
        yield "leaves the number of web requests per instance open"


def _outputs(deployment: Deployment) -> Iterator[str]:
    site = f"https://<zapbridge-hooks-{SUFFIX}.defaultHostName>"
    routes = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["paths"]
    wanted = {
        "ZAPBRIDGE_URL": site,
        "ZAPBRIDGE_HOOKS_SITE_ID": deployment.one("Microsoft.Web/sites", f"zapbridge-hooks-{SUFFIX}").id,
        "ZAPBRIDGE_STREAMS_SITE_ID": deployment.one("Microsoft.Web/sites", f"zapbridge-streams-{SUFFIX}").id,
        "ZAPBRIDGE_KEY_VAULT_URL": f"https://{VAULT}.vault.azure.net",
        "ZAPBRIDGE_ARM_URL": "https://management.azure.com/",
        "ZAPBRIDGE_SESSION_START_URL": f"{site}/api/hooks/session-start",
        "ZAPBRIDGE_SESSION_END_URL": f"{site}/api/hooks/session-end",
        "ZAPBRIDGE_AUTHENTICATION_URL": f"{site}/api/oauth/token",
    }
    found = deployment.outputs
    yield from (f"output {said}" for said in differences(found, wanted))
    for name, value in wanted.items():
        path = found.get(name, "").removeprefix(f"{site}/api")
        if name.endswith("_URL") and "/api/" in value and path not in routes:
            yield f"output {name}: the app has no route {path}"
    yield from (f"output {name} tells a secret" for name, value in found.items() if "ConnectionString" in str(value))
