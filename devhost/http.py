"""HTTP triggers: a request in, one function run, its answer out.

As in Azure a method that a route does not register is 404, a missing or wrong key is 401 with an empty body and a
function that raises is 500 with an empty body.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web
from multidict import CIMultiDict

from devhost.functions import Function
from devhost.keys import HEADER, QUERY, Keys
from devhost.protos import protos
from devhost.routes import Route, RouteTable, compile_template
from devhost.worker import InvocationError, Worker

TRIGGER = "httpTrigger"
MAX_BODY_BYTES = 100 * 1024 * 1024

ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
CONNECTION_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
"""Belong to the connection, which is the host's."""

SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}

AdminHandler = Callable[[web.BaseRequest, str], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class HttpFunction:
    function: Function
    auth_level: str
    """`anonymous`, `function` or `admin`."""


def route_of(function: Function, prefix: str) -> Route[HttpFunction]:
    """Where a function with an HTTP trigger answers.

    Raises:
        RouteError: its route template is not valid.
    """
    trigger = function.trigger
    own = trigger.get("route")
    template = compile_template(f"{prefix}/{function.name if own is None else own}")
    methods = frozenset(method.upper() for method in trigger.get("methods") or ())
    level = str(trigger.get("authLevel") or "function").lower()
    return Route(template, methods, HttpFunction(function, level))


class HttpTriggers:
    """The request handler of the whole host; what lies below `/admin/` goes to `admin`, for the master key only."""

    def __init__(self, routes: Iterable[Route[HttpFunction]], keys: Keys, worker: Worker, admin: AdminHandler) -> None:
        self._routes = RouteTable(routes)
        self._keys = keys
        self._worker = worker
        self._admin = admin

    async def handle(self, request: web.BaseRequest) -> web.Response:
        target = request.raw_path
        path = decoded_path(target.partition("?")[0])
        query = request.query
        shown = request.headers.get(HEADER) or query.get(QUERY)
        if path.lower().startswith("/admin/"):
            if not self._keys.opens("admin", shown):
                return web.Response(status=401)
            return await self._admin(request, path)
        found = self._routes.match(request.method, path)
        if found is None:
            return web.Response(status=404)
        if not self._keys.opens(found.target.auth_level, shown):
            return web.Response(status=401)
        headers = _headers(request)
        if not all(_is_utf8(value) for value in headers.values()):
            return web.Response(status=400)
        http = protos.RpcHttp(
            method=request.method,
            url=f"{request.scheme}://{request.host}{target}",
            headers=headers,
            params=found.values,
            query={name: ",".join(query.getall(name)) for name in query} if query else None,
        )
        if request.body_exists:
            if (request.content_length or 0) > MAX_BODY_BYTES:
                return web.Response(status=413)
            _let_body_come(request)
            http.body.bytes = await request.read()
        try:
            response = await self._worker.invoke(found.target.function, protos.TypedData(http=http))
        except InvocationError:
            return web.Response(status=500)
        return encode(answer_of(response, found.target.function))


def make_server(triggers: HttpTriggers) -> web.Server:
    """aiohttp's bare server: bodies are left as they come (Azure does not unzip them), and nothing is logged."""

    def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)

    return web.Server(triggers.handle, request_factory=make_request, access_log=None, auto_decompress=False)


def decoded_path(raw: str) -> str:
    """The path as Azure's web server hands it on: percent-encoding undone, except that of a slash."""
    if "%" not in raw:
        return raw
    return "%2F".join(unquote(part) for part in ENCODED_SLASH.split(raw))


def _headers(request: web.BaseRequest) -> dict[str, str]:
    """Names in lower case; values of a repeated name joined by a comma, as the real host does."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def _is_utf8(value: str) -> bool:
    """Whether a header's bytes, which aiohttp keeps as surrogates where they are not UTF-8, can be handed on."""
    return not any("\udc80" <= character <= "\udcff" for character in value)


def _let_body_come(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, which curl sends before a large body and waits for."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def answer_of(response: Any, function: Function) -> Any:
    """The `TypedData` of the HTTP answer: the return value, or the output binding of type http."""
    if response.HasField("return_value"):
        return response.return_value
    names = {binding["name"] for binding in function.bindings if binding["type"] == "http"}
    return next((output.data for output in response.output_data if output.name in names), protos.TypedData())


def encode(answer: Any) -> web.Response:
    """An HTTP response from the function's answer; no answer is 204."""
    kind = answer.WhichOneof("data")
    if kind is None:
        return web.Response(status=204)
    if kind != "http":
        return web.Response(body=_body(answer), content_type="text/plain", charset="utf-8")
    http = answer.http
    headers = CIMultiDict((n, v) for n, v in http.headers.items() if n.lower() not in CONNECTION_HEADERS)
    for cookie in http.cookies:
        headers.add("Set-Cookie", _set_cookie(cookie))
    return web.Response(status=int(http.status_code), headers=headers, body=_body(http.body))


def _body(data: Any) -> bytes:
    kind = data.WhichOneof("data")
    value = getattr(data, kind) if kind else b""
    return value if isinstance(value, bytes) else str(value).encode()


def _set_cookie(cookie: Any) -> str:
    """As ASP.NET Core writes it, the value percent-encoded."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='-._~')}"]
    if cookie.HasField("expires"):
        parts.append(f"Expires={formatdate(cookie.expires.value.seconds, usegmt=True)}")
    if cookie.HasField("max_age"):
        parts.append(f"Max-Age={int(cookie.max_age.value)}")
    if cookie.domain.value:
        parts.append(f"Domain={cookie.domain.value}")
    if cookie.path.value:
        parts.append(f"Path={cookie.path.value}")
    if cookie.secure.value:
        parts.append("Secure")
    if cookie.same_site in SAME_SITE:
        parts.append(f"SameSite={SAME_SITE[cookie.same_site]}")
    if cookie.http_only.value:
        parts.append("HttpOnly")
    return "; ".join(parts)
