"""What the management API answers to every question it takes about what the app keeps."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any

import aiohttp
import yaml

from devhost.stack import ROOT, Host

LEFT_OUT = {
    "/health": "of the process that is asked",
    "/health/details": "of the process that is asked",
    "/installations/{id}/readiness": "a judgement of this instant",
    "/zapcloud/installations": "ZapCloud's answer",
    "/chargers/{id}/history": "in no backup",
}
type Answer = tuple[int, Any]
"""A status, and the JSON or the text of the body."""
_SINCE = "2026-01-01T00:00:00Z"
_AT_ONCE = 16
_LONGEST_SECONDS = 220
"""For the export of a person, which reads every table; as zapctl waits for it."""


async def every_answer(*hosts: Host) -> dict[str, Answer]:
    """By what was asked; instances of one app take turns."""
    patience = aiohttp.ClientTimeout(_LONGEST_SECONDS)
    async with AsyncExitStack() as opened:
        clients = []
        for host in hosts:
            client = aiohttp.ClientSession(
                f"{host.api}/", headers={"x-functions-key": host.function_key}, timeout=patience
            )
            clients.append(await opened.enter_async_context(client))
        questions = _Questions(clients)
        await questions.all("/hook-credentials")
        await questions.each("/quarantine/{id}", [body["id"] for body in await questions.all("/quarantine")])
        await questions.each("/tokens/{id}", [token["id"] for token in await questions.all("/tokens")])
        drivers = [driver["id"] for driver in await questions.all("/drivers")]
        await questions.each("/drivers/{id}", drivers)
        await questions.each("/drivers/{id}/export", drivers)
        for place in await questions.all("/installations"):
            await questions.ask("/installations/{id}", id=place["id"])
            await questions.ask("/installations/{id}/refusals?from={since}&limit=1000", id=place["id"], since=_SINCE)
            await questions.ask("/tokens/seen?installation={id}", id=place["id"])
            chargers = [charger["id"] for charger in await questions.all("/chargers?installation={id}", id=place["id"])]
            await questions.each("/chargers/{id}/state", chargers)
            await questions.each("/chargers/{id}/grants", chargers)
            span = {"id": place["id"], "since": _SINCE}
            listed = await questions.all("/sessions?installation={id}&from={since}&limit=1000", **span)
            await questions.ask("/sessions.csv?installation={id}&from={since}", **span)
            sessions = [session["sessionId"] for session in listed]
            await questions.each("/sessions/{id}", sessions)
            await questions.each("/sessions/{id}/energy", sessions)
    unasked = _documented() - questions.routes - LEFT_OUT.keys()
    assert not unasked, f"nobody asked {sorted(unasked)}"
    return questions.answers


def differences(before: dict[str, Answer], after: dict[str, Answer]) -> list[str]:
    """The questions that are answered otherwise, with both answers."""
    asked = sorted(before.keys() | after.keys())
    return [f"{one}: {before.get(one)} became {after.get(one)}" for one in asked if before.get(one) != after.get(one)]


class _Questions:
    def __init__(self, clients: Sequence[aiohttp.ClientSession]) -> None:
        self._clients = cycle(clients)
        self.answers: dict[str, Answer] = {}
        self.routes: set[str] = set()

    async def ask(self, route: str, **values: str) -> Any:
        self.routes.add(route.partition("?")[0])
        path = route.format(**values)
        async with next(self._clients).get(path.removeprefix("/")) as response:
            content = await (response.json() if "json" in response.content_type else response.text())
        self.answers[path] = response.status, content
        return content

    async def each(self, route: str, ids: list[str]) -> None:
        self.routes.add(route)
        left = iter(ids)

        async def some() -> None:
            for one in left:
                await self.ask(route, id=one)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))

    async def all(self, route: str, **values: str) -> list[Any]:
        """The items of all pages."""
        page = await self.ask(route, **values)
        items = page["items"]
        while page["cursor"]:
            separator = "&" if "?" in route else "?"
            page = await self.ask(route + separator + "cursor={cursor}", cursor=page["cursor"], **values)
            items += page["items"]
        return list(items)


def _documented() -> set[str]:
    paths = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["paths"]
    return {path for path, methods in paths.items() if "get" in methods}
