"""The timer that sees erasures through and lets go of what is older than it is kept."""

import azure.functions as func

from functions.services import services
from functions.timed import timed

retention = func.Blueprint()


@retention.timer_trigger("timer", schedule="15 7/10 * * * *", run_on_startup=False, use_monitor=False)
@timed
async def retain(timer: func.TimerRequest) -> None:
    """Go on with erasures, and whatever becomes of them, once a day with what has been kept for long enough."""
    try:
        await services().erasures.run()
    finally:
        await services().retention.run()
