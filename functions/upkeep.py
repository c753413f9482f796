"""Timers that keep the message streams open, notice when they bring nothing, and look for locked-out drivers."""

from collections.abc import Awaitable

import azure.functions as func

from functions.services import services
from shared import telemetry
from shared.errors import ZapbridgeError

upkeep = func.Blueprint()


@upkeep.timer_trigger("timer", schedule="10 */5 * * * *", run_on_startup=False, use_monitor=False)
async def refresh_credentials(timer: func.TimerRequest) -> None:
    """Keep ZapCloud's tokens and the streams' connection details fresh; a change is followed to its end."""
    if refresher := services().streams.refresher:
        await _attempt("refresh_credentials", refresher.run())


@upkeep.timer_trigger("timer", schedule="50 * * * * *", run_on_startup=False, use_monitor=False)
async def watch_streams(timer: func.TimerRequest) -> None:
    """Notice streams that fell silent and rotations that do not end, and make up over REST for what was lost."""
    if refresher := services().streams.refresher:
        await _attempt("watch_rotations", refresher.watch())
    await _attempt("watch_streams", services().streams.watchdog.run())


@upkeep.timer_trigger("timer", schedule="40 * * * * *", run_on_startup=False, use_monitor=False)
async def watch_lockouts(timer: func.TimerRequest) -> None:
    """Notice chargers whose drivers nobody asks us about."""
    await _attempt("watch_lockouts", services().streams.lockout_watch.run())


@upkeep.timer_trigger("timer", schedule="0 41 4 * * *", run_on_startup=False, use_monitor=False)
async def refresh_constants(timer: func.TimerRequest) -> None:
    """Learn the names of observations that are newer than this version."""
    await _attempt("refresh_constants", services().streams.kinds.refresh())


async def _attempt(what: str, work: Awaitable[object]) -> None:
    """What fails now is done by the next run."""
    try:
        await work
    except ZapbridgeError as error:
        telemetry.warning("upkeep.failed", work=what, reason=str(error))
