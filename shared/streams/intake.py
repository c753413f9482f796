"""What the Service Bus trigger calls: a batch of messages is understood, stored and acted on, or thrown back whole.

A message nobody can read never fails its batch: it goes to quarantine. Where storage is down the batch waits here, for
most of the time that its messages are locked: thrown back at once it would burn its ten deliveries within seconds.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared import telemetry
from shared.errors import LimitExceeded, StorageUnavailable
from shared.observations.folding import Fold, fold
from shared.observations.observation import Observation
from shared.observations.reading import Message, Unreadable, read
from shared.observations.store import ObservationStore
from shared.storage.quarantine import Quarantine
from shared.streams.progress import StreamProgress
from shared.streams.teaching import Teaching

KIND = "stream-message"
_SHARE_OF_LOCK = 0.7
_USUAL_LOCK, _LONGEST_LOCK = timedelta(seconds=30), timedelta(minutes=5)
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.25, 2.0
_AT_ONCE = 16


class StreamIntake:
    def __init__(
        self, store: ObservationStore, quarantine: Quarantine, teaching: Teaching, progress: StreamProgress
    ) -> None:
        self._store = store
        self._quarantine = quarantine
        self._teaching = teaching
        self._progress = progress

    async def take(
        self, stream: str, messages: Sequence[Message], locked_for: timedelta = _USUAL_LOCK, *, by_trigger: bool = True
    ) -> None:
        """All that the messages say is stored afterwards; taking them again changes nothing.

        Only what comes by the trigger counts as the stream's progress. Raises StorageUnavailable where storage stayed
        down for 70 % of the lock.
        """
        reading = read(messages)
        folded = fold(reading.observations)
        deadline = time.monotonic() + locked_for.total_seconds() * _SHARE_OF_LOCK
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                await self._set_aside(stream, reading.unreadable)
                await self.keep(folded)
                break
            except LimitExceeded as error:
                await self._isolate(stream, messages, locked_for, error)
                break
            except StorageUnavailable as error:
                telemetry.warning("stream.storage_down", stream=stream, messages=len(messages), reason=str(error))
                if time.monotonic() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        if by_trigger:
            await self._progress.note(stream, reading, len(messages))

    async def _isolate(
        self, stream: str, messages: Sequence[Message], locked_for: timedelta, error: LimitExceeded
    ) -> None:
        """A batch that cannot be stored as a whole is stored in halves, and a message that cannot be, set aside."""
        if len(messages) == 1:
            ((body, enqueued_at),) = messages
            await self._set_aside(stream, [Unreadable(body, enqueued_at, str(error))])
            return
        middle = len(messages) // 2
        for half in (messages[:middle], messages[middle:]):
            await self.take(stream, half, locked_for / 2, by_trigger=False)

    async def keep(self, folded: Fold) -> None:
        """Tell the session log what observations say, wherever they came from, and store them; raises
        StorageUnavailable, and LimitExceeded where one of them is more than storage takes.

        A stored state is the mark that all was told: so what fails on the way is told again with the repetition of its
        message, or with the next REST back-fill, which takes only what is newer than what is stored.
        """
        places = await self._store.places(folded)
        by_charger: dict[str, list[Observation]] = {}
        for observation in sorted(folded.telling, key=lambda one: one.at):
            by_charger.setdefault(observation.charger_id, []).append(observation)
        chargers = list(by_charger.items())
        for start in range(0, len(chargers), _AT_ONCE):
            some = chargers[start : start + _AT_ONCE]
            results = await asyncio.gather(
                *(self._tell(observations, places[charger_id]) for charger_id, observations in some),
                return_exceptions=True,
            )
            for failure in results:
                if failure:
                    raise failure
        await self._store.store(folded, places)

    async def keep_each(self, observations: Sequence[Observation]) -> None:
        """The same for observations of which none may stop the others: what storage does not take is an event."""
        try:
            await self.keep(fold(observations))
        except LimitExceeded as error:
            if len(observations) == 1:
                (one,) = observations
                telemetry.warning(
                    "stream.observation_refused", chargerId=one.charger_id, stateId=one.state_id, reason=str(error)
                )
                return
            middle = len(observations) // 2
            for half in (observations[:middle], observations[middle:]):
                await self.keep_each(half)

    async def _tell(self, observations: Sequence[Observation], installation_id: str) -> None:
        for observation in observations:
            await self._teaching.tell(observation, installation_id)

    async def _set_aside(self, stream: str, messages: list[Unreadable]) -> None:
        for start in range(0, len(messages), _AT_ONCE):
            some = messages[start : start + _AT_ONCE]
            kept = (self._quarantine.keep(KIND, one.reason, one.body, one.enqueued_at) for one in some)
            await asyncio.gather(*kept)
        if messages:
            telemetry.warning(
                "stream.messages_quarantined", stream=stream, messages=len(messages), reason=messages[0].reason
            )


def lock_left(locked_until: datetime | None, now: datetime) -> timedelta:
    """How long a message stays ours; the usual 30 s where nothing sensible is known."""
    left = locked_until - now if locked_until else timedelta(0)
    return left if timedelta(0) < left <= _LONGEST_LOCK else _USUAL_LOCK
