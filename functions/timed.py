"""What every timer does when its work fails, or may not be done now: say so, and leave it to the next run."""

import functools
from collections.abc import Awaitable, Callable

import azure.functions as func

from functions.services import services
from shared import telemetry
from shared.errors import ConfigurationError, ZapbridgeError

Timed = Callable[[func.TimerRequest], Awaitable[None]]


def timed(handler: Timed) -> Timed:
    """A timer's handler; an app that is not set up yet has nothing to do, and one older than its tables must not.

    All rest while a backup is restored into the tables: what is not there yet would be taken for gone, and what is
    added or deleted meanwhile for a difference from the backup.
    """

    @functools.wraps(handler)
    async def guarded(timer: func.TimerRequest) -> None:
        try:
            if backup := await services().upgrade.restoring():
                telemetry.warning("upkeep.resting", work=handler.__name__, backup=backup)
            else:
                await handler(timer)
        except ConfigurationError as error:
            telemetry.warning("app.not_configured", reason=str(error))
        except ZapbridgeError as error:
            telemetry.warning("upkeep.failed", work=handler.__name__, reason=str(error))

    return guarded
