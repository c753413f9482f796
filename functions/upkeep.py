"""Timers that keep the message streams open, notice when they bring nothing, and look for what drivers suffer from."""

import azure.functions as func

from functions.services import services
from functions.timed import timed

upkeep = func.Blueprint()


@upkeep.timer_trigger("timer", schedule="10 */5 * * * *", run_on_startup=False, use_monitor=False)
@timed
async def refresh_credentials(timer: func.TimerRequest) -> None:
    """Keep ZapCloud's tokens and the streams' connection details fresh; a change is followed to its end."""
    if refresher := services().streams.refresher:
        await refresher.run()


@upkeep.timer_trigger("timer", schedule="20 * * * * *", run_on_startup=False, use_monitor=False)
@timed
async def watch_rotations(timer: func.TimerRequest) -> None:
    """See changes of credentials through: to messages that come, or on from where a failure stopped them."""
    if refresher := services().streams.refresher:
        await refresher.watch()


@upkeep.timer_trigger("timer", schedule="50 * * * * *", run_on_startup=False, use_monitor=False)
@timed
async def watch_streams(timer: func.TimerRequest) -> None:
    """Notice streams that fell silent, and make up over REST for what was lost."""
    await services().streams.watchdog.run()


@upkeep.timer_trigger("timer", schedule="40 * * * * *", run_on_startup=False, use_monitor=False)
@timed
async def watch_lockouts(timer: func.TimerRequest) -> None:
    """Notice chargers whose drivers nobody asks us about."""
    await services().streams.lockout_watch.run()


@upkeep.timer_trigger("timer", schedule="0 41 4 * * *", run_on_startup=False, use_monitor=False)
@timed
async def refresh_constants(timer: func.TimerRequest) -> None:
    """Learn the names of observations that are newer than this version."""
    await services().streams.kinds.refresh()


@upkeep.timer_trigger("timer", schedule="0 29 * * * *", run_on_startup=False, use_monitor=False)
@timed
async def watch_chargers(timer: func.TimerRequest) -> None:
    """Say how many chargers are online and charge, and which something is wrong with."""
    await services().streams.fault_watch.run()
