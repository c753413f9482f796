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

    def insist(self, answer: httpx.Response) -> httpx.Response:
        """The app's answer; raises StackError where it is no success."""
        if not answer.is_success:
            asked = f"{answer.request.method} {answer.request.url.path}"
            raise self.process.failed(f"{asked} was answered {answer.status_code}")
        return answer

    def management(self) -> httpx.AsyncClient:
        """A client of the management API, authenticated by function key."""
        return httpx.AsyncClient(base_url=self.api, headers={"x-functions-key": self.function_key}, timeout=30)

    def caller(self, username: str, password: str) -> httpx.AsyncClient:
        """A client of the web hooks, authenticated as ZapCloud would be."""
        return httpx.AsyncClient(base_url=self.api, auth=(username, password), timeout=30)

    async def run_timer(self, function: str, longest_seconds: float = 60) -> None:
        """Run a timer trigger's function now, to its end (Microsoft Learn, "Manually run a non HTTP-triggered
        function"). Raises httpx.HTTPError where that fails."""
        headers = {"x-functions-key": self.master_key}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=longest_seconds) as admin:
            (await admin.post(f"/admin/functions/{function}", json={"input": ""})).raise_for_status()
