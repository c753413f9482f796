"""What a client asks the REST API for, and how it is told that it cannot be had."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

DEFAULT_PAGE, MOST_PAGE = 50, 100
UNKNOWN, MISSING_REQUIRED_DATA, UNKNOWN_OBJECT, FEATURE_NOT_ENABLED = 500, 503, 512, 526
INVALID_FORMAT, UNKNOWN_INSTALLATION = 529, 540


class BusinessError(Exception):
    """A request that ZapCloud understands and will not serve: HTTP 500 with one of its error codes."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code


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


def page[T](query: Query, items: Sequence[T], write: Callable[[T], dict[str, Any]]) -> web.Response:
    """The page that is asked for, in the envelope of ZapCloud's lists; `write` gives an item the form it has there."""
    size = min(query.number("PageSize") or DEFAULT_PAGE, MOST_PAGE)
    first = query.number("PageIndex") * size
    pages = -(-len(items) // size)
    shown = items[first : first + size]
    body = {"Pages": pages, "Data": [write(item) for item in shown], "Message": None, "TotalCount": len(items)}
    return web.json_response(body)


def charger_not_found() -> web.Response:
    return web.json_response({"errorCode": UNKNOWN_OBJECT, "message": "Charger not found."}, status=404)
