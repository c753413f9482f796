"""A Function App as the host of the streams, controlled through Azure's resource manager.

Sources: Microsoft Learn, "Use Key Vault references as app settings" (the refresh call, api-version 2022-03-01);
azure-rest-api-specs, Microsoft.Web, `WebApps_GetAppSettingsKeyVaultReferences`, `WebApps_Restart` and
`WebApps_SyncFunctionTriggers`; `activeVersion` may be null in what it answers. A plain restart does not dependably
re-read references (azure-functions-host issue 11188).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential

from shared.errors import HostControlFailed
from shared.loopback import leads_to_loopback
from shared.security.azure_rest import AzureRefused, AzureRest

API_VERSION = "2022-03-01"
PUBLIC_CLOUD = "https://management.azure.com"
_REFERENCES = "config/configreferences/appsettings"
_LOOK_SECONDS, _LOOKS = 5.0, 12


class AzureHost:
    """The site of the ARM resource id `site_id`; `credential` needs the restart-and-refresh role on it."""

    def __init__(
        self,
        site_id: str,
        credential: AsyncTokenCredential,
        arm_url: str = PUBLIC_CLOUD,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._site_id = site_id
        self._look_seconds = look_seconds
        self._rest = resource_manager(arm_url, API_VERSION, credential)

    async def refresh_references(self) -> None:
        await self._call("POST", f"{_REFERENCES}/refresh")

    async def unresolved(self, versions: Mapping[str, str]) -> list[str]:
        """Looks again for up to a minute, which resolving may take."""
        waiting: list[str] = []
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(self._look_seconds)
            waiting = _unresolved(versions, await self._references())
            if not waiting:
                break
        return waiting

    async def restart(self) -> None:
        await self._call("POST", "restart")

    async def sync_triggers(self) -> None:
        """Refused while the host is on its way up (azure-functions-core-tools issue 3008)."""
        await self._call("POST", "syncfunctiontriggers")

    async def _references(self) -> list[dict[str, Any]]:
        answer = await self._call("GET", _REFERENCES)
        items = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise HostControlFailed("the resource manager's answer about references is not the one we know")
        return [item.get("properties") or {} for item in items if isinstance(item, dict)]

    async def _call(self, method: str, path: str) -> Any:
        try:
            return await self._rest.call(method, f"{self._site_id}/{path}")
        except AzureRefused as refusal:
            raise HostControlFailed(
                f"the resource manager, {path} of {self._site_id.rpartition('/')[2]}: {refusal}"
            ) from refusal

    async def close(self) -> None:
        await self._rest.close()


def resource_manager(arm_url: str, api_version: str, credential: AsyncTokenCredential) -> AzureRest:
    """The resource manager of a cloud; a stand-in on this machine takes the public cloud's tokens."""
    audience = PUBLIC_CLOUD if leads_to_loopback(arm_url) else arm_url.rstrip("/")
    return AzureRest(arm_url, api_version, f"{audience}/.default", credential)


def _unresolved(versions: Mapping[str, str], references: list[dict[str, Any]]) -> list[str]:
    """The secrets without a reference that is resolved to the version wanted, as far as the answer names versions."""
    found = {str(one.get("secretName", "")).lower(): one for one in references}
    return [name for name, version in versions.items() if not _is_resolved(found.get(name.lower(), {}), version)]


def _is_resolved(reference: Mapping[str, Any], version: str) -> bool:
    active = reference.get("activeVersion")
    return reference.get("status") == "Resolved" and (not version or active is None or active == version)
