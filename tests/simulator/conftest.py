"""A simulator in virtual time, and a small app for it to call."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web

from simulator.app import Options, serve
from simulator.client import SimulatorClient

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
START = datetime(2026, 3, 2, 6, tzinfo=UTC)


class App:
    """Plays the app: answers the hooks as `on_start` and `on_end` decide, and keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.starts: list[dict] = []
        self.ends: list[dict | None] = []
        self.authorizations: list[str | None] = []
        self.token_requests: list[str] = []
        self.on_start: Callable[[dict], web.Response] = self.admit_with_token
        self.on_end: Callable[[], web.Response] = lambda: web.json_response({})
        self.on_token: Callable[[], web.Response] = lambda: web.json_response(
            {"access_token": f"bearer-{len(self.token_requests)}", "expires_in": 100}
        )

    def session_id(self) -> str:
        return f"00000000-0000-4000-8000-{len(self.starts):012d}"

    def admit_with_token(self, body: dict) -> web.Response:
        return self.admit(body) if "tokenCode" in body else self.refuse(body)

    def admit(self, _: dict) -> web.Response:
        return web.json_response({"sessionId": self.session_id()})

    def refuse(self, _: dict) -> web.Response:
        return web.json_response({"message": "not yet"}, status=401)

    async def start(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.starts.append(body)
        self.authorizations.append(request.headers.get("Authorization"))
        answer = self.on_start(body)
        await asyncio.sleep(0)
        return answer

    async def end(self, request: web.Request) -> web.Response:
        try:
            self.ends.append(await request.json())
        except ValueError:
            self.ends.append(None)
            return web.json_response({"message": "not JSON"}, status=400)
        self.authorizations.append(request.headers.get("Authorization"))
        return self.on_end()

    async def token(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-www-form-urlencoded"
        self.token_requests.append(await request.text())
        return self.on_token()


@pytest.fixture
async def app() -> AsyncIterator[App]:
    app = App()
    server = web.Application()
    server.add_routes([web.post("/start", app.start), web.post("/end", app.end), web.post("/token", app.token)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    app.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield app
    await runner.cleanup()


@pytest.fixture
async def simulator() -> AsyncIterator[SimulatorClient]:
    async with serve(Options(port=0, seed=7, start=START)) as running, SimulatorClient(running.url) as client:
        yield client


@pytest.fixture
async def site(simulator: SimulatorClient, app: App):
    """An installation of three chargers whose hooks are the app's."""
    made = await simulator.add_installation("Harbour", chargers=3)
    return await simulator.configure(
        made.id,
        authenticationType=1,
        webhooksSessionStartUrl=f"{app.url}/start",
        webhooksSessionEndUrl=f"{app.url}/end",
    )


@pytest.fixture
async def rest(simulator: SimulatorClient) -> AsyncIterator[httpx.AsyncClient]:
    """A user of the REST API, logged in."""
    async with httpx.AsyncClient(base_url=simulator.url, verify=NO_CERTIFICATES) as client:
        form = {"grant_type": "password", "username": "owner@example.test", "password": "simulated"}
        token = (await client.post("/oauth/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
