"""The management API for installations, their chargers, and the one-time grants at those."""

import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

import azure.functions as func
import msgspec

from functions.encoding import (
    answer,
    decoded,
    installation_id_of,
    instant_parameter,
    limit_parameter,
    managed,
    no_content,
)
from functions.levels import API_LEVEL
from functions.services import services
from shared import telemetry
from shared.errors import InvalidInput, NotFound, ZapCloudError
from shared.identifiers import canonical_uuid

installations = func.Blueprint()

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Driver = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Serial = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{0,32}\Z")]
_Grace = Annotated[int, msgspec.Meta(ge=0, le=240)]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=86400)]


class ChargerInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    id: _Text
    device_id: _Serial = ""
    name: _Text = ""


class InstallationInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is left out stays as it is stored, or is the default of a new installation. `chargers` are added to those
    known; where a ZapCloud account is configured they are read from there.
    """

    name: _Text | msgspec.UnsetType = msgspec.UNSET
    mode: Literal["enforce", "observe", "open"] | msgspec.UnsetType = msgspec.UNSET
    outage_policy: Literal["refuse", "allow-and-mark"] | msgspec.UnsetType = msgspec.UNSET
    card_grace_seconds: _Grace | msgspec.UnsetType = msgspec.UNSET
    time_zone: _Text | msgspec.UnsetType = msgspec.UNSET
    chargers: Annotated[list[ChargerInput], msgspec.Meta(max_length=1000)] = []


class GrantInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    driver: _Driver
    expires_in: _Seconds = 600


@installations.route("installations/{id}", methods=["PUT"], auth_level=API_LEVEL)
@managed()
async def put_installation(req: func.HttpRequest) -> func.HttpResponse:
    from shared.billing.local_clock import zone_named
    from shared.storage.chargers import Charger
    from shared.storage.installations import Installation, Mode, OutagePolicy

    installation_id = installation_id_of(req)
    given = decoded(req, InstallationInput)
    chargers = []
    for charger in given.chargers:
        charger_id = canonical_uuid(charger.id)
        if charger_id is None:
            raise InvalidInput("a charger cannot be registered", {"chargers": "each id must be a hyphenated UUID"})
        chargers.append(
            Charger(
                id=charger_id,
                installation_id=installation_id,
                device_id=charger.device_id.upper(),
                name=charger.name,
            )
        )
    stored = await services().installations.get(installation_id) or Installation(
        id=installation_id, since=services().clock()
    )
    installation = Installation(
        id=installation_id,
        name=stored.name if given.name is msgspec.UNSET else given.name,
        mode=stored.mode if given.mode is msgspec.UNSET else Mode(given.mode),
        outage_policy=stored.outage_policy
        if given.outage_policy is msgspec.UNSET
        else OutagePolicy(given.outage_policy),
        card_grace_seconds=stored.card_grace_seconds
        if given.card_grace_seconds is msgspec.UNSET
        else given.card_grace_seconds,
        time_zone=stored.time_zone if given.time_zone is msgspec.UNSET else zone_named(given.time_zone).key,
        since=stored.since,
    )
    directory = services().directory
    await directory.register(chargers)
    await services().installations.put(installation)
    directory.changed(installation)
    try:
        await directory.reload(installation_id)
    except ZapCloudError as error:
        telemetry.warning("chargers.reload_failed", installationId=installation_id, reason=str(error))
    telemetry.event("installation.changed", installationId=installation_id, mode=installation.mode)
    return answer(installation)


@installations.route("installations", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def list_installations(req: func.HttpRequest) -> func.HttpResponse:
    return answer({"items": await services().installations.all(), "cursor": None})


@installations.route("installations/{id}", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_installation(req: func.HttpRequest) -> func.HttpResponse:
    found = await services().installations.get(installation_id_of(req))
    if found is None:
        raise NotFound("no installation of that id; PUT it first")
    return answer(found)


@installations.route("installations/{id}/refusals", methods=["GET"], auth_level=API_LEVEL)
@managed("from", "limit")
async def list_refusals(req: func.HttpRequest) -> func.HttpResponse:
    """Why drivers with a card were refused, oldest first, from the instant `from` on (a day ago, if not given)."""
    limit = limit_parameter(req)
    since = instant_parameter(req, "from") or services().clock() - timedelta(days=1)
    return answer({"items": await services().decisions.refusals(installation_id_of(req), since, limit), "cursor": None})


@installations.route("chargers/{id}/grants", methods=["POST"], auth_level=API_LEVEL)
@managed()
async def post_grant(req: func.HttpRequest) -> func.HttpResponse:
    from shared.storage.authorizations import Grant

    given = decoded(req, GrantInput)
    now = services().clock()
    grant = Grant(
        id=secrets.token_hex(8),
        charger_id=await _charger_id(req),
        driver=given.driver,
        created_at=now,
        expires_at=now + timedelta(seconds=given.expires_in),
    )
    await _forget_expired_grants(grant.charger_id, now)
    await services().authorizations.put_grant(grant)
    telemetry.event("grant.created", chargerId=grant.charger_id, grantId=grant.id, expiresAt=grant.expires_at)
    return answer(grant, HTTPStatus.CREATED)


@installations.route("chargers/{id}/grants", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def list_grants(req: func.HttpRequest) -> func.HttpResponse:
    standing = await services().authorizations.read(await _charger_id(req))
    now = services().clock()
    return answer({"items": [grant for grant, _ in standing.grants if grant.expires_at > now], "cursor": None})


@installations.route("chargers/{id}/grants/{grant}", methods=["DELETE"], auth_level=API_LEVEL)
@managed()
async def delete_grant(req: func.HttpRequest) -> func.HttpResponse:
    grant_id = req.route_params.get("grant", "")
    if not grant_id.isalnum():
        raise NotFound("no grant of that id")
    await services().authorizations.delete_grant(await _charger_id(req), grant_id)
    return no_content()


async def _forget_expired_grants(charger_id: str, now: datetime) -> None:
    """So that they do not pile up where every poll reads them."""
    for grant, _ in (await services().authorizations.read(charger_id)).grants:
        if grant.expires_at <= now:
            await services().authorizations.delete_grant(charger_id, grant.id)


async def _charger_id(req: func.HttpRequest) -> str:
    """The charger of the route, by UUID or serial; raises NotFound where we do not know it."""
    charger = await services().directory.charger(req.route_params.get("id", ""))
    if charger:
        return charger.id
    raise NotFound("no charger of that id; PUT its installation first, with its chargers or a ZapCloud account")
