"""A proxy on loopback in front of an HTTP server that notes every request: what it was, how long its answer took."""

import re
import time
from collections.abc import Callable
from typing import Self

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

_PER_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host"}
_ADDED_BY_CLIENTS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_TABLE = re.compile(rb"/devstoreaccount1/(?:Tables\b)?(\w*)")


class Passed(msgspec.Struct, frozen=True):
    """A request that went through; `during` is what `Meter` was told was going on when it came."""

    method: str
    path: str
    during: str
    seconds: float
    table: str = ""
    """Of a request to Azurite: the table it is about; a transaction's from its first row."""


class Meter:
    """Listens on `port` while the context is open, and passes everything on to `target_port`."""

    def __init__(self, target_port: int, during: Callable[[], str] = str) -> None:
        self._target = f"http://127.0.0.1:{target_port}"
        self._during = during
        self.passed: list[Passed] = []
        self.under_way: list[str] = []
        """The paths of requests whose answers are awaited, in the order in which they came."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None))
        self._runner = web.ServerRunner(web.Server(self._pass_on, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        path, during, began = request.raw_path, self._during(), time.perf_counter()
        body = await request.read()
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _PER_CONNECTION]
        self.under_way.append(path)
        try:
            async with self._session.request(
                request.method,
                URL(self._target + path, encoded=True),
                headers=headers,
                skip_auto_headers=_ADDED_BY_CLIENTS,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        finally:
            self.under_way.remove(path)
        self.passed.append(Passed(request.method, path, during, time.perf_counter() - began, _table(path, body)))
        response = web.Response(status=answer.status, body=content)
        for name, value in answer.headers.items():
            if name.lower() not in _PER_CONNECTION | {"content-length"}:
                response.headers[name] = value
        return response


def _table(path: str, body: bytes) -> str:
    for text in (path.encode(), body):
        if (match := _TABLE.search(text)) and match[1]:
            return match[1].decode()
    return ""
