"""Tries again what is in quarantine, with the code of today: after a fix, nothing that ever came in is lost."""

import contextlib

from shared import telemetry
from shared.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from shared.observations.folding import fold
from shared.observations.reading import read
from shared.security.principal import Principal
from shared.sessions.end import EndHook
from shared.sessions.items import READERS, ListedItems
from shared.storage.quarantine import Quarantine
from shared.streams.intake import KIND as STREAM_MESSAGE
from shared.streams.intake import StreamIntake


class Replay:
    def __init__(self, quarantine: Quarantine, intake: StreamIntake, end_hook: EndHook, items: ListedItems) -> None:
        self._quarantine = quarantine
        self._intake = intake
        self._end_hook = end_hook
        self._items = items

    async def run(self, identity: str) -> None:
        """Do what the item asks for, then take it out of quarantine.

        Raises NotFound, Conflict where it is still not understood or cannot be made up for, StorageUnavailable.
        """
        item, body = await self._quarantine.item(identity), await self._quarantine.body(identity)
        if item is None or body is None:
            raise NotFound("nothing of that id is in quarantine")
        if len(body) < item.size_bytes:
            raise Conflict(
                "only the beginning of this body was kept, or nothing since it told of somebody who was erased, so it "
                "cannot be replayed"
            )
        if item.kind == STREAM_MESSAGE:
            reading = read([(body, item.at)])
            if reading.unreadable:
                raise Conflict(f"it is still not understood: {reading.unreadable[0].reason}")
            try:
                await self._intake.keep(fold(reading.observations))
            except LimitExceeded as error:
                raise Conflict(f"it is understood, but cannot be stored: {error}") from error
        elif item.kind == "session-end":
            try:
                await self._end_hook.replay(Principal("replay", item.installations), body)
            except InvalidInput as error:
                raise Conflict(f"it is still not understood: {error.fields or error}") from error
        elif item.kind in READERS:
            try:
                await self._items.replay(item.kind, item.installations, body)
            except InvalidInput as error:
                raise Conflict(f"it is still not understood: {error.fields or error}") from error
            except LimitExceeded as error:
                raise Conflict(f"it is understood, but cannot be stored: {error}") from error
        else:
            raise Conflict("a session start cannot be replayed: its driver was answered when it came")
        with contextlib.suppress(Conflict):  # somebody replayed it at the same time, which does no harm
            await self._quarantine.remove(item)
        telemetry.event("quarantine.replayed", quarantineId=identity, kind=item.kind)
