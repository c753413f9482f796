"""The control API's bodies: JSON in, JSON out, and what it refuses as application/problem+json."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from simulator.errors import SimulatorError

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)


async def read[T](request: web.Request, shape: type[T]) -> T:
    """The body as `shape`; an empty one is an empty object."""
    return msgspec.json.decode(await request.read() or b"{}", type=shape)


@web.middleware
async def problems_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the control API refuses is said as application/problem+json."""
    try:
        return await handler(request)
    except (SimulatorError, msgspec.DecodeError) as error:
        kind = type(error) if isinstance(error, SimulatorError) else SimulatorError
        status, title = kind.status, kind.title
        body = msgspec.json.encode({"title": title, "status": status, "detail": str(error)})
        return web.Response(body=body, content_type="application/problem+json", status=status)
