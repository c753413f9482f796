"""The management API as zapctl calls it: JSON in, JSON out, and every failure as a Failure that says what to do."""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from cli.exits import Exit, Failure

_TIMEOUT_SECONDS = 60.0
_LONGEST_SECONDS = 220.0
"""Azure's load balancer ends a request after 230 s, however long a function may run (Microsoft Learn, "Azure Functions
scale and hosting", function app timeout duration)."""
_CONNECT_ATTEMPTS = 2
_PAGE = 1000


def path_part(text: str) -> str:
    """What an operator typed, as one part of a path."""
    return quote(text, safe="")


class Problem(msgspec.Struct, frozen=True):
    """An application/problem+json answer (RFC 9457), as far as it is one."""

    detail: str = ""
    errors: dict[str, str] = {}


class Api:
    """An app's API at a base address such as https://my-zapbridge.azurewebsites.net; use as a context manager."""

    def __init__(self, url: str, function_key: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api",
            headers={"x-functions-key": function_key, "User-Agent": "zapctl"},
            timeout=_TIMEOUT_SECONDS,
            transport=httpx.AsyncHTTPTransport(retries=_CONNECT_ATTEMPTS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **parameters: str) -> Any:
        return await self._call("GET", path, parameters)

    async def get_at_length(self, path: str, *, otherwise: str) -> Any:
        """What may take as long as Azure lets a request last; `otherwise` says what to do where that is not enough."""
        try:
            return await self._answer("GET", path, patience=httpx.Timeout(_TIMEOUT_SECONDS, read=_LONGEST_SECONDS))
        except httpx.ReadTimeout as error:
            told = f"the app needs longer for this than the {_LONGEST_SECONDS:.0f} s that Azure leaves a request"
            raise Failure(Exit.UNAVAILABLE, f"{told}; {otherwise}") from error
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def put(self, path: str, content: object) -> Any:
        return await self._call("PUT", path, content=content)

    async def post(self, path: str) -> Any:
        return await self._call("POST", path)

    async def delete(self, path: str) -> Any:
        return await self._call("DELETE", path)

    async def pages(self, path: str, **parameters: str) -> AsyncIterator[list[dict[str, Any]]]:
        """A list page by page, each as large as the API gives."""
        cursor: str | None = ""
        while cursor is not None:
            more = {"cursor": cursor} if cursor else {}
            page = await self._call("GET", path, {"limit": str(_PAGE)} | parameters | more)
            yield page["items"]
            cursor = page["cursor"]

    async def files(self, path: str, **parameters: str) -> AsyncIterator[bytes]:
        """A CSV file that comes in pages; each says in its `Link` (RFC 8288) what is to be asked for next.

        An answer that httpx keeps the content of is part of a cycle, and stays in memory until the garbage collector
        comes by; so it is read as a stream, which keeps none.
        """
        asked: dict[str, str] | None = parameters
        while asked is not None:
            try:
                async with self._http.stream("GET", path, params=asked) as response:
                    if not response.is_success:
                        await response.aread()
                        raise _failure(response, self.url)
                    content = b"".join([chunk async for chunk in response.aiter_bytes()])
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            if not response.headers.get("content-type", "").startswith("text/csv"):
                raise self._not_ours()
            yield content
            following = response.links.get("next")
            asked = dict(httpx.URL(following["url"]).params) if following else None

    async def is_up(self) -> bool:
        """Whether the app says of itself that it is up; no answer is none."""
        try:
            return (await self._http.get("/health")).is_success
        except httpx.TransportError:
            return False

    async def _call(
        self, method: str, path: str, parameters: Mapping[str, str] | None = None, content: object = None
    ) -> Any:
        try:
            return await self._answer(method, path, parameters, content)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def _answer(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        content: object = None,
        patience: httpx.Timeout | None = None,
    ) -> Any:
        """Raises httpx.TransportError, too."""
        response = await self._http.request(
            method, path, params=parameters, json=content, timeout=patience or self._http.timeout
        )
        if not response.is_success:
            raise _failure(response, self.url)
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise self._not_ours() from error

    def _unreachable(self, error: httpx.TransportError) -> Failure:
        reason = f"{self.url} does not answer ({type(error).__name__})"
        return Failure(Exit.UNREACHABLE, f"{reason}; is the app running, and this machine online?")

    def _not_ours(self) -> Failure:
        return Failure(Exit.UNREACHABLE, f"what answers at {self.url} is not zapbridge")


def _failure(response: httpx.Response, url: str) -> Failure:
    problem = _problem(response)
    what = problem.detail if problem else f"{url} answered {response.status_code}"
    match response.status_code:
        case 401 | 403:
            why = problem.detail if problem else "the function key was changed, or the app wants Entra tokens instead"
            return Failure(Exit.NOT_AUTHORIZED, f"{url} does not let us in: {why}")
        case 404 if problem is None:
            reason = f"{url} does not know {response.request.url.path}"
            return Failure(Exit.UNREACHABLE, f"{reason}; deploy the app in the version of this zapctl")
        case 404:
            return Failure(Exit.NOT_FOUND, what)
        case 502 if problem:
            reason = f"ZapCloud, asked by the app: {what}"
            return Failure(Exit.ZAPCLOUD, f"{reason} (another account is stored by `zapctl secrets account`)")
        case 503 if "ZAPBRIDGE_" in what:  # a ConfigurationError names the settings
            return Failure(Exit.NOT_CONFIGURED, f"the app is not configured: {what}; `zapctl setup` does it")
        case status if status < 500:
            fields = "; ".join(f"{name} {fault}" for name, fault in problem.errors.items()) if problem else ""
            return Failure(Exit.REFUSED, f"the app refuses: {what}{f' ({fields})' if fields else ''}")
    return Failure(Exit.UNAVAILABLE, f"the app could not do it: {what}; try again in a minute")


def _problem(response: httpx.Response) -> Problem | None:
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        return None
