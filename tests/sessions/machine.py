"""A charger, its drivers and ZapCloud as they really behave, played against the app's own services on real storage.

The world here is the truth: which driver's car was at the plug when ZapCloud received a session id. What the app knows
of it, it learns from the hooks, from observations that may come late, and from ZapCloud's API, which is served here
over real HTTP from the truth.
"""

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport

from functions.services import Services, build
from shared.access.card import token_id
from shared.security.principal import Principal
from shared.sessions.evidence import EvidenceRecorder
from shared.sessions.start import Outcome
from shared.storage.authorizations import Grant
from shared.storage.chargers import Charger
from shared.storage.installations import Installation
from shared.storage.table import Tables
from shared.storage.tokens import Token
from tests.conftest import IDENTITY_KEY, HandClock, settings_for

ZAPCLOUD = Principal("zapcloud", ("*",))
_numbers = itertools.count(1)


class Crash(BaseException):
    """The process dies here; nothing of ours may catch it."""


class CrashPlan:
    """When the process dies: at the call to storage after `calls_left` more, before it is sent or after it was done."""

    def __init__(self) -> None:
        self.calls_left: int | None = None
        self.after = False
        self.crashes = 0

    def due(self) -> bool:
        if self.calls_left is None:
            return False
        self.calls_left -= 1
        if self.calls_left >= 0:
            return False
        self.calls_left = None
        self.crashes += 1
        return True


class CrashingTransport(AioHttpTransport):
    def __init__(self, plan: CrashPlan) -> None:
        super().__init__(use_env_settings=False)
        self._plan = plan

    async def send(self, request: Any, **options: Any) -> Any:
        if not self._plan.due():
            return await super().send(request, **options)
        if self._plan.after:
            await super().send(request, **options)
        raise Crash


class Driver(msgspec.Struct, frozen=True):
    name: str
    card: str | None


class Vehicle(msgspec.Struct):
    """A car at the plug; `session_id` once ZapCloud received one, `shown` once the card was scanned."""

    driver: Driver
    shown: bool = False
    asking: bool = True
    session_id: str | None = None


