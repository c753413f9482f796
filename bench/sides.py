"""The two sides of a comparison, each a host of its own on the same storage: zapbridge, and the baseline functions."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from devhost.stack import HOOK_CREDENTIAL, Host, Ports, Process, Stack, running_stack
from function_app import app

CARD = "04BE2C00000001"
BLOCKED_CARD = "04BE2C00000002"
LIMITED_CARD = "04BE2C00000003"
UNKNOWN_CARD = "04BE2C00000004"
NO_TIMERS = {
    f"AzureWebJobs.{function.get_function_name()}.Disabled": "true"
    for function in app.get_functions()
    if (trigger := function.get_trigger()) and trigger.type == "timerTrigger"
}
"""The settings of a host in which nothing happens of itself."""
_BASELINE_APP = Path(__file__).parent / "baseline_app"


class UnexpectedAnswerError(Exception):
    """A host did not answer what the benchmark is about, so its time means nothing."""


class Side(Protocol):
    async def start(self, charger_id: str) -> None:
        """A session-start with a registered card at a charger nobody charges at."""

    async def poll(self, charger_id: str) -> None:
        """A session-start without a card, which is told to wait."""

    async def turn_away(self) -> None:
        """A request that is answered without asking storage."""


class Zapbridge:
    """zapbridge itself, called as ZapCloud calls it."""

    def __init__(self, session: aiohttp.ClientSession, api: str, stack: Stack) -> None:
        self._session = session
        self._url = f"{api}/hooks/session-start"
        self._auth = aiohttp.BasicAuth(HOOK_CREDENTIAL, stack.hook_password)
        self._elsewhere = str(uuid.uuid4())

    async def start(self, charger_id: str) -> None:
        await self.ask(200, chargerId=charger_id, tokenCode=CARD)

    async def poll(self, charger_id: str) -> None:
        await self.ask(401, chargerId=charger_id)

    async def turn_away(self) -> None:
        """Authenticated, but of an installation and a charger nobody knows."""
        await self.ask(401, chargerId=self._elsewhere, installationId=self._elsewhere)

    async def ask(self, expected: int, **body: str) -> None:
        await _post(self._session, self._url, expected, body, self._auth)


class Baseline:
    def __init__(self, session: aiohttp.ClientSession, api: str, token_id: str) -> None:
        self._session = session
        self._api = api
        self._card = {"tokenId": token_id, "installationId": str(uuid.uuid4())}

    async def start(self, charger_id: str) -> None:
        """At a charger of its own, whose claim is not in zapbridge's way."""
        own = str(uuid.uuid5(uuid.NAMESPACE_OID, charger_id))
        await _post(self._session, f"{self._api}/session-start", 200, {"chargerId": own} | self._card)

    async def poll(self, charger_id: str) -> None:
        own = str(uuid.uuid5(uuid.NAMESPACE_OID, charger_id))
        await _post(self._session, f"{self._api}/poll", 401, {"chargerId": own})

    async def turn_away(self) -> None:
        await _post(self._session, f"{self._api}/nothing", 401, {})


async def _post(
    session: aiohttp.ClientSession, url: str, expected: int, body: dict[str, str], auth: aiohttp.BasicAuth | None = None
) -> None:
    async with session.post(url, json=body, auth=auth) as response:
        content = await response.read()
        if response.status != expected:
            raise UnexpectedAnswerError(f"{url} answered {response.status} instead of {expected}: {content[:300]!r}")


class Bench:
    """A stack, and on it both sides; made by `running_bench`."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession) -> None:
        self.stack = stack
        self._session = session
        self._token_id = ""

    async def register_cards(self) -> None:
        """The cards as new: none holds a session open."""
        cards: list[dict[str, Any]] = [
            {"token": BLOCKED_CARD, "driver": "Mallory", "blocked": True},
            {"token": LIMITED_CARD, "driver": "Grace", "maxConcurrent": 200},
            {"token": CARD, "driver": "Ada"},
        ]
        async with self.stack.host.management() as management:
            for card in cards:
                self._token_id = (await management.put("/tokens", json=card)).raise_for_status().json()["id"]

    async def chargers(self, count: int) -> list[str]:
        """So many new chargers, known to zapbridge, of an installation in mode enforce."""
        view = await self.stack.add_installation("Benchmark", count)
        return [charger.id for charger in view.chargers]

    def zapbridge(self, host: Host | None = None) -> Zapbridge:
        """zapbridge on one of its hosts, of which it has one anyway."""
        return Zapbridge(self._session, (host or self.stack.host).api, self.stack)

    @asynccontextmanager
    async def baseline(self, tables: str = "") -> AsyncIterator[Baseline]:
        """The baseline on a host of its own, which uses the tables of the stack or of another connection string."""
        process, port = await self._baseline_host(tables or self.stack.storage_connection_string)
        try:
            await process.wait_for(f"http://127.0.0.1:{port}/")
            yield Baseline(self._session, f"http://127.0.0.1:{port}/api", self._token_id)
        finally:
            await process.stop()

    async def _baseline_host(self, tables: str) -> tuple[Process, int]:
        port, log = Ports.free().host, self.stack.log_folder / "baseline.log"
        command = [sys.executable, "-m", "devhost", "--app", str(_BASELINE_APP), "--port", str(port)]
        command += ["--keys", str(self.stack.folder / "baseline-keys.json")]
        with log.open("ab") as output:
            started = await asyncio.create_subprocess_exec(
                *command,
                cwd=_BASELINE_APP.parent.parent,
                stdout=output,
                stderr=output,
                env=os.environ | {"ZAPBRIDGE_TABLES": tables},
                start_new_session=True,
            )
        return Process("baseline", log, started), port


@asynccontextmanager
async def running_bench(folder: Path) -> AsyncIterator[Bench]:
    """A stack with cards registered, whose timers do not fire."""
    async with (
        running_stack(folder, ports=Ports.free(), settings=NO_TIMERS) as stack,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        bench = Bench(stack, session)
        await bench.register_cards()
        yield bench


async def poll_all(side: Side, chargers: Iterable[str], at_once: int = 8) -> None:
    """What happens at a charger before a card is shown: it polls. zapbridge knows the charger from then on."""
    waiting = iter(chargers)

    async def work() -> None:
        for charger in waiting:
            await side.poll(charger)

    await asyncio.gather(*(work() for _ in range(at_once)))
