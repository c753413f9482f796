"""A gate in front of the app: what comes through can be counted, held and turned away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

_DROPPED = {"host", "content-length", "transfer-encoding"}


class Gate:
    """Lets everything through, until `turn_away` says otherwise."""

    def __init__(self, target: str, http: aiohttp.ClientSession) -> None:
        self.url = ""
        self.writes = 0
        """How many came, whatever became of them."""
        self.hold = asyncio.Event()
        """While it is not set, writes wait for it."""
        self.hold.set()
        self.someone_waits = asyncio.Event()
        self._target = target
        self._http = http
        self._let_through = 0
        self._turn_away: float = 0
        self._answer_lost = False
        self._meanwhile: Callable[[], Awaitable[None]] | None = None

    def turn_away(
        self,
        times: float,
        *,
        after: int = 0,
        answer_lost: bool = False,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """So many writes, after so many that come through. With `answer_lost` they are carried out all the same.
        `meanwhile` happens before the first is answered."""
        self._turn_away, self._let_through = times, after
        self._answer_lost, self._meanwhile = answer_lost, meanwhile

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method in {"PUT", "DELETE"}:
            if not self.hold.is_set():
                self.someone_waits.set()
                await self.hold.wait()
            self.writes += 1
            if self._let_through:
                self._let_through -= 1
            elif self._turn_away:
                self._turn_away -= 1
                if self._answer_lost:
                    await self._pass_on(request)
                if self._meanwhile:
                    meanwhile, self._meanwhile = self._meanwhile, None
                    await meanwhile()
                return _unavailable()
        return await self._pass_on(request)

    async def _pass_on(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _DROPPED}
        body = await request.read()
        async with self._http.request(
            request.method, f"{self._target}{request.path_qs}", headers=headers, data=body or None
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() == "content-type"}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


def _unavailable() -> web.Response:
    problem = {"title": "Service Unavailable", "status": 503, "detail": "Table Storage did not answer"}
    return web.json_response(problem, status=503, content_type="application/problem+json")


@asynccontextmanager
async def gate_before(url: str) -> AsyncIterator[Gate]:
    async with aiohttp.ClientSession() as http:
        gate = Gate(url, http)
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", gate.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        gate.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield gate
        finally:
            gate.hold.set()
            await runner.cleanup()
