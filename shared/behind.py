"""Work done behind an answer: nobody waits for it; if the process dies first, something else makes up for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from shared import telemetry
from shared.errors import ZapbridgeError


class Behind:
    """Keeps its tasks until they are done; `settled` waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start `work` now; if it fails, that is one event with its name."""
        task = asyncio.get_running_loop().create_task(_watched(name, work), name=f"behind {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks)
            # of tasks that are done already gather waits for nothing, not even for their callbacks
            self._tasks.difference_update([task for task in self._tasks if task.done()])


async def _watched(name: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ZapbridgeError as error:
        telemetry.warning("behind.failed", work=name, reason=str(error))
