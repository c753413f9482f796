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
        self._done = False

    async def restoring(self) -> str | None:
        """The backup that is being restored into the tables, None where none is. Raises ConfigurationError where a
        newer version of the app wrote them. Asks storage each time: a restore begins, and changes the version, while
        the app runs."""
        standing, mark = await self._schema.standing_and_restore()
        if standing.version > SCHEMA_VERSION:
            told = f"the tables have schema version {standing.version}, this app knows {SCHEMA_VERSION}"
            raise ConfigurationError(f"{told}; deploy the newer app again")
        self._done = standing.version == SCHEMA_VERSION
        return mark.backup if mark else None

    async def advance(self) -> None:
        """One run's share of what is left to do; nothing, and no request to storage, where `restoring` saw that all is
        done."""
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
