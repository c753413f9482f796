"""The host's own endpoints below `/admin/`, as far as tools for Azure Functions use them. All need the master key."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from devhost.functions import Function
from devhost.http import TRIGGER as HTTP_TRIGGER
from devhost.worker import InvocationError

if TYPE_CHECKING:
    from devhost.servicebus import Listener

Runner = Callable[[str], Awaitable[None]]
"""Runs one function with the `input` text of the request, and returns when it finished."""


class Admin:
    def __init__(
        self,
        functions: Sequence[Function],
        url_templates: Mapping[str, str],
        runners: Mapping[str, Runner],
        listeners: "Mapping[str, Listener]",
        restart: Callable[[], None],
    ) -> None:
        """`url_templates`, `runners` and `listeners` are keyed by function name."""
        self._functions = {function.name.lower(): function for function in functions}
        self._url_templates = url_templates
        self._runners = runners
        self._listeners = listeners
        self._restart = restart
        self._instance_id = str(uuid.uuid4())
        self._started_seconds = time.monotonic()

    async def handle(self, request: web.BaseRequest, path: str) -> web.Response:
        match request.method, path.lower().strip("/").split("/")[1:]:
            case "GET", ["functions"]:
                return web.json_response([self._describe(function) for function in self._functions.values()])
            case "GET", ["functions", name] if name in self._functions:
                return web.json_response(self._describe(self._functions[name]))
            case "POST", ["functions", name] if name in self._functions:
                return await self._run(self._functions[name], request)
            case "GET", ["host", "status"]:
                return web.json_response(self._status())
            case "POST", ["host", "restart"]:
                self._restart()
                return web.Response(status=202)
        return web.Response(status=404)

    def _describe(self, function: Function) -> dict[str, Any]:
        listener = self._listeners.get(function.name)
        return {
            "name": function.name,
            "config": {"bindings": list(function.bindings)},
            "invoke_url_template": self._url_templates.get(function.name),
            "isDisabled": function.disabled,
            "language": "python",
        } | ({"listener": listener.state} if listener else {})

    def _status(self) -> dict[str, Any]:
        return {
            "id": "devhost",
            "state": "Running",
            "version": "devhost",
            "instanceId": self._instance_id,
            "processUptime": int((time.monotonic() - self._started_seconds) * 1000),
        }

    async def _run(self, function: Function, request: web.BaseRequest) -> web.Response:
        if function.trigger_type == HTTP_TRIGGER:
            return _refusal(400, f"'{function.name}' is an HTTP function; call its own URL")
        if function.name in self._listeners:
            return _refusal(400, f"'{function.name}' is run by messages; send one to its topic")
        run = self._runners.get(function.name)
        if run is None:
            return _refusal(400, f"'{function.name}' ({function.trigger_type}) is not run by devhost")
        try:
            body = json.loads(await request.read())
            text = body["input"]
        except (ValueError, KeyError, TypeError):
            return _refusal(400, 'the body must be a JSON object with "input"')
        try:
            await run(text if isinstance(text, str) else json.dumps(text))
        except InvocationError as error:
            return _refusal(500, str(error))
        return web.Response(status=202)


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
