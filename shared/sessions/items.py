"""Items of ZapCloud's lists of finished sessions, read one by one; what cannot be understood is kept in quarantine.

An item that is listed again the next day is the same one in quarantine, since its body is its JSON with sorted keys.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any, Final

from shared import telemetry
from shared.clock import Clock
from shared.errors import Conflict, InvalidInput
from shared.sessions.past import PastSessions
from shared.sessions.view import Source
from shared.storage.installations import Installations
from shared.storage.quarantine import Quarantine
from shared.zapcloud.history import PastSession, read_archived, read_history
from shared.zapcloud.hooks import json_object

READERS: Final = {str(Source.CHARGE_HISTORY): read_history, str(Source.ARCHIVED_SESSIONS): read_archived}
"""By the kind an item has in quarantine, which is the list it stood in."""
_AT_ONCE = 8


class ListedItems:
    def __init__(self, clock: Clock, quarantine: Quarantine, installations: Installations, past: PastSessions) -> None:
        self._clock = clock
        self._quarantine = quarantine
        self._installations = installations
        self._past = past

    async def read(self, installation_id: str, items: Sequence[Mapping[str, Any]], source: Source) -> list[PastSession]:
        """The sessions of a page, its items' keys in small letters, without those that cannot be understood. Raises
        StorageUnavailable where one of them cannot be kept."""
        sessions: list[PastSession] = []
        refused: list[tuple[Mapping[str, Any], str]] = []
        for item in items:
            try:
                sessions.append(READERS[source](item))
            except InvalidInput as error:
                refused.append((item, _reason(error)))
        for some in batched(refused, _AT_ONCE, strict=False):
            await asyncio.gather(*(self._keep(installation_id, item, source, reason) for item, reason in some))
        return sessions

    async def replay(self, kind: str, installations: Sequence[str], body: bytes) -> None:
        """An item that was quarantined, tried again; raises InvalidInput where it still cannot be understood,
        LimitExceeded where it cannot be stored, and Conflict where its installation is not ours any more."""
        session = READERS[kind](json_object(body))
        installation = await self._installations.get(installations[0])
        if installation is None:
            raise Conflict("its installation is not registered any more")
        await self._past.take_one(installation, session, Source(kind))

    async def _keep(self, installation_id: str, item: Mapping[str, Any], source: Source, reason: str) -> None:
        body = json.dumps(item, sort_keys=True).encode()
        identity = await self._quarantine.keep(source, reason, body, self._clock(), (installation_id,))
        telemetry.warning(
            "sessions.history_unreadable",
            installationId=installation_id,
            sessionId=str(item.get("id"))[:36],
            reason=reason,
            quarantineId=identity,
        )


def _reason(error: InvalidInput) -> str:
    return "; ".join(f"{field} {fault}" for field, fault in error.fields.items())
