"""The management API's judgement on an installation: what web hooks mean to its drivers, and what ZapCloud shows us."""

from urllib.parse import urlsplit

import azure.functions as func
import msgspec

from functions.encoding import answer, installation_id_of, managed
from functions.levels import API_LEVEL
from functions.services import services
from shared.errors import ConfigurationError, InvalidInput

readiness = func.Blueprint()


class ZapCloudInstallation(msgspec.Struct, frozen=True, rename="camel"):
    """`known` says whether we answer for it."""

    id: str
    name: str
    roles: tuple[str, ...]
    authentication_type: str | None
    known: bool


@readiness.route("installations/{id}/readiness", methods=["GET"], auth_level=API_LEVEL)
@managed("base", "mode")
async def get_readiness(req: func.HttpRequest) -> func.HttpResponse:
    """`base` is where ZapCloud should call us; without it, where this request came to. `mode` judges as if it were the
    installation's."""
    from shared.readiness.address import our_addresses
    from shared.storage.installations import Mode

    installation_id = installation_id_of(req)
    mode = req.params.get("mode")
    if mode is not None and mode not in set(Mode):
        raise InvalidInput("a parameter is wrong", {"mode": f"must be one of {', '.join(Mode)}"})
    here = urlsplit(req.url)
    ours = our_addresses(req.params.get("base") or f"{here.scheme}://{here.netloc}")
    return answer(await services().readiness.report(installation_id, ours, Mode(mode) if mode else None))


@readiness.route("zapcloud/installations", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def list_zapcloud_installations(req: func.HttpRequest) -> func.HttpResponse:
    """All that our ZapCloud account may see, by name."""
    zapcloud = services().zapcloud
    if zapcloud is None:
        raise ConfigurationError(
            "there is no ZapCloud account; set ZAPBRIDGE_ZAPCLOUD_USERNAME and ZAPBRIDGE_ZAPCLOUD_PASSWORD"
        )
    known = {installation.id for installation in await services().installations.all()}
    items = [
        ZapCloudInstallation(
            id=one.id,
            name=one.name,
            roles=one.roles.words,
            authentication_type=one.authentication_type.word if one.authentication_type is not None else None,
            known=one.id in known,
        )
        for one in await zapcloud.installations()
    ]
    return answer({"items": sorted(items, key=lambda one: (one.name.casefold(), one.id)), "cursor": None})
