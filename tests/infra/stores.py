"""What is wrong with where things are kept and how they are reached: storage, vault, logs, network."""

import re
from collections import defaultdict
from collections.abc import Iterator

from tests.infra.bicep import ROOT, Sources, read
from tests.infra.deployment import SUFFIX, Deployed, Deployment, deploy
from tests.infra.differences import differences
from tests.infra.sites import EXAMPLE, VAULT, settings_of

TABLES = f"zaptables{SUFFIX}"
BACKUPS = f"zapbackups{SUFFIX}"
HOSTS = [f"zaphooks{SUFFIX}", f"zapstreams{SUFFIX}"]

ACCOUNT = {
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "allowCrossTenantReplication": False,
    "defaultToOAuthAuthentication": True,
    "minimumTlsVersion": "TLS1_2",
    "supportsHttpsTrafficOnly": True,
}
VAULT_IS = {
    "enableRbacAuthorization": True,
    "enableSoftDelete": True,
    "softDeleteRetentionInDays": 90,
    "enablePurgeProtection": True,
    "enabledForDeployment": False,
    "enabledForDiskEncryption": False,
    "enabledForTemplateDeployment": False,
}
ENDPOINTS = {
    ("vault", "privatelink.vaultcore.azure.net", VAULT),
    ("table", "privatelink.table.core.windows.net", TABLES),
    ("blob", "privatelink.blob.core.windows.net", BACKUPS),
    ("blob", "privatelink.blob.core.windows.net", HOSTS[0]),
    ("blob", "privatelink.blob.core.windows.net", HOSTS[1]),
}
"""Sub-resource, DNS zone and target; source: Microsoft Learn, "Azure Private Endpoint private DNS zone values"."""

LOGGED = {
    f"zapbridge-hooks-{SUFFIX}": {"FunctionAppLogs"},
    f"zapbridge-streams-{SUFFIX}": {"FunctionAppLogs"},
    VAULT: {"AuditEvent"},
    "default": {"Transaction"},  # of the account of the tables
}

API_VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/webtests": "2022-06-15",
    "Microsoft.KeyVault/vaults": "2023-07-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.Network/natGateways": "2023-11-01",
    "Microsoft.Network/privateDnsZones": "2020-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2020-06-01",
    "Microsoft.Network/privateEndpoints": "2023-11-01",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2023-11-01",
    "Microsoft.Network/publicIPAddresses": "2023-11-01",
    "Microsoft.Network/virtualNetworks": "2023-11-01",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.Resources/resourceGroups": "2024-03-01",
    "Microsoft.Storage/storageAccounts": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": "2023-05-01",
    "Microsoft.Storage/storageAccounts/managementPolicies": "2023-05-01",
    "Microsoft.Storage/storageAccounts/tableServices": "2023-05-01",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "2023-05-01",
    "Microsoft.Web/serverfarms": "2024-04-01",
    "Microsoft.Web/sites": "2024-04-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2024-04-01",
}
"""Each looked up in published templates that use it; the types of the log alerts and the workbook are checked apart."""

_REVEALING = re.compile(
    r"\blist(Keys|Secrets|AccountSas|ServiceSas)?\(|@secure\(|AccountKey=|SharedAccessKey|getSecret\("
)
_VERSION = re.compile(r"20\d\d-[01]\d-[0-3]\d(-preview)?")
_TABLE = re.compile(r'tables\["(\w+)"\]')


def faults(sources: Sources) -> list[str]:
    if revealed := list(_texts(sources)):
        return revealed
    open_to_all, private = deploy(sources, EXAMPLE), deploy(sources, EXAMPLE | {"privateNetwork": True})
    return [
        *_accounts(open_to_all),
        *_tables(open_to_all),
        *_backups(sources),
        *_vault(open_to_all),
        *_monitoring(open_to_all),
        *_open(open_to_all),
        *_private(private),
    ]


