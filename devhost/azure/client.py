"""A client of the stand-ins' control API."""

from typing import Self

import httpx
import msgspec

from devhost.azure.shapes import Call, Fault


class Record(msgspec.Struct, frozen=True):
    calls: list[Call]
    violations: list[str]


class AzureClient:
    """The stand-ins at `url`; close it, or use it as a context."""

    def __init__(self, url: str, identity_header: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, headers={"X-IDENTITY-HEADER": identity_header}, timeout=30)

    async def record(self) -> Record:
        """Every call that was understood, and what was wrong with others."""
        answer = await self._http.get("/control/book")
        return msgspec.json.decode(answer.raise_for_status().content, type=Record)

    async def set_faults(self, *faults: Fault) -> None:
        """These, in the place of all earlier ones."""
        await self._put("/control/faults", list(faults))

    async def keep_unresolved(self, *secrets: str) -> None:
        """No refresh resolves these; all others again."""
        await self._put("/control/frozen", secrets)

    async def _put(self, path: str, content: object) -> None:
        (await self._http.put(path, content=msgspec.json.encode(content))).raise_for_status()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
