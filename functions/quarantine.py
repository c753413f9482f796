"""The management API for what could not be understood: kept byte by byte, for an operator to look at."""

import azure.functions as func

from functions.encoding import answer, managed
from functions.levels import API_LEVEL
from functions.services import services
from shared.errors import NotFound

quarantine = func.Blueprint()


@quarantine.route("quarantine", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def list_quarantine(req: func.HttpRequest) -> func.HttpResponse:
    """What could not be understood, newest first, and the forms of body that were new."""
    return answer(
        {
            "items": await services().quarantine.newest(),
            "shapes": await services().quarantine.shapes(),
            "cursor": None,
        }
    )


@quarantine.route("quarantine/{id}", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_quarantined(req: func.HttpRequest) -> func.HttpResponse:
    """The body itself, which may hold a card number."""
    identity = req.route_params.get("id", "")
    body = await services().quarantine.body(identity) if identity.isalnum() and len(identity) == 32 else None
    if body is None:
        raise NotFound("nothing of that id is in quarantine")
    return func.HttpResponse(body, mimetype="application/octet-stream", headers={"Cache-Control": "no-store"})


@quarantine.route("quarantine/{id}/replay", methods=["POST"], auth_level=API_LEVEL)
@managed()
async def replay_quarantined(req: func.HttpRequest) -> func.HttpResponse:
    """Try it again with the code of today; what is understood now takes effect and leaves quarantine."""
    identity = req.route_params.get("id", "")
    if not (identity.isalnum() and len(identity) == 32):
        raise NotFound("nothing of that id is in quarantine")
    await services().replay.run(identity)
    return answer({"id": identity, "replayed": True})
