"""What is wrong with who may do what: exactly these roles, each at exactly this scope, and nothing else."""

from collections.abc import Iterator

from tests.infra.bicep import Sources
from tests.infra.deployment import GROUP, SUBSCRIPTION, SUFFIX, Deployed, Deployment, deploy
from tests.infra.sites import EXAMPLE, VAULT

BUILT_IN = {
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
"""Source: Microsoft Learn, "Azure built-in roles"."""

ADD_BACKUPS = f"zapbridge add backups {SUFFIX}"
READ_AND_WRITE = f"zapbridge read and write secrets {SUFFIX}"
RESTART = f"zapbridge restart and refresh {SUFFIX}"

CUSTOM = {
    ADD_BACKUPS: {
        "actions": [],
        "notActions": [],
        "dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action"],
        "notDataActions": [],
    },
    READ_AND_WRITE: {
        "actions": [],
        "notActions": [],
        "dataActions": [
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/setSecret/action",
        ],
        "notDataActions": [],
    },
    RESTART: {
        "actions": [
            "Microsoft.Web/sites/restart/action",
            "Microsoft.Web/sites/syncfunctiontriggers/action",
            "Microsoft.Web/sites/config/read",
            "Microsoft.Web/sites/config/appsettings/read",
            "Microsoft.Web/sites/config/*/action",
        ],
        "notActions": [
            "Microsoft.Web/sites/config/list/action",
            "Microsoft.Web/sites/config/snapshots/listsecrets/action",
        ],
        "dataActions": [],
        "notDataActions": [],
    },
}
"""Source: Microsoft Learn, "Azure permissions for Web" and "Azure permissions for Security" (Key Vault)."""

_INSIGHTS = f"zapbridge-insights-{SUFFIX}"
_TABLES = f"zaptables{SUFFIX}"

GRANTED = {
    ("hooks", "Storage Blob Data Owner", f"zaphooks{SUFFIX}"),
    ("hooks", "Storage Table Data Contributor", _TABLES),
    ("hooks", "Monitoring Metrics Publisher", _INSIGHTS),
    ("hooks", ADD_BACKUPS, "backups"),
    ("hooks", READ_AND_WRITE, VAULT),
    ("hooks", RESTART, f"zapbridge-streams-{SUFFIX}"),
    ("streams", "Storage Blob Data Owner", f"zapstreams{SUFFIX}"),
    ("streams", "Storage Table Data Contributor", _TABLES),
    ("streams", "Monitoring Metrics Publisher", _INSIGHTS),
    ("streams", "Key Vault Secrets User", VAULT),
    ("operator", "Key Vault Secrets Officer", VAULT),
}

_WHO = {
    f"<zapbridge-hooks-{SUFFIX}.principalId>": "hooks",
    f"<zapbridge-streams-{SUFFIX}.principalId>": "streams",
    "<operator>": "operator",
}


def faults(sources: Sources) -> list[str]:
    nobody = {one for one in GRANTED if one[0] != "operator"}
    deployment = deploy(sources, EXAMPLE)
    return [
        *_differences(deployment, GRANTED),
        *_differences(deploy(sources, EXAMPLE | {"operatorPrincipalId": ""}), nobody),
        *_definitions(deployment),
    ]


def _differences(deployment: Deployment, wanted: set[tuple[str, str, str]]) -> Iterator[str]:
    granted = {_granted(one, deployment) for one in deployment.of("Microsoft.Authorization/roleAssignments")}
    yield from (f"{who} lacks the role {role} on {where}" for who, role, where in sorted(wanted - granted))
    yield from (f"{who} has the role {role} on {where}" for who, role, where in sorted(granted - wanted))


def _granted(assignment: Deployed, deployment: Deployment) -> tuple[str, str, str]:
    scope = assignment.values.get("scope")
    definition = assignment.properties["roleDefinitionId"]
    built_in = {identifier: name for name, identifier in BUILT_IN.items()}
    kind = "Microsoft.Authorization/roleDefinitions"
    custom = {f"{SUBSCRIPTION}/providers/{kind}/{one.name}": one.properties["roleName"] for one in deployment.of(kind)}
    principal = assignment.properties["principalId"]
    return (
        _WHO.get(principal, principal),
        custom.get(definition) or built_in.get(definition.rpartition("/")[2], definition),
        scope.name if isinstance(scope, Deployed) else "the whole resource group",
    )


def _definitions(deployment: Deployment) -> Iterator[str]:
    definitions = deployment.of("Microsoft.Authorization/roleDefinitions")
    found = {one.properties["roleName"]: one.properties for one in definitions}
    if set(found) != set(CUSTOM) or len(definitions) != len(CUSTOM):
        yield f"the custom roles are {sorted(found)}"
        return
    for name, properties in found.items():
        if properties["permissions"] != [CUSTOM[name]]:
            yield f"{name} permits {properties['permissions']}"
        if properties["assignableScopes"] != [GROUP]:
            yield f"{name} can be assigned at {properties['assignableScopes']}"
