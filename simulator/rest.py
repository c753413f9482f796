"""The part of ZapCloud's REST API that an integration needs, in the forms it has on the wire.

Lists are paged 50 at a time, at most 100 (docs.zaptec.com, "API changes: what you need to know"); what a client asks
for in vain is answered with HTTP 500 and a code (ErrorCodes of the API's constants).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from simulator import wire, wire_sessions
from simulator.constants import constants
from simulator.errors import ConflictError, NotFoundError
from simulator.faults import Faults
from simulator.histories import Histories
from simulator.models import Charger, RestRequest, TokenRequest
from simulator.oauth import RETRY_AFTER_S, InvalidGrantError, RateLimit, TokenService
from simulator.queries import (
    FEATURE_NOT_ENABLED,
    UNKNOWN,
    UNKNOWN_INSTALLATION,
    UNKNOWN_OBJECT,
    BusinessError,
    Query,
    charger_not_found,
    page,
)
from simulator.subscriptions import OwnerKind, Subscriptions
from simulator.world import World

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestApi:
    """Serves `/oauth/token` and `/api/…`."""

    def __init__(
        self, world: World, faults: Faults, tokens: TokenService, limit: RateLimit, subscriptions: Subscriptions
    ) -> None:
        self._world = world
        self._subscriptions = subscriptions
        self._states: dict[str, tuple[datetime, list[wire.Json]]] = {}
        self._faults = faults
        self._tokens = tokens
        self._limit = limit
        self._histories = Histories(world, faults)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/oauth/token", self._recorded(self._token)),
            web.get("/api/constants", self._recorded(self._constants), allow_head=False),
            self._get("/api/session/{id}", self._session),
            self._get("/api/installation", self._installations),
            self._get("/api/installation/{id}", self._installation),
            self._get("/api/installation/{id}/hierarchy", self._hierarchy),
            self._get("/api/installation/{id}/messagingConnectionDetails", self._details("installation")),
            self._get("/api/userGroups/{id}/messagingConnectionDetails", self._details("usergroup")),
            self._get("/api/chargers", self._chargers),
            self._get("/api/chargers/{id}", self._charger),
            self._get("/api/chargers/{id}/state", self._state),
            self._get("/api/chargehistory", self._histories.charge_history),
            self._get("/api/sessions/archived", self._histories.archived),
        ]

    def _get(self, path: str, handler: Handler) -> web.RouteDef:
        return web.get(path, self._recorded(self._guarded(handler)), allow_head=False)

    def _recorded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            response = await handler(request)
            record = RestRequest(self._world.now(), request.method, request.path, response.status)
            self._world.requests.append(record)
            return response

        return handle

    def _guarded(self, handler: Handler) -> Handler:
        """Authentication, rate limit and faults, in the order in which a gateway applies them."""

        async def handle(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            user = self._tokens.user_of(token.strip()) if scheme.lower() == "bearer" else None
            if user is None:
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
            if not self._limit.allows(user) or self._faults.strikes("rest-429", request.path):
                return web.Response(status=429, headers={"Retry-After": str(RETRY_AFTER_S)})
            if slow := self._faults.strikes("rest-slow", request.path):
                await asyncio.sleep(slow.seconds)
            if failure := self._faults.strikes("rest-5xx", request.path):
                return web.Response(status=failure.status, text="simulated failure")
            try:
                return await handler(request)
            except BusinessError as error:
                return web.json_response({"Code": error.code, "Details": str(error), "StackTrace": None}, status=500)

        return handle

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        response = self._grant(request, form)
        grant_type = form.get("grant_type", "")
        self._world.token_requests.append(TokenRequest(self._world.now(), grant_type, response.status))
        return response

    def _grant(self, request: web.Request, form: dict[str, str]) -> web.Response:
        if self._faults.strikes("oauth-unavailable", request.path):
            return web.Response(status=503, text="simulated failure")
        if self._faults.strikes("oauth-refused", request.path):
            return invalid_grant("simulated failure")
        try:
            return web.json_response(self._tokens.grant(form))
        except InvalidGrantError as error:
            return invalid_grant(str(error))

    async def _constants(self, _: web.Request) -> web.Response:
        return web.json_response(constants())

    def _details(self, kind: OwnerKind) -> Handler:
        """Connection details of a message subscription, for those who are owner or service there."""

        async def handle(request: web.Request) -> web.Response:
            path = request.path
            owner = self._world.installations.get(request.match_info["id"].lower())
            barred = owner is not None and not owner.is_managed
            if barred or not self._world.settings.details_role or self._faults.strikes("details-403", path):
                return web.Response(status=403)
            if self._faults.strikes("details-204", path):
                return web.Response(status=204)
            if self._faults.strikes("details-500", path):
                raise BusinessError(UNKNOWN, "simulated failure")
            try:
                return web.json_response(self._subscriptions.details_of(kind, request.match_info["id"].lower()))
            except ConflictError as error:
                raise BusinessError(FEATURE_NOT_ENABLED, "Feature not enabled") from error
            except NotFoundError as error:
                if kind == "installation":
                    raise BusinessError(UNKNOWN_INSTALLATION, "Unknown installation") from error
                raise BusinessError(UNKNOWN_OBJECT, "Unknown object") from error

        return handle

    async def _session(self, request: web.Request) -> web.Response:
        session = self._world.sessions.get(request.match_info["id"].lower())
        if session is None:
            return web.Response(status=404)
        return web.json_response(wire_sessions.session_end_data(session, self._world.now()))

    async def _installations(self, request: web.Request) -> web.Response:
        visible = [item for item in self._world.installations.values() if item.is_visible]
        return page(Query(request), visible, wire.installation_item)

    async def _installation(self, request: web.Request) -> web.Response:
        try:
            installation = self._world.installation(request.match_info["id"].lower())
        except NotFoundError as error:
            raise BusinessError(UNKNOWN_INSTALLATION, "Unknown installation") from error
        if not installation.is_visible:
            return web.Response(status=403)
        return web.json_response(wire.installation_item(installation))

    async def _hierarchy(self, request: web.Request) -> web.Response:
        installation = self._world.installations.get(request.match_info["id"].lower())
        if installation is None or not installation.is_managed:
            return web.Response(status=204)
        return web.json_response(wire.hierarchy(installation, self._world))

    async def _chargers(self, request: web.Request) -> web.Response:
        query = Query(request)
        wanted = query.text("InstallationId")
        chargers = [
            charger
            for charger in self._world.chargers.values()
            if wanted in (None, charger.installation_id) and self._world.installation_of(charger).is_visible
        ]
        return page(query, chargers, lambda one: wire.charger_item(one, self._world.installation_of(one)))

    async def _charger(self, request: web.Request) -> web.Response:
        charger = self._world.chargers.get(request.match_info["id"].lower())
        if charger is None:
            return charger_not_found()
        return web.json_response(wire.charger_item(charger, self._world.installation_of(charger)))

    async def _state(self, request: web.Request) -> web.Response:
        charger = self._world.chargers.get(request.match_info["id"].lower())
        if charger is None:
            return charger_not_found()
        states = self._cached_states(charger)
        if self._faults.strikes("state-duplicated", charger.id):
            states = [*states, *(wire.charger_state(charger, older) for older in charger.previous.values())]
        return web.json_response(states)

    def _cached_states(self, charger: Charger) -> list[wire.Json]:
        """The states as they were at most so long ago as the settings say."""
        now = self._world.now()
        at, states = self._states.get(charger.id, (None, []))
        if at is None or (now - at).total_seconds() >= self._world.settings.state_cache_s:
            reports = self._subscriptions.of_installation(charger.installation_id)
            states = wire.charger_states(charger, now, metered_live=not reports)
            self._states[charger.id] = (now, states)
        return states


def invalid_grant(description: str) -> web.Response:
    return web.json_response({"error": "invalid_grant", "error_description": description}, status=400)
