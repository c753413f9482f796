"""Timers that keep the log complete and the chargers known."""

import azure.functions as func

from functions.services import services
from functions.timed import timed
from shared import telemetry
from shared.errors import ZapbridgeError

maintenance = func.Blueprint()


@maintenance.timer_trigger("timer", schedule="30 * * * * *", run_on_startup=False, use_monitor=False)
@timed
async def sweep(timer: func.TimerRequest) -> None:
    """Complete what a crash or an outage left half done."""
    await services().upgrade.advance()
    await services().sweep.run()


@maintenance.timer_trigger("timer", schedule="5 3/10 * * * *", run_on_startup=False, use_monitor=False)
@timed
async def reconcile(timer: func.TimerRequest) -> None:
    """Read the finished sessions that ZapCloud lists."""
    if reconciler := services().reconciler:
        await reconciler.run()


@maintenance.timer_trigger("timer", schedule="0 17 * * * *", run_on_startup=False, use_monitor=False)
@timed
async def reload_chargers(timer: func.TimerRequest) -> None:
    """Learn of new chargers; ZapCloud asks that its charger lists be read at most hourly."""
    for installation in await services().installations.all():
        try:
            await services().directory.reload(installation.id)
        except ZapbridgeError as error:
            telemetry.warning("chargers.reload_failed", installationId=installation.id, reason=str(error))
