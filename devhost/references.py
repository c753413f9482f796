"""Settings that are references to secrets in Key Vault, resolved from a file that stands in for the vault.

The two spellings are those of Microsoft Learn, "Use Key Vault references as app settings". As in Azure one that cannot
be resolved stays as it is written, so that the app sees the reference in the place of the secret.
"""

import re
from collections.abc import Mapping, MutableMapping

VAULT_NAME = "local"
STREAMS_REFERENCES = {"ZAPBRIDGE_IDENTITY_KEY": "identity-key"}
HOOKS_REFERENCES = STREAMS_REFERENCES | {
    "ZAPBRIDGE_ZAPCLOUD_USERNAME": "zapcloud-username",
    "ZAPBRIDGE_ZAPCLOUD_PASSWORD": "zapcloud-password",
}
"""The settings of each site that refer to secrets, by these secrets' names; a stream's own come on top."""
_REFERENCE = re.compile(r"@Microsoft\.KeyVault\((?P<inside>.*)\)", re.IGNORECASE)
_IN_URI = re.compile(r"https://[^/]+/secrets/(?P<name>[^/]+)(/[^/]*)?/?", re.IGNORECASE)


def secret_named(value: str) -> str | None:
    """The name of the secret that a setting refers to, whichever vault and version; None where it is no reference."""
    reference = _REFERENCE.fullmatch(value.strip())
    if reference is None:
        return None
    parts = (part.partition("=") for part in reference["inside"].split(";"))
    given = {name.strip().lower(): text.strip() for name, _, text in parts}
    if uri := _IN_URI.fullmatch(given.get("secreturi", "")):
        return uri["name"]
    return given.get("secretname") if "vaultname" in given else None


def resolve(environment: MutableMapping[str, str], secrets: Mapping[str, str]) -> None:
    """Put the secrets in the place of the references to them."""
    for setting, value in list(environment.items()):
        name = secret_named(value)
        if name is not None and name in secrets:
            environment[setting] = secrets[name]


def as_references(secrets_of: Mapping[str, str]) -> dict[str, str]:
    """Settings that refer to the secrets of these names."""
    return {
        setting: f"@Microsoft.KeyVault(VaultName={VAULT_NAME};SecretName={secret})"
        for setting, secret in secrets_of.items()
    }
