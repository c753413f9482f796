"""Answers and questions of our own API: camelCase JSON, RFC 3339 instants, errors as application/problem+json.

Source of the error form: RFC 9457.
"""

import functools
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

import azure.functions as func
import msgspec

from functions.services import services
from shared import telemetry
from shared.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    StorageUnavailable,
    Unauthenticated,
    ZapbridgeError,
    ZapCloudError,
)
from shared.identifiers import canonical_uuid
from shared.settings import ApiAuthentication

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

_STATUS: dict[type[ZapbridgeError], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    LimitExceeded: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigurationError: HTTPStatus.SERVICE_UNAVAILABLE,
    ZapCloudError: HTTPStatus.BAD_GATEWAY,
}
_OF_THE_HOST = ("code", "clientId")
"""With which a function key may come in an address (Microsoft Learn, "Work with access keys in Azure Functions")."""
_FIELD = re.compile(r" - at `\$\.?([^`]*)`$")


def managed(*parameters: str) -> Callable[[Handler], Handler]:
    """A handler of the management API that takes these query parameters: the caller is checked where the host did not,
    a parameter of another name is refused, errors become problems."""
    taken = {*parameters, *_OF_THE_HOST}

    def guard(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guarded(req: func.HttpRequest) -> func.HttpResponse:
            try:
                if services().settings.api_auth is ApiAuthentication.ENTRA:
                    await services().validator.require_operator(req.headers.get("authorization"))
                if unknown := [name for name in req.params if name not in taken]:
                    raise InvalidInput("a parameter is unknown", dict.fromkeys(unknown, "is no parameter of this call"))
                return await handler(req)
            except ZapbridgeError as error:
                return problem(error)

        return guarded

    return guard


def problem(error: ZapbridgeError) -> func.HttpResponse:
    status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        telemetry.warning("api.unavailable", status=int(status), reason=str(error))
    content: dict[str, object] = {"title": status.phrase, "status": int(status), "detail": str(error)}
    if isinstance(error, InvalidInput) and error.fields:
        content["errors"] = error.fields
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return func.HttpResponse(
        msgspec.json.encode(content), status_code=status, mimetype="application/problem+json", headers=headers
    )


def answer(content: object, status: HTTPStatus = HTTPStatus.OK) -> func.HttpResponse:
    return func.HttpResponse(
        msgspec.json.encode(content),
        status_code=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store"},
    )


def no_content() -> func.HttpResponse:
    return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT)


def decoded[T](req: func.HttpRequest, kind: type[T]) -> T:
    """The request's JSON body; raises InvalidInput naming the field that is wrong."""
    try:
        return msgspec.json.decode(req.get_body(), type=kind)
    except msgspec.ValidationError as error:
        text = str(error)
        where = _FIELD.search(text)
        fields = {where.group(1): text[: where.start()]} if where and where.group(1) else {}
        raise InvalidInput("the body does not fit" if fields else text, fields) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInput("the body is not JSON") from None


def instant_parameter(req: func.HttpRequest, name: str) -> datetime | None:
    """An RFC 3339 instant in the query; a plus sign that arrived as a space is taken for what it was."""
    text = req.params.get(name, "").strip().replace(" ", "+")
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("a parameter is wrong", {name: "must be an RFC 3339 instant"}) from None
    return in_utc(name, instant)


def in_utc(name: str, instant: datetime) -> datetime:
    """The instant in UTC; raises InvalidInput where it has no zone, or lies outside of 1970 to 9000."""
    if instant.tzinfo is None:
        raise InvalidInput("an instant is wrong", {name: "needs a time zone, such as Z"})
    if not 1970 <= instant.year < 9000:
        raise InvalidInput("an instant is wrong", {name: "must lie between 1970 and 9000"})
    return instant.astimezone(UTC)


def limit_parameter(req: func.HttpRequest, default: int = 100, most: int = 1000) -> int:
    text = req.params.get("limit", str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise InvalidInput("a parameter is wrong", {"limit": f"must be a whole number from 1 to {most}"})
    return int(text)


def installation_id_of(req: func.HttpRequest) -> str:
    """The installation of the route; raises InvalidInput where it is no UUID."""
    found = canonical_uuid(req.route_params.get("id"))
    if found is None:
        raise InvalidInput("the id is wrong", {"id": "must be a hyphenated UUID, as Zaptec Portal shows it"})
    return found
