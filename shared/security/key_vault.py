"""Azure Key Vault as the store of secrets.

Source: Key Vault REST API, "Get Secret" and "Set Secret", api-version 7.4; Microsoft Learn, "Authentication, requests
and responses" (audience https://vault.azure.net), "Azure Key Vault soft-delete overview" (409 for a name whose secret
was deleted and can still be recovered).
"""

from azure.core.credentials_async import AsyncTokenCredential

from shared.errors import SecretStoreUnavailable
from shared.security.azure_rest import AzureRefused, AzureRest

API_VERSION = "7.4"
_CLOUDS = {".vault.usgovcloudapi.net": "https://vault.usgovcloudapi.net", ".vault.azure.cn": "https://vault.azure.cn"}
_REMEDIES = {
    401: "the vault is in another tenant than our identity, or does not take its tokens",
    403: "our identity lacks its role on the vault, or the vault's firewall keeps us out",
    409: "a secret of that name was deleted; recover it (docs/runbook.md, Bring back a deleted secret)",
    429: "the vault is busy; it is tried again later",
}


class KeyVaultSecretStore:
    """The vault at `url`, such as https://my-vault.vault.azure.net; `credential` needs to get and set its secrets."""

    def __init__(self, url: str, credential: AsyncTokenCredential) -> None:
        cloud = next((scope for suffix, scope in _CLOUDS.items() if url.rstrip("/").endswith(suffix)), None)
        scope = f"{cloud or 'https://vault.azure.net'}/.default"
        self._rest = AzureRest(url, API_VERSION, scope, credential)

    async def get(self, name: str) -> str | None:
        try:
            answer = await self._rest.call("GET", f"/secrets/{name}")
        except AzureRefused as refusal:
            if refusal.status == 404:
                return None
            raise _unavailable(refusal, name) from refusal
        return _field(answer, "value")

    async def set(self, name: str, value: str) -> str:
        try:
            answer = await self._rest.call("PUT", f"/secrets/{name}", {"value": value})
        except AzureRefused as refusal:
            raise _unavailable(refusal, name) from refusal
        return _field(answer, "id").rstrip("/").rpartition("/")[2]

    async def close(self) -> None:
        await self._rest.close()


def _field(answer: object, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise SecretStoreUnavailable(f"Key Vault's answer has no {name}; is ZAPBRIDGE_KEY_VAULT_URL a vault's address?")
    return value


def _unavailable(refusal: AzureRefused, name: str) -> SecretStoreUnavailable:
    remedy = _REMEDIES.get(refusal.status)
    return SecretStoreUnavailable(f"Key Vault, secret {name}: {refusal}{f'; {remedy}' if remedy else ''}")
