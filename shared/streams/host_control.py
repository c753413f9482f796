"""What the refresher may ask of the host that runs the streams: read your secrets again, and restart.

In Azure these are calls to the resource manager (`azure_host.py`). Here is the local one: a host whose admin endpoint
restarts it, and which reads its references from the secrets file whenever it starts.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from shared.errors import HostControlFailed
from shared.security.secrets import SecretStore

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 10.0
_LOOK_SECONDS, _LOOKS = 0.1, 300


class HostControl(Protocol):
    """Every method raises HostControlFailed where the host does not answer, or refuses."""

    async def refresh_references(self) -> None:
        """Have the settings that are references to secrets read again."""

    async def unresolved(self, versions: Mapping[str, str]) -> list[str]:
        """Those secrets whose version the host's references do not resolve to yet ("" for any version)."""

    async def restart(self) -> None:
        """Have the host start anew, which connects its triggers with what the settings say now."""

    async def sync_triggers(self) -> None:
        """Have the platform read anew which triggers the host has; one that was just configured is new to it."""

    async def close(self) -> None:
        """Let go of connections."""


class LocalHost:
    """The host at `url` (devhost, or func), restarted through its admin endpoint with the master key."""

    def __init__(self, url: str, master_key: str, secrets: SecretStore) -> None:
        self._url = url.rstrip("/")
        self._master_key = master_key
        self._secrets = secrets

    async def refresh_references(self) -> None:
        """Nothing to do: the file is read at every start."""

    async def unresolved(self, versions: Mapping[str, str]) -> list[str]:
        return [name for name in versions if await self._secrets.get(name) is None]

    async def restart(self) -> None:
        """Returns when the host is another one, so that a simulated clock waits for it; at most half a minute later,
        which is what it takes where the host is this very process."""
        import httpx

        headers = {"x-functions-key": self._master_key}
        try:
            async with httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT_SECONDS, headers=headers) as client:
                before = await self._instance(client)
                response = await client.post("/admin/host/restart")
                if not response.is_success:
                    raise HostControlFailed(f"the streams host answered {response.status_code} to a restart")
                for _ in range(_LOOKS):
                    if await self._instance(client) not in {before, None}:
                        return
                    await asyncio.sleep(_LOOK_SECONDS)
        except httpx.HTTPError as error:
            raise HostControlFailed(f"the streams host did not answer ({type(error).__name__})") from error

    async def sync_triggers(self) -> None:
        """Nothing to do: no platform is around it."""

    async def close(self) -> None:
        """Each call has a connection of its own."""

    async def _instance(self, client: "httpx.AsyncClient") -> str | None:
        """Which process answers; None while none does, or it does not say."""
        import httpx

        try:
            response = await client.get("/admin/host/status")
            return str(response.json().get("instanceId")) if response.is_success else None
        except (httpx.TransportError, ValueError, AttributeError):
            return None