class World:
    def __init__(self, connection_string: str, clock: HandClock, drivers: list[Driver]) -> None:
        number = next(_numbers)
        self.installation_id = f"00000000-0000-4000-8000-{number:012x}"
        self.charger_id = f"00000000-0000-4000-9000-{number:012x}"
        self.drivers = drivers
        self.clock = clock
        self._connection_string = connection_string
        self.crash = CrashPlan()
        self.services: Services
        self.vehicle: Vehicle | None = None
        self.mode_since = clock.now()
        self.true_driver: dict[str, str] = {}
        """Of each session ZapCloud has: who really charged."""
        self.answered: dict[str, str] = {}
        """Of each id the app ever gave, received or not: who was at the plug."""
        self.ends_due: list[dict[str, Any]] = []
        self.ended: dict[str, dict[str, Any]] = {}
        self.observations: list[Callable[[EvidenceRecorder], Any]] = []
        self._server: web.AppRunner | None = None

    async def open(self) -> None:
        await self._serve_zapcloud()
        self._boot()
        services = self.services
        await services.installations.put(Installation(id=self.installation_id))
        await services.directory.register([Charger(id=self.charger_id, installation_id=self.installation_id)])
        for driver in self.drivers:
            if driver.card:
                identity = token_id(IDENTITY_KEY, driver.card)
                await services.tokens.put(Token(id=identity, token=driver.card, driver=driver.name))

    async def close(self) -> None:
        await self.services.close()
        if self._server:
            await self._server.cleanup()

    def plug(self, driver: Driver) -> None:
        self.vehicle = Vehicle(driver)
        self.mode_since = self.clock.now()

    async def unplug(self, energy_kwh: float) -> None:
        vehicle = self.vehicle
        assert vehicle
        now = self.clock.now()
        self.mode_since = now
        self.observations.append(lambda recorder: recorder.vehicle_disconnected(self.charger_id, now))
        if vehicle.session_id:
            end = {"SessionId": vehicle.session_id, "SessionEnd": _text(now), "Energy": energy_kwh}
            self.ended[vehicle.session_id] = end
            self.ends_due.append(end)
        elif vehicle.driver.card is None:
            await self.cancel_grants()
        self.vehicle = None

    async def grant(self, driver: Driver) -> None:
        now = self.clock.now()
        grant = Grant(
            id=f"g{next(_numbers)}",
            charger_id=self.charger_id,
            driver=driver.name,
            created_at=now,
            expires_at=now.replace(year=now.year + 1),
        )
        await self.services.authorizations.put_grant(grant)

    async def cancel_grants(self) -> None:
        """The desk takes back what the driver who leaves did not use."""
        for grant, _ in (await self.services.authorizations.read(self.charger_id)).grants:
            await self.services.authorizations.delete_grant(self.charger_id, grant.id)

    async def ask(self, *, reaches_app: bool, answer_arrives: bool, twice: bool) -> None:
        """ZapCloud's next call for the car at the plug."""
        vehicle = self.vehicle
        assert vehicle
        body = {"chargerId": self.charger_id, "installationId": self.installation_id}
        if vehicle.shown:
            body["tokenCode"] = f"nfc-{vehicle.driver.card}"
        if not reaches_app:
            return
        for _ in range(2 if twice else 1):
            outcome, session_id = await self._start(body)
            if session_id:
                known = self.answered.setdefault(session_id, vehicle.driver.name)
                assert known == vehicle.driver.name, f"{session_id} was answered to {known} and {vehicle.driver.name}"
        if outcome is None or not answer_arrives:
            return
        if session_id:
            assert session_id not in self.true_driver, "ZapCloud got an id for a second time"
            vehicle.session_id = session_id
            vehicle.asking = False
            self.true_driver[session_id] = vehicle.driver.name
            self.mode_since = self.clock.now()
            now = self.clock.now()
            self.observations.append(lambda recorder: recorder.session_running(self.charger_id, session_id, now))
        elif vehicle.shown:
            vehicle.asking = False

    async def _start(self, body: dict[str, str]) -> tuple[Outcome | None, str]:
        try:
            result = await self.services.start_hook.answer(ZAPCLOUD, msgspec.json.encode(body))
        except Crash:
            await self._restart()
            return None, ""
        return result.outcome, result.session_id

    async def deliver_end(self, number: int, *, keep: bool) -> None:
        """ZapCloud reports an end; `keep` plays an answer that was lost, after which it does so again."""
        end = self.ends_due[number]
        try:
            await self.services.end_hook.accept(ZAPCLOUD, msgspec.json.encode(end))
        except Crash:
            await self._restart()
            return
        if not keep:
            self.ends_due.remove(end)

    async def observe(self, number: int) -> None:
        """One of the observations on its way arrives, whatever its turn."""
        await self.observations.pop(number)(EvidenceRecorder(self.services.authorizations))

    async def sweep(self) -> None:
        try:
            await self.services.sweep.run()
        except Crash:
            await self._restart()

    async def _restart(self) -> None:
        """The process died: what was in memory, and what ran in the background, is gone."""
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_name().startswith("behind "):
                task.cancel()
        await self.services.tables.close()
        if self.services.zapcloud:
            await self.services.zapcloud.close()
        self._boot()

    def _boot(self) -> None:
        site = next(iter(self._server.sites)) if self._server else None
        settings = settings_for(
            self._connection_string,
            self.clock,
            zapcloud_url=site.name if site else "",
            zapcloud_username="owner",
            zapcloud_password="password",
        )
        self.services = build(settings, Tables(self._connection_string, CrashingTransport(self.crash)))

    async def _serve_zapcloud(self) -> None:
        app = web.Application()
        app.router.add_post("/oauth/token", self._token)
        app.router.add_get("/api/session/{id}", self._session)
        app.router.add_get("/api/chargers/{id}/state", self._state)
        self._server = web.AppRunner(app, access_log=None)
        await self._server.setup()
        site = web.TCPSite(self._server, "127.0.0.1", 0)
        await site.start()

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "token_type": "Bearer", "expires_in": 86399})

    async def _session(self, request: web.Request) -> web.Response:
        session_id = request.match_info["id"]
        if session_id not in self.true_driver:
            return web.Response(status=404)
        running = {"SessionId": session_id, "SessionStart": None, "SessionEnd": None, "Energy": 0.0}
        return web.json_response(self.ended.get(session_id, running))

    async def _state(self, _: web.Request) -> web.Response:
        mode = {"StateId": 710, "Timestamp": _text(self.mode_since), "ValueAsString": "2" if self.vehicle else "1"}
        return web.json_response([mode])


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
