"""The control API under `/sim/`: what a person in front of the chargers, in Zaptec Portal or behind the scenes can do.

In virtual time a request that changes something is answered once all that it makes due at this instant is done.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from aiohttp import web

from simulator.bodies import Handler, answer, read
from simulator.chargers import Chargers
from simulator.cloud import Cloud
from simulator.control_messaging import MessagingControl
from simulator.faults import Faults
from simulator.kernel import Kernel
from simulator.models import Charger, Installation
from simulator.native import register
from simulator.oauth import TokenService
from simulator.sessions import Session, User
from simulator.settings import merged
from simulator.shapes import (
    Advance,
    Bound,
    ChargerBody,
    ChargerView,
    ClockView,
    Health,
    Idle,
    InstallationView,
    Items,
    NewInstallation,
    NewToken,
    NewUser,
    PlugBody,
    PortalSettings,
    ScanBody,
    UserView,
    VisitList,
)
from simulator.timers import Host, HostTimers
from simulator.visits import Drivers
from simulator.world import World


class Control:
    """Serves `/sim/…`."""

    def __init__(
        self,
        kernel: Kernel,
        world: World,
        faults: Faults,
        chargers: Chargers,
        cloud: Cloud,
        drivers: Drivers,
        timers: HostTimers,
        tokens: TokenService,
        messaging: MessagingControl,
    ) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._chargers = chargers
        self._cloud = cloud
        self._drivers = drivers
        self._timers = timers
        self._tokens = tokens
        self._messaging = messaging

    def routes(self) -> list[web.RouteDef]:
        world = self._world
        return [
            web.get("/sim/health", self._health),
            web.get("/sim/clock", self._clock),
            web.post("/sim/clock/advance", self._advance),
            web.post("/sim/clock/run-until-idle", self._run_until_idle),
            web.put("/sim/host", self._attach_host),
            web.get("/sim/installations", self._installations),
            web.post("/sim/installations", self._add_installation),
            web.patch("/sim/installations/{id}", self._configure),
            web.post("/sim/installations/{id}/users", self._add_user),
            web.post("/sim/installations/{id}/tokens", self._add_token),
            web.patch("/sim/chargers/{id}", self._change_charger),
            web.post("/sim/chargers/{id}/plug", self._plug),
            web.post("/sim/chargers/{id}/scan", self._scan),
            web.post("/sim/chargers/{id}/finish", self._act(self._chargers.finish)),
            web.post("/sim/chargers/{id}/stop", self._act(self._chargers.stop)),
            web.post("/sim/chargers/{id}/abort", self._act(self._chargers.abort)),
            web.post("/sim/chargers/{id}/unplug", self._act(self._chargers.unplug)),
            web.post("/sim/chargers/{id}/offline", self._act(self._chargers.go_offline)),
            web.post("/sim/chargers/{id}/online", self._act(self._chargers.go_online)),
            web.post("/sim/visits", self._schedule),
            web.post("/sim/sessions/{id}/void", self._act(self._cloud.void)),
            web.post("/sim/sessions/{id}/replace", self._act(self._cloud.replace)),
            web.post("/sim/sessions/{id}/abandon", self._act(self._cloud.abandon)),
            web.post("/sim/tokens/revoke", self._revoke),
            web.get("/sim/faults", self._get_faults),
            web.put("/sim/faults", self._put_faults),
            web.get("/sim/settings", self._get_settings),
            web.patch("/sim/settings", self._patch_settings),
            web.get("/sim/sessions", self._sessions),
            web.get("/sim/attempts", self._list(lambda: world.attempts)),
            web.get("/sim/calls", self._list(lambda: world.calls)),
            web.get("/sim/requests", self._list(lambda: world.requests)),
            web.get("/sim/token-requests", self._list(lambda: world.token_requests)),
            web.get("/sim/timers", self._list(lambda: world.timer_runs)),
            web.get("/sim/problems", self._list(lambda: self._kernel.problems)),
            *self._messaging.routes(),
        ]

    def _act(self, action: Callable[[str], Session | None]) -> Handler:
        """A deed done to what the path names; answers with the session it concerned, if any."""

        async def handle(request: web.Request) -> web.Response:
            session = await self._kernel.perform(lambda: action(request.match_info["id"]))
            return answer({"session_id": session.id if session else None})

        return handle

    def _list(self, items: Callable[[], list[Any]]) -> Handler:
        async def handle(_: web.Request) -> web.Response:
            return answer({"items": items()})

        return handle

    async def _health(self, _: web.Request) -> web.Response:
        return answer(Health("up", self._kernel.mode, len(self._kernel.problems)))

    async def _clock(self, _: web.Request) -> web.Response:
        return answer(self._clock_view())

    def _clock_view(self) -> ClockView:
        return ClockView(self._kernel.mode, self._kernel.now(), self._kernel.busy)

    async def _advance(self, request: web.Request) -> web.Response:
        await self._kernel.advance((await read(request, Advance)).seconds)
        return answer(self._clock_view())

    async def _run_until_idle(self, request: web.Request) -> web.Response:
        idle = await self._kernel.run_until_idle((await read(request, Bound)).most_seconds)
        return answer(Idle(idle, self._kernel.now()))

    async def _attach_host(self, request: web.Request) -> web.Response:
        return answer({"timers": await self._timers.attach(await read(request, Host))})

    async def _installations(self, _: web.Request) -> web.Response:
        return answer(Items([self._view(item) for item in self._world.installations.values()]))

    async def _add_installation(self, request: web.Request) -> web.Response:
        new = await read(request, NewInstallation)
        installation = await self._kernel.perform(
            lambda: self._world.add_installation(new.name, new.chargers, new.device_type)
        )
        return answer(self._view(installation), status=201)

    async def _configure(self, request: web.Request) -> web.Response:
        installation = self._world.installation(request.match_info["id"])
        spelled = await read(request, dict[str, Any])
        camel = {name[:1].lower() + name[1:]: value for name, value in spelled.items()}
        changes = msgspec.convert(camel, PortalSettings)

        def change() -> None:
            for name in PortalSettings.__struct_fields__:
                value = getattr(changes, name)
                if value is not msgspec.UNSET:
                    setattr(installation, name, value)
            self._messaging.follow()

        await self._kernel.perform(change)
        return answer(self._view(installation))

    async def _add_user(self, request: web.Request) -> web.Response:
        """A user of ZapCloud, with cards that open the installation's chargers."""
        installation = self._world.installation(request.match_info["id"])
        new = await read(request, NewUser)
        user = User(self._world.new_id("user"), new.full_name, new.email)
        cards = [register(installation, token.token, token.name, user) for token in new.tokens]
        return answer(UserView(user, [card.token for card in cards]), status=201)

    async def _add_token(self, request: web.Request) -> web.Response:
        """A card that opens the installation's chargers and is nobody's."""
        installation = self._world.installation(request.match_info["id"])
        new = await read(request, NewToken)
        return answer(register(installation, new.token, new.name), status=201)

    def _view(self, installation: Installation) -> InstallationView:
        chargers = [self._world.chargers[item] for circuit in installation.circuits for item in circuit.charger_ids]
        return InstallationView(
            installation.id,
            installation.name,
            installation.authentication_type,
            installation.webhooks_auth_url,
            installation.webhooks_session_start_url,
            installation.webhooks_session_end_url,
            [charger_view(charger) for charger in chargers],
        )

    async def _change_charger(self, request: web.Request) -> web.Response:
        charger = self._world.charger(request.match_info["id"])
        body = await read(request, ChargerBody)
        if body.clock_ahead_s is not msgspec.UNSET:
            charger.clock_ahead = timedelta(seconds=body.clock_ahead_s)
        if body.authentication_disabled is not msgspec.UNSET:
            charger.authentication_disabled = body.authentication_disabled
        return answer(charger_view(charger))

    async def _plug(self, request: web.Request) -> web.Response:
        body = await read(request, PlugBody)
        charger_id = request.match_info["id"]
        plugged = await self._kernel.perform(
            lambda: self._chargers.plug(charger_id, driver=body.driver, power_kw=body.power_kw)
        )
        return answer(plugged.attempt)

    async def _scan(self, request: web.Request) -> web.Response:
        body = await read(request, ScanBody)
        charger_id = request.match_info["id"]
        await self._kernel.perform(lambda: self._chargers.scan(charger_id, body.token))
        plugged = self._world.charger(charger_id).plugged
        return answer(plugged.attempt if plugged else None)

    async def _schedule(self, request: web.Request) -> web.Response:
        body = await read(request, VisitList)
        await self._kernel.perform(lambda: self._drivers.schedule(body.visits, together=body.together))
        return answer({"scheduled": len(body.visits)}, status=202)

    async def _revoke(self, _: web.Request) -> web.Response:
        self._tokens.revoke_all()
        return web.Response(status=204)

    async def _get_faults(self, _: web.Request) -> web.Response:
        return answer(self._faults.active)

    async def _put_faults(self, request: web.Request) -> web.Response:
        self._faults.replace(await read(request, dict[str, Any]))
        return answer(self._faults.active)

    async def _get_settings(self, _: web.Request) -> web.Response:
        return answer(self._world.settings)

    async def _patch_settings(self, request: web.Request) -> web.Response:
        self._world.settings = merged(self._world.settings, await read(request, dict[str, Any]))
        return answer(self._world.settings)

    async def _sessions(self, _: web.Request) -> web.Response:
        """The truth, offline sessions that ZapCloud has not heard of included."""
        known = {session.id: session for session in self._world.sessions.values()}
        for charger in self._world.chargers.values():
            for session in (charger.session, *charger.unreported):
                if session:
                    known[session.id] = session
        now = self._kernel.now()
        shown = [
            msgspec.structs.replace(session, energy_kwh=session.energy_at(now), metered_at=now)
            if session.power_kw
            else session
            for session in known.values()
        ]
        return answer(Items(sorted(shown, key=lambda session: (session.start, session.id))))


def charger_view(charger: Charger) -> ChargerView:
    return ChargerView(
        charger.id,
        charger.device_id,
        charger.name,
        charger.operation_mode,
        charger.online,
        charger.session.id if charger.session else None,
    )
