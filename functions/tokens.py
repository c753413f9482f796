"""The management API for tokens: who may charge, and which cards nobody knows yet."""

from datetime import datetime
from typing import Annotated

import azure.functions as func
import msgspec

from functions.encoding import answer, decoded, in_utc, limit_parameter, managed, no_content
from functions.levels import API_LEVEL
from functions.services import services
from shared.errors import InvalidInput, NotFound
from shared.identifiers import canonical_uuid

tokens = func.Blueprint()

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Ids = Annotated[list[str], msgspec.Meta(max_length=200)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=200)]


class TokenInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    token: _Text
    driver: _Text | None = None
    label: _Text | None = None
    valid_from: _Instant | None = None
    valid_to: _Instant | None = None
    blocked: bool = False
    installations: _Ids = []
    chargers: _Ids = []
    max_concurrent: _Count | None = None


@tokens.route("tokens", methods=["PUT"], auth_level=API_LEVEL)
@managed()
async def put_token(req: func.HttpRequest) -> func.HttpResponse:
    from shared.access.card import normalize, token_id
    from shared.storage.tokens import Token

    given = decoded(req, TokenInput)
    try:
        number = normalize(given.token)
    except InvalidInput as error:
        raise InvalidInput("the token cannot be registered", {"token": str(error)}) from None
    if given.valid_from and given.valid_to and given.valid_to <= given.valid_from:
        raise InvalidInput("the token would never be valid", {"validTo": "must lie after validFrom"})
    valid_from = in_utc("validFrom", given.valid_from) if given.valid_from else None
    valid_to = in_utc("validTo", given.valid_to) if given.valid_to else None
    token = Token(
        id=token_id(services().settings.identity_key, number),
        token=number,
        driver=given.driver,
        label=given.label,
        valid_from=valid_from,
        valid_to=valid_to,
        blocked=given.blocked,
        installations=_uuids("installations", given.installations),
        chargers=_uuids("chargers", given.chargers),
        max_concurrent=given.max_concurrent,
    )
    await services().tokens.put(token)
    return answer(token)


@tokens.route("tokens", methods=["GET"], auth_level=API_LEVEL)
@managed("limit", "cursor")
async def list_tokens(req: func.HttpRequest) -> func.HttpResponse:
    limit = limit_parameter(req)
    after = req.params.get("cursor", "")
    if after and not _is_token_id(after):
        raise InvalidInput("the cursor cannot be used", {"cursor": "must be one that an earlier page answered with"})
    found = await services().tokens.page(after, limit + 1)
    more = len(found) > limit
    return answer({"items": found[:limit], "cursor": found[limit - 1].id if more else None})


@tokens.route("tokens/seen", methods=["GET"], auth_level=API_LEVEL)
@managed("installation")
async def list_seen_tokens(req: func.HttpRequest) -> func.HttpResponse:
    """The cards shown at an installation that are not registered (any more or yet), ready to be."""
    from shared.access.unregistered import unregistered_tokens

    installation_id = canonical_uuid(req.params.get("installation"))
    if installation_id is None:
        raise InvalidInput("which installation?", {"installation": "must be a UUID"})
    unregistered = await unregistered_tokens(services().decisions, services().tokens, installation_id)
    return answer({"items": unregistered, "cursor": None})


@tokens.route("tokens/{id}", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_token(req: func.HttpRequest) -> func.HttpResponse:
    stored = await services().tokens.get(_token_id(req))
    if stored is None:
        raise NotFound("no token of that id")
    return answer(stored.token)


@tokens.route("tokens/{id}", methods=["DELETE"], auth_level=API_LEVEL)
@managed()
async def delete_token(req: func.HttpRequest) -> func.HttpResponse:
    await services().tokens.delete(_token_id(req))
    return no_content()


def _token_id(req: func.HttpRequest) -> str:
    text = str(req.route_params.get("id", "")).lower()
    if not _is_token_id(text):
        raise NotFound("no token of that id; ids are 32 hex digits, a card number is none")
    return text


def _is_token_id(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


def _uuids(field: str, texts: list[str]) -> tuple[str, ...]:
    ids = [canonical_uuid(text) for text in texts]
    if None in ids:
        raise InvalidInput("the token cannot be registered", {field: "must be hyphenated UUIDs"})
    return tuple(found for found in ids if found)