def _accounts(deployment: Deployment) -> Iterator[str]:
    accounts = {one.name: one for one in deployment.of("Microsoft.Storage/storageAccounts")}
    if sorted(accounts) != sorted([TABLES, BACKUPS, *HOSTS]):
        yield f"the storage accounts are {sorted(accounts)}"
    for name, account in accounts.items():
        if not re.fullmatch(r"[a-z0-9]{3,24}", name):
            yield f"{name} is no name of a storage account"
        yield from (f"{name}: {said}" for said in differences(account.properties, ACCOUNT))
    for service in deployment.of("Microsoft.Storage/storageAccounts/blobServices"):
        for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            if not service.properties[policy]["enabled"]:
                yield f"{service.values['parent'].name}: no {policy}"
    for container in deployment.of("Microsoft.Storage/storageAccounts/blobServices/containers"):
        if container.properties["publicAccess"] != "None":
            yield f"{container.id}: is public"


def _tables(deployment: Deployment) -> Iterator[str]:
    code = "".join(path.read_text() for path in (ROOT / "shared" / "storage").glob("*.py"))
    wanted = set(_TABLE.findall(code))
    found = deployment.of("Microsoft.Storage/storageAccounts/tableServices/tables")
    yield from (f"table {name} is not made" for name in sorted(wanted - {one.name for one in found}))
    yield from (f"table {name} is made for nothing" for name in sorted({one.name for one in found} - wanted))
    if any(one.values["parent"].values["parent"].name != TABLES for one in found):
        yield "a table is made in another account"


def _backups(sources: Sources) -> Iterator[str]:
    given = {"backupImmutableDays": 31, "backupRetentionDays": 91}
    policy = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies"
    deployment = deploy(sources, EXAMPLE | given)
    (immutability,) = deployment.of(policy)
    container = immutability.values["parent"]
    if container.values["parent"].values["parent"].name != BACKUPS:
        yield "what is immutable is not the backups"
    wanted = {"immutabilityPeriodSinceCreationInDays": 31, "allowProtectedAppendWrites": False}
    yield from (f"immutability: {said}" for said in differences(immutability.properties, wanted))
    if deploy(sources, EXAMPLE | {"backupsLocked": True}).of(policy):
        yield "a locked policy would be put once more, which Azure refuses"
    (lifecycle,) = deployment.of("Microsoft.Storage/storageAccounts/managementPolicies")
    (rule,) = lifecycle.properties["policy"]["rules"]
    deleted = {"baseBlob": {"delete": {"daysAfterCreationGreaterThan": 91}}}
    if not rule["enabled"] or rule["definition"]["actions"] != deleted:
        yield f"of the backups {rule['definition']['actions']} is done"
    if rule["definition"]["filters"] != {"blobTypes": ["blockBlob"], "prefixMatch": [f"{container.name}/"]}:
        yield "what is deleted is not the backups"
    settings = dict(settings_of(deployment.one("Microsoft.Web/sites", f"zapbridge-hooks-{SUFFIX}")))
    if settings["ZAPBRIDGE_BACKUPS"] != f"https://{BACKUPS}.blob.core.windows.net/{container.name}":
        yield "backups would go elsewhere"


def _vault(deployment: Deployment) -> Iterator[str]:
    vault = deployment.one("Microsoft.KeyVault/vaults", VAULT)
    yield from (f"{VAULT}: {said}" for said in differences(vault.properties, VAULT_IS))
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]", VAULT):
        yield f"{VAULT} is no name of a vault"
    made = [one.type for one in deployment.resources if one.type.startswith("Microsoft.KeyVault/vaults/")]
    yield from (f"a template makes a {kind}" for kind in made)


def _monitoring(deployment: Deployment) -> Iterator[str]:
    (insights,) = deployment.of("Microsoft.Insights/components")
    (workspace,) = deployment.of("Microsoft.OperationalInsights/workspaces")
    if insights.properties.get("DisableLocalAuth") is not True:
        yield "telemetry is taken without a token"
    if insights.properties.get("WorkspaceResourceId") != workspace.id:
        yield "telemetry does not go to the workspace"
    logged = {}
    for one in deployment.of("Microsoft.Insights/diagnosticSettings"):
        kinds = [*one.properties.get("logs", []), *one.properties.get("metrics", [])]
        logged[one.values["scope"].name] = {kind["category"] for kind in kinds if kind["enabled"]}
        if one.properties["workspaceId"] != workspace.id:
            yield f"{one.values['scope'].name} logs to another workspace"
    if logged != LOGGED:
        yield f"what is logged is {logged}"


def _doors(deployment: Deployment) -> dict[str, tuple[str, str]]:
    guarded = [*deployment.of("Microsoft.Storage/storageAccounts"), *deployment.of("Microsoft.KeyVault/vaults")]
    return {
        one.name: (one.properties["publicNetworkAccess"], one.properties["networkAcls"]["defaultAction"])
        for one in guarded
    }


def _open(deployment: Deployment) -> Iterator[str]:
    if any(one.type.startswith("Microsoft.Network/") for one in deployment.resources):
        yield "there is a network nobody asked for"
    yield from (f"{name} is {door}" for name, door in _doors(deployment).items() if door != ("Enabled", "Allow"))
    for site in deployment.of("Microsoft.Web/sites"):
        if site.properties["virtualNetworkSubnetId"] is not None:
            yield f"{site.name} is in a subnet that is not there"


def _private(deployment: Deployment) -> Iterator[str]:
    closed = ("Disabled", "Deny")
    yield from (f"privately, {name} is {door}" for name, door in _doors(deployment).items() if door != closed)
    (network,) = deployment.of("Microsoft.Network/virtualNetworks")
    subnets = {one["name"]: one["properties"] for one in network.properties["subnets"]}
    for site in deployment.of("Microsoft.Web/sites"):
        if site.properties["virtualNetworkSubnetId"] != f"{network.id}/subnets/sites":
            yield f"privately, {site.name} is not in the subnet of the sites"
    if [one["properties"]["serviceName"] for one in subnets["sites"]["delegations"]] != ["Microsoft.App/environments"]:
        yield "the subnet of the sites is not delegated to Flex Consumption"
    zones = {zone.id: zone.name for zone in deployment.of("Microsoft.Network/privateDnsZones")}
    linked = {
        one.values["parent"].name
        for one in deployment.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
        if one.properties["virtualNetwork"]["id"] == network.id
    }
    if linked != set(zones.values()):
        yield f"the network sees only the zones {sorted(linked)}"
    reached = {
        _reached(group, zones) for group in deployment.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    }
    yield from (f"there is no private endpoint of {one}" for one in sorted(ENDPOINTS - reached))
    yield from (f"there is a private endpoint of {one}" for one in sorted(reached - ENDPOINTS))


def _reached(group: Deployed, zones: dict[str, str]) -> tuple[str, str, str]:
    (connection,) = group.values["parent"].properties["privateLinkServiceConnections"]
    (kind,) = connection["properties"]["groupIds"]
    (zone,) = group.properties["privateDnsZoneConfigs"]
    target = connection["properties"]["privateLinkServiceId"].rpartition("/")[2]
    return kind, zones[zone["properties"]["privateDnsZoneId"]], target


def _texts(sources: Sources) -> Iterator[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for path, text in sources.items():
        yield from (f"{path}: reveals a secret with {found[0]}" for found in _REVEALING.finditer(text))
        for resource in read(path, text).resources.values():
            versions[resource.type].add(resource.api_version)
            known = API_VERSIONS.get(resource.type, resource.api_version)
            if not _VERSION.fullmatch(resource.api_version) or resource.api_version != known:
                yield f"{path}: {resource.type} has no version {resource.api_version}"
    yield from (f"{kind} is used in several versions" for kind, used in versions.items() if len(used) > 1)
