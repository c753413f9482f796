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
    from shared.storage.schema import SCHEMA_VERSION

    try:
        if await services().schema.version() <= SCHEMA_VERSION:
            return answer({"status": "up"})
        telemetry.warning("health.schema_newer", reason="the tables were written by a newer version")
    except ConfigurationError as error:
        telemetry.warning("app.not_configured", reason=str(error))
    except StorageUnavailable as error:
        telemetry.warning("health.down", reason=str(error))
    return answer({"status": "down"}, HTTPStatus.SERVICE_UNAVAILABLE)


@health.route("health/details", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_health_details(req: func.HttpRequest) -> func.HttpResponse:
    quarantined = await services().quarantine.newest()
    return answer(
        {
            "status": "up",
            "storage": {"schemaVersion": await services().schema.version()},
            "streams": await _streams(),
            "credentials": await _credentials(),
            "quarantine": {"count": len(quarantined), "newest": quarantined[0].at if quarantined else None},
            "sweptUntil": await services().credentials.swept_until(),
        }
    )


async def _streams() -> list[dict[str, object]]:
    """How old the newest observation of each stream is, and whether the stream has fallen silent."""
    streams = services().streams
    marks, silent, now = await streams.records.marks(), await streams.watchdog.silent_streams(), services().clock()
    return [
        {
            "name": stream.name,
            "installationId": stream.installation_id,
            "userGroupId": stream.user_group_id,
            "receivedAt": mark.received_at if mark else None,
            "newest": mark.newest if mark else None,
            "ageSeconds": (now - mark.newest).total_seconds() if mark and mark.newest else None,
            "silent": stream in silent,
        }
        for stream in streams.streams
        for mark in (marks.get(stream.name),)
    ]


async def _credentials() -> list[dict[str, object]]:
    """The ZapCloud login, and where the credentials of each stream stand; no secrets, only fingerprints."""
    login = await services().streams.records.login()
    rotations = await services().streams.records.rotations()
    configured = {stream.name for stream in services().streams.streams}
    found: list[dict[str, object]] = []
    if login:
        found.append({"name": "zapcloud-login", "since": login.at, "renewAt": login.renew_at})
    found += [
        {
            "name": f"stream-{rotation.stream}",
            "fingerprint": rotation.fingerprint,
            "step": rotation.step,
            "since": rotation.at,
            "checkedAt": rotation.checked_at,
        }
        for rotation in rotations.values()
        if rotation.stream in configured
    ]
    return found
