"""The web hooks that ZapCloud calls, and the token service it may get its bearer tokens from.

Open at the host's level, since ZapCloud sends no function key; `shared.security.validator` checks every call.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

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
)

if TYPE_CHECKING:
    from shared.security.principal import Principal

hooks = func.Blueprint()


@hooks.route("hooks/session-start", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def session_start(req: func.HttpRequest) -> func.HttpResponse:
    from shared.sessions.start import Outcome

    began = time.monotonic()
    try:
        principal = await _caller(req)
        result = await services().start_hook.answer(
            principal, req.get_body(), timedelta(seconds=time.monotonic() - began)
        )
    except Unauthenticated as error:
        return _unauthenticated("session-start", error)
    except InvalidInput as error:
        return _message(HTTPStatus.BAD_REQUEST, str(error))
    except (StorageUnavailable, TimeoutError):
        result = services().start_hook.answer_unchecked(req.get_body())
    except ConfigurationError as error:
        telemetry.warning("app.not_configured", reason=str(error))
        return _message(HTTPStatus.UNAUTHORIZED, "not configured yet")
    match result.outcome:
        case Outcome.AUTHORIZED:
            return _json(HTTPStatus.OK, {"sessionId": result.session_id})
        case Outcome.NOT_AUTHORIZED:
            return _message(HTTPStatus.UNAUTHORIZED, result.message)
        case Outcome.UNAVAILABLE:
            return _message(HTTPStatus.SERVICE_UNAVAILABLE, result.message)


@hooks.route("hooks/session-end", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def session_end(req: func.HttpRequest) -> func.HttpResponse:
    try:
        principal = await _caller(req)
        async with asyncio.timeout(services().settings.hook_budget_seconds):
            await services().end_hook.accept(principal, req.get_body())
    except Unauthenticated as error:
        return _unauthenticated("session-end", error)
    except InvalidInput as error:
        return _json(HTTPStatus.BAD_REQUEST, {"message": str(error), "errors": error.fields})
    except NotFound as error:
        return _message(HTTPStatus.NOT_FOUND, str(error))
    except (StorageUnavailable, Conflict, LimitExceeded, TimeoutError) as error:
        telemetry.warning("outage.end", reason=str(error) or "no answer within the hook's budget")
        return _message(HTTPStatus.SERVICE_UNAVAILABLE, "storage is down; please repeat")
    except ConfigurationError as error:
        telemetry.warning("app.not_configured", reason=str(error))
        return _message(HTTPStatus.SERVICE_UNAVAILABLE, "not configured yet; please repeat")
    return _message(HTTPStatus.OK, "stored")


@hooks.route("oauth/token", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def oauth_token(req: func.HttpRequest) -> func.HttpResponse:
    from shared.security.access_tokens import LIFETIME, GrantRefused

    try:
        token = await services().token_service.issue(req.get_body(), req.headers.get("authorization"))
    except GrantRefused as error:
        telemetry.warning("oauth.refused", error=error.code)
        refusal = {"error": error.code, "error_description": str(error)}
        if error.code == "invalid_client":
            return _json(HTTPStatus.UNAUTHORIZED, refusal, {"WWW-Authenticate": "Basic"})
        return _json(HTTPStatus.BAD_REQUEST, refusal)
    except (StorageUnavailable, ConfigurationError) as error:
        telemetry.warning("oauth.unavailable", reason=str(error))
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "temporarily_unavailable"})
    lifetime_seconds = int(LIFETIME.total_seconds())
    return _json(HTTPStatus.OK, {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_seconds})


async def _caller(req: func.HttpRequest) -> "Principal":
    """Who calls; raises Unauthenticated, StorageUnavailable, or TimeoutError past the hook's budget."""
    async with asyncio.timeout(services().settings.hook_budget_seconds):
        return await services().validator.hook_caller(req.headers.get("authorization"))


def _unauthenticated(hook: str, error: Unauthenticated) -> func.HttpResponse:
    telemetry.warning("hook.authentication_failed", hook=hook, reason=str(error))
    return _message(HTTPStatus.UNAUTHORIZED, str(error))


def _message(status: HTTPStatus, message: str) -> func.HttpResponse:
    return _json(status, {"message": message})


def _json(
    status: HTTPStatus, content: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    return func.HttpResponse(
        msgspec.json.encode(content),
        status_code=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )
