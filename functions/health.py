"""Is it up, and what would somebody look at first at three in the morning?"""

from http import HTTPStatus

import azure.functions as func

from functions.encoding import answer, managed
from functions.levels import API_LEVEL
from functions.services import services
from shared import telemetry
from shared.errors import ConfigurationError, StorageUnavailable

health = func.Blueprint()


@health.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_health(req: func.HttpRequest) -> func.HttpResponse:
    """Up means: configured, and storage answers and can be read by this version."""
    from shared.storage.credentials import SCHEMA_VERSION

    try:
        if await services().credentials.schema_version() <= SCHEMA_VERSION:
            return answer({"status": "up"})
        telemetry.warning("health.schema_newer", reason="the tables were written by a newer version")
    except (ConfigurationError, StorageUnavailable) as error:
        telemetry.warning("health.down", reason=str(error))
    return answer({"status": "down"}, HTTPStatus.SERVICE_UNAVAILABLE)


@health.route("health/details", methods=["GET"], auth_level=API_LEVEL)
@managed
async def get_health_details(req: func.HttpRequest) -> func.HttpResponse:
    quarantined = await services().quarantine.newest()
    return answer(
        {
            "status": "up",
            "storage": {"schemaVersion": await services().credentials.schema_version()},
            "streams": [],
            "credentials": [],
            "quarantine": {"count": len(quarantined), "newest": quarantined[0].at if quarantined else None},
            "sweptUntil": await services().credentials.swept_until(),
        }
    )
