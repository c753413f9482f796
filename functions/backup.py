"""The timer that makes the nightly backup."""

import azure.functions as func

from functions.services import services
from functions.timed import timed
from shared import telemetry
from shared.errors import ZapbridgeError

backups = func.Blueprint()


@backups.timer_trigger("timer", schedule="0 41 1 * * *", run_on_startup=False, use_monitor=True)
@timed
async def backup(timer: func.TimerRequest) -> None:
    """Write all that cannot be had again into the container of the backups."""
    nightly = services().backup
    if nightly is None:
        telemetry.warning("backup.not_configured", reason="ZAPBRIDGE_BACKUPS is not set")
        return
    try:
        await nightly.run()
    except ZapbridgeError as error:
        telemetry.warning("backup.failed", reason=str(error))
