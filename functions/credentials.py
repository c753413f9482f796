"""The management API for the credentials ZapCloud calls the web hooks with; a secret is shown once, when it is made."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import azure.functions as func
import msgspec

from functions.encoding import answer, decoded, managed, no_content
from functions.levels import API_LEVEL
from functions.services import services
from shared import telemetry
from shared.errors import InvalidInput
from shared.identifiers import canonical_uuid

if TYPE_CHECKING:
    from shared.storage.credentials import HookCredential

credentials = func.Blueprint()

_Places = Annotated[list[str], msgspec.Meta(min_length=1, max_length=200)]
_AppId = Annotated[str, msgspec.Meta(max_length=64)]


class HookCredentialInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`installations` are ids, or "*" alone for all; `entraAppId` lets an Entra application call in its place."""

    installations: _Places
    entra_app_id: _AppId | None = None


class HookCredentialOutput(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str
    installations: tuple[str, ...]
    secrets: int
    """How many secrets are valid: two while rotating."""
    entra_app_id: str | None = None
    secret: str | None = None


@credentials.route("hook-credentials/{name}", methods=["PUT"], auth_level=API_LEVEL)
@managed()
async def put_hook_credential(req: func.HttpRequest) -> func.HttpResponse:
    given = decoded(req, HookCredentialInput)
    name = req.route_params.get("name", "")
    places = tuple("*" if place == "*" else canonical_uuid(place) or "" for place in given.installations)
    if "" in places or ("*" in places and len(places) > 1):
        raise InvalidInput("the credential cannot be stored", {"installations": 'must be UUIDs, or "*" alone'})
    stored, secret = await services().hook_credentials.create(name, places, given.entra_app_id)
    telemetry.event("hook_credential.stored", credential=name, new=secret is not None)
    return answer(_output(stored, secret), HTTPStatus.CREATED if secret else HTTPStatus.OK)


@credentials.route("hook-credentials", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def list_hook_credentials(req: func.HttpRequest) -> func.HttpResponse:
    known = await services().hook_credentials.all()
    items = [HookCredentialOutput(one.name, one.installations, len(one.sha256), one.entra_app_id) for one in known]
    return answer({"items": items, "cursor": None})


@credentials.route("hook-credentials/{name}/rotate", methods=["POST"], auth_level=API_LEVEL)
@managed()
async def rotate_hook_credential(req: func.HttpRequest) -> func.HttpResponse:
    name = req.route_params.get("name", "")
    secret = await services().hook_credentials.rotate(name)
    telemetry.event("hook_credential.rotated", credential=name)
    return answer({"name": name, "secret": secret})


@credentials.route("hook-credentials/{name}/retire", methods=["POST"], auth_level=API_LEVEL)
@managed()
async def retire_hook_credential(req: func.HttpRequest) -> func.HttpResponse:
    name = req.route_params.get("name", "")
    await services().hook_credentials.retire(name)
    telemetry.event("hook_credential.retired", credential=name)
    return no_content()


@credentials.route("hook-credentials/{name}", methods=["DELETE"], auth_level=API_LEVEL)
@managed()
async def delete_hook_credential(req: func.HttpRequest) -> func.HttpResponse:
    name = req.route_params.get("name", "")
    await services().hook_credentials.delete(name)
    telemetry.event("hook_credential.deleted")
    return no_content()


def _output(credential: "HookCredential", secret: str | None = None) -> HookCredentialOutput:
    return HookCredentialOutput(
        credential.name, credential.installations, len(credential.sha256), credential.entra_app_id, secret
    )
