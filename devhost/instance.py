"""A host of the app that runs, and clients of what it offers."""

import httpx
import msgspec

from devhost.processes import Process


class Host(msgspec.Struct):
    """One instance of the app."""

    process: Process
    url: str
    function_key: str
    master_key: str

    @property
    def api(self) -> str:
        return f"{self.url}/api"

    def management(self) -> httpx.AsyncClient:
        """A client of the management API, authenticated by function key."""
        return httpx.AsyncClient(base_url=self.api, headers={"x-functions-key": self.function_key}, timeout=30)

    def caller(self, username: str, password: str) -> httpx.AsyncClient:
        """A client of the web hooks, authenticated as ZapCloud would be."""
        return httpx.AsyncClient(base_url=self.api, auth=(username, password), timeout=30)
