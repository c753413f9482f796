"""The part of ZapCloud's REST API that an integration needs, in the forms it has on the wire.

Lists are paged 50 at a time, at most 100 (docs.zaptec.com, "API changes: what you need to know"); what a client asks
for in vain is answered with HTTP 500 and a code (ErrorCodes of the API's constants).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from simulator import wire
from simulator.constants import constants
from simulator.errors import ConflictError, NotFoundError
from simulator.faults import Faults
from simulator.models import Charger, RestRequest, Session, TokenRequest
from simulator.oauth import RETRY_AFTER_S, InvalidGrantError, RateLimit, TokenService
from simulator.subscriptions import OwnerKind, Subscriptions
from simulator.world import World

DEFAULT_PAGE, MOST_PAGE = 50, 100
UNKNOWN, UNKNOWN_OBJECT, FEATURE_NOT_ENABLED, INVALID_FORMAT, UNKNOWN_INSTALLATION = 500, 512, 526, 529, 540

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BusinessError(Exception):
    """A request that ZapCloud understands and will not serve: HTTP 500 with one of its error codes."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code


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
            self._get("/api/chargehistory", self._history),
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
        return web.json_response(wire.session_end_data(session, self._world.now()))

    async def _installations(self, request: web.Request) -> web.Response:
        visible = [item for item in self._world.installations.values() if item.is_visible]
        return self._page(request, [wire.installation_item(item) for item in visible])

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
            wire.charger_item(charger, self._world.installation_of(charger))
            for charger in self._world.chargers.values()
            if wanted in (None, charger.installation_id) and self._world.installation_of(charger).is_visible
        ]
        return self._page(request, chargers)

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

    async def _history(self, request: web.Request) -> web.Response:
        """Closed sessions that began in the asked-for span; in no useful order unless SortProperty names one."""
        query = Query(request)
        since, until = query.instant("From"), query.instant("To")
        installation_id, charger_id = query.text("InstallationId"), query.text("ChargerId")
        sessions = [
            session
            for session in self._world.sessions.values()
            if session.closed_at is not None
            and installation_id in (None, session.installation_id)
            and charger_id in (None, session.charger_id)
            and (since is None or since <= session.start)
            and (until is None or session.start < until)
        ]
        sort = (query.text("SortProperty") or "Id").lower()
        keys: dict[str, Callable[[Session], Any]] = {
            "startdatetime": lambda session: session.start,
            "enddatetime": lambda session: session.closed_at,
        }
        descending = query.text("SortDescending") == "true"
        sessions.sort(key=keys.get(sort, lambda session: session.id), reverse=descending)
        items = [wire.history_item(session, self._world.chargers[session.charger_id]) for session in sessions]
        return self._page(request, items)

    def _page(self, request: web.Request, items: list[wire.Json]) -> web.Response:
        query = Query(request)
        size = min(query.number("PageSize") or DEFAULT_PAGE, MOST_PAGE)
        first = query.number("PageIndex") * size
        pages = -(-len(items) // size)
        return web.json_response({"Pages": pages, "Data": items[first : first + size], "Message": None})


class Query:
    """A request's query; names are matched whatever their case, as ASP.NET does."""

    def __init__(self, request: web.Request) -> None:
        self._values = {name.lower(): value for name, value in request.query.items()}

    def text(self, name: str) -> str | None:
        value = self._values.get(name.lower())
        return value.lower() if value and name.endswith("Id") else value

    def number(self, name: str) -> int:
        text = self._values.get(name.lower(), "0")
        if not text.isdecimal():
            raise BusinessError(INVALID_FORMAT, f"{name} must be a number")
        return int(text)

    def instant(self, name: str) -> datetime | None:
        """A timestamp; without an offset it is UTC."""
        text = self._values.get(name.lower())
        try:
            found = datetime.fromisoformat(text) if text else None
        except ValueError as error:
            raise BusinessError(INVALID_FORMAT, f"{name} must be ISO 8601") from error
        return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def charger_not_found() -> web.Response:
    return web.json_response({"errorCode": UNKNOWN_OBJECT, "message": "Charger not found."}, status=404)


def invalid_grant(description: str) -> web.Response:
    return web.json_response({"error": "invalid_grant", "error_description": description}, status=400)
