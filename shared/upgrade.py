"""The way of the tables from an older schema version to the present one, in steps.

A step works through a table piece by piece; after each piece how far it came is stored, so that a killed one goes on
from there. Doing a piece twice, or on two instances at once, changes nothing. Whoever answers drivers never waits for
it: old rows remain readable, and the timers are what asks.
"""

from collections.abc import Awaitable, Callable, Mapping

from shared import telemetry
from shared.errors import ConfigurationError
from shared.storage.schema import SCHEMA_VERSION, Schema, Standing

Step = Callable[[str], Awaitable[str | None]]
"""Does the next piece after where it came to ("" at the beginning); returns where it came to, None at the end."""

_PIECES_A_RUN = 20


class Upgrade:
    """`steps` are those from each older version to the one after it."""

    def __init__(self, schema: Schema, steps: Mapping[int, Step]) -> None:
        self._schema = schema
        self._steps = steps
        self._fitting = False
        self._done = False

    async def require_fitting(self) -> None:
        """Raises ConfigurationError where a newer version of the app wrote the tables; asks storage until it is sure,
        which is once."""
        if not self._fitting:
            version = await self._schema.version()
            if version > SCHEMA_VERSION:
                told = f"the tables have schema version {version}, this app knows {SCHEMA_VERSION}"
                raise ConfigurationError(f"{told}; deploy the newer app again")
            self._fitting = True

    async def advance(self) -> None:
        """One run's share of what is left to do; nothing, and no request to storage, once all is done."""
        if self._done:
            return
        standing = await self._schema.standing()
        for _ in range(_PIECES_A_RUN):
            if standing.version >= SCHEMA_VERSION:
                self._done = True
                return
            reached = await self._steps[standing.version](standing.reached)
            if reached is None:
                standing = Standing(version=standing.version + 1)
                telemetry.event("schema.upgraded", version=standing.version)
            else:
                standing = Standing(version=standing.version, reached=reached)
            await self._schema.put(standing)
