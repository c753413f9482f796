"""REST back-fill: asks ZapCloud for chargers' states in turn, so that what a stream lost is made up for.

Some chargers each minute, all of them in time; more at once while a stream is silent. What comes back is folded like
messages are, so an old answer (ZapCloud may serve one 15 s old) never replaces what is newer. ZapCloud allows ten
requests a second and asks that states be polled sparingly (docs.zaptec.com, "API rate limiting", "API fair use").
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared import telemetry
from shared.clock import Clock
from shared.errors import ZapCloudError, ZapCloudUnavailable
from shared.observations.folding import METERED, TELLING
from shared.observations.observation import Observation, observation_from, text_of
from shared.observations.reading import read_states
from shared.storage.charger_states import ChargerStates, StateTexts
from shared.storage.chargers import Charger, Chargers
from shared.storage.streams import BackfillCursor, MissedMark, StreamRecords
from shared.streams.intake import StreamIntake

_BATCH = 25
_ROUND_EVERY = timedelta(minutes=10)
_SHOULD_HAVE_COME_AFTER = timedelta(minutes=2)


class ZapCloudStates(Protocol):
    async def states(self, charger_id: str) -> list[Any]: ...


class Backfill:
    def __init__(
        self,
        clock: Clock,
        zapcloud: ZapCloudStates,
        chargers: Chargers,
        states: ChargerStates,
        intake: StreamIntake,
        records: StreamRecords,
    ) -> None:
        self._clock = clock
        self._zapcloud = zapcloud
        self._chargers = chargers
        self._states = states
        self._intake = intake
        self._records = records

    async def run(self, most: int, *, urgent: bool = False) -> int:
        """Ask for up to `most` chargers, from where the last run stopped; returns how many were asked for.

        A round through all chargers begins at most every ten minutes, unless it is urgent. Raises StorageUnavailable;
        ZapCloud's failures end the run early and are an event.
        """
        cursor = await self._records.backfill_cursor()
        missed: Counter[str] = Counter()
        done = 0
        while done < most:
            batch = await self._chargers.page(cursor.charger_id, min(_BATCH, most - done))
            if not batch:
                now = self._clock()
                rested = cursor.round_began is None or now - cursor.round_began >= _ROUND_EVERY
                if not (cursor.charger_id and (rested or (urgent and not done))):
                    break
                cursor = BackfillCursor(charger_id="", round_began=now)
                continue
            answered = await self._fill(batch, missed)
            done += answered
            if answered:
                began = cursor.round_began or self._clock()
                cursor = BackfillCursor(charger_id=batch[answered - 1].id, round_began=began)
                await self._records.put_backfill_cursor(cursor)
            if answered < len(batch):
                break
        await self._tell(missed)
        return done

    async def _fill(self, chargers: Sequence[Charger], missed: Counter[str]) -> int:
        """Returns how many of them were asked for before ZapCloud had enough of it; counts in `missed`, by
        installation, what should have come by message."""
        observations: list[Observation] = []
        answered = 0
        for charger in chargers:
            now = self._clock()
            try:
                items = await self._zapcloud.states(charger.id)
            except ZapCloudUnavailable as error:
                telemetry.event("backfill.stopped", reason=str(error))
                break
            except ZapCloudError as error:
                telemetry.warning("backfill.refused", chargerId=charger.id, reason=str(error))
                answered += 1
                continue
            answered += 1
            known = await self._states.read(charger.installation_id, charger.id)
            for observation in read_states(items, charger.id, now):
                if is_news(observation, known):
                    observations.append(observation)
                    heard_of = known is not None and observation.state_id in known.texts
                    missed[charger.installation_id] += heard_of and should_have_come(observation, now)
        if observations:
            await self._intake.keep_each(observations)
        return answered

    async def _tell(self, missed: Counter[str]) -> None:
        for installation_id, count in missed.items():
            if count:
                telemetry.warning("stream.observations_missed", installationId=installation_id, observations=count)
                await self._records.put_missed(installation_id, MissedMark(at=self._clock(), observations=count))


def is_news(observation: Observation, known: StateTexts | None) -> bool:
    """Whether an observation read over REST is newer than what is stored.

    Where the charger's clock is ahead there is no telling when the observation was made, so only the charger's own
    instants are compared.
    """
    text = known.texts.get(observation.state_id) if known else None
    if text is None:
        return True
    if observation.clock_at is None:
        return text_of(observation) > text
    stored = observation_from(observation.charger_id, observation.state_id, text)
    return stored.clock_at is not None and observation.clock_at > stored.clock_at


def should_have_come(observation: Observation, now: datetime) -> bool:
    """Whether an observation is of the kind that streams always bring, and old enough to have come."""
    pushed = observation.state_id in METERED | TELLING
    return pushed and observation.clock_at is None and now - observation.at > _SHOULD_HAVE_COME_AFTER
