"""The resource manager, as far as Function Apps are told to refresh, to restart, and for their keys.

A refresh resolves a site's references from the vault into the file that its host reads when it starts; a restart alone
does not (azure-functions-host issue 11188). Sources: azure-rest-api-specs, Microsoft.Web,
WebApps_GetAppSettingsKeyVaultReferences, WebApps_Restart, WebApps_SyncFunctionTriggers, WebApps_ListHostKeys;
Microsoft Learn, "Use Key Vault references as app settings".
"""

import json
from pathlib import Path

import httpx
from aiohttp import web

from devhost.azure.book import Book, Refusal, wrong
from devhost.azure.identity import ARM, Tokens, principal_of
from devhost.azure.shapes import Site, World
from devhost.azure.vault import Vault
from shared.errors import HostControlFailed
from shared.security.secrets import FileSecrets
from shared.streams.host_control import LocalHost

API_VERSIONS = {"2022-03-01", "2023-12-01", "2024-04-01", "2024-11-01", "2025-03-01"}
_OPERATIONS = {
    ("GET", "config/configreferences/appsettings"): "references",
    ("POST", "config/configreferences/appsettings/refresh"): "refresh",
    ("POST", "restart"): "restart",
    ("POST", "syncfunctiontriggers"): "sync",
    ("POST", "host/default/listkeys"): "keys",
}


class ResourceManager:
    def __init__(self, world: World, tokens: Tokens, vault: Vault, book: Book) -> None:
        self._world = world
        self._tokens = tokens
        self._vault = vault
        self._book = book
        self._active: dict[str, dict[str, str]] = {}
        """By site, the version each secret was resolved to."""
        self.frozen: set[str] = set()
        """Secrets that no refresh resolves, as if the vault kept the site out."""

    def resolve(self, site: Site) -> None:
        """What a refresh does, and what Azure does when a site is set up."""
        found = {name: self._vault.current(name) for name in site.references.values() if name not in self.frozen}
        known = {name: version for name, version in found.items() if version}
        self._active.setdefault(site.id, {}).update({name: version.id for name, version in known.items()})
        path = Path(site.secrets_file)
        path.touch(mode=0o600)
        values = json.loads(path.read_text() or "{}")
        path.write_text(json.dumps(values | {name: version.value for name, version in known.items()}))

    async def handle(self, request: web.Request) -> web.Response:
        site, rest = self._site(request.path)
        operation = _OPERATIONS.get((request.method, rest.lower()))
        if operation is None:
            raise wrong("the resource manager knows no such operation", 404)
        if request.query.get("api-version") not in API_VERSIONS:
            raise wrong("api-version is missing or unknown")
        client_id = self._tokens.client_id(request, ARM)
        self._book.begin(request, operation, site.id, client_id)
        if operation not in principal_of(self._world, client_id).sites.get(site.id, ()):
            raise Refusal(403, "the identity may not", code="AuthorizationFailed", violation=True)
        self._book.strike(operation)
        return await self._run(operation, site)

    def _site(self, path: str) -> tuple[Site, str]:
        for site in self._world.sites:
            if path.lower() == site.id.lower() or path.lower().startswith(f"{site.id.lower()}/"):
                return site, path[len(site.id) :].strip("/")
        raise wrong("no such resource", 404)

    async def _run(self, operation: str, site: Site) -> web.Response:
        match operation:
            case "refresh":
                self.resolve(site)
                return web.json_response(self._references(site))
            case "references":
                return web.json_response(self._references(site))
            case "restart":
                await self._restart(site)
                return web.Response(status=200)
            case "sync":
                return web.Response(status=204)
        keys = {"masterKey": site.master_key, "functionKeys": {"default": site.function_key}, "systemKeys": {}}
        return web.json_response(keys)

    def _references(self, site: Site) -> dict[str, object]:
        """Each reference with its status; a secret nobody has is not found."""
        active = self._active.get(site.id, {})
        items = [
            {
                "id": f"{site.id}/config/configreferences/appsettings/{setting}",
                "name": setting,
                "type": "Microsoft.Web/sites/config/configreferences",
                "properties": {
                    "reference": f"@Microsoft.KeyVault(VaultName={self._world.vault_name};SecretName={secret})",
                    "status": "Resolved" if secret in active else "SecretNotFound",
                    "vaultName": self._world.vault_name,
                    "secretName": secret,
                    "secretVersion": None,
                    "identityType": "UserAssigned",
                    "source": "KeyVault",
                    "activeVersion": active.get(secret),
                },
            }
            for setting, secret in site.references.items()
        ]
        return {"value": items, "nextLink": None}

    async def _restart(self, site: Site) -> None:
        """Answers when the host is another one, so that a simulated clock waits for it."""
        try:
            await LocalHost(site.url, site.master_key, FileSecrets(Path(site.secrets_file))).restart()
        except (HostControlFailed, httpx.HTTPError) as error:
            raise Refusal(500, f"the site did not restart: {type(error).__name__}") from error
