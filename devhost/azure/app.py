"""The stand-ins as one HTTP server: `/msi/token`, `/vault/secrets/…`, `/subscriptions/…`, and `/control/…` for tests.

The control API needs the identity header too: whoever has that may do anything here.
"""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from devhost.azure.book import Book, Refusal, wrong
from devhost.azure.identity import IdentityEndpoint, Tokens
from devhost.azure.manager import ResourceManager
from devhost.azure.shapes import Fault, World
from devhost.azure.vault import Vault

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Azure:
    def __init__(self, world: World) -> None:
        self.world = world
        self.book = Book()
        self.tokens = Tokens()
        self.vault = Vault(world, self.tokens, self.book)
        self.manager = ResourceManager(world, self.tokens, self.vault, self.book)
        for name, value in world.secrets.items():
            self.vault.put(name, value)
        for site in world.sites:
            self.manager.resolve(site)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._refusals])
        app.router.add_get("/msi/token", IdentityEndpoint(self.world, self.tokens, self.book).handle)
        app.router.add_get("/vault/secrets/{name}", self.vault.handle)
        app.router.add_put("/vault/secrets/{name}", self.vault.handle)
        app.router.add_route("*", "/subscriptions/{rest:.*}", self.manager.handle)
        app.router.add_get("/control/book", self._show_book)
        app.router.add_put("/control/faults", self._put_faults)
        app.router.add_put("/control/frozen", self._put_frozen)
        app.router.add_get("/control/health", self._health)
        return app

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await self._answer(request, handler)
        except Refusal as refusal:
            if refusal.violation:
                self.book.note_violation(request, refusal)
            response = refusal.response()
        self.book.end(request, response.status)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/control/") and request.path != "/control/health":
            self._require_owner(request)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            raise wrong("no API has this path", 404) from None

    def _require_owner(self, request: web.Request) -> None:
        if request.headers.get("X-IDENTITY-HEADER") != self.world.identity_header:
            raise wrong("the header X-IDENTITY-HEADER is wrong", 401)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "up"})

    async def _show_book(self, _: web.Request) -> web.Response:
        content = {"calls": self.book.calls, "violations": self.book.violations}
        return web.Response(body=msgspec.json.encode(content), content_type="application/json")

    async def _put_faults(self, request: web.Request) -> web.Response:
        self.book.arm(msgspec.json.decode(await request.read(), type=list[Fault]))
        return web.Response(status=204)

    async def _put_frozen(self, request: web.Request) -> web.Response:
        self.manager.frozen = msgspec.json.decode(await request.read(), type=set[str])
        return web.Response(status=204)
