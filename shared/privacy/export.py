"""All that is held about a person, as one document; found in the same places as an erasure finds it."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any

from shared.clock import Clock
from shared.privacy.foreign import states_in
from shared.privacy.person import Person, person_of
from shared.privacy.places import FORMER, Held, Places
from shared.sessions.ledger import Ledger
from shared.sessions.view import SessionView
from shared.storage.drivers import Drivers
from shared.storage.quarantine import Quarantine
from shared.storage.tokens import Tokens

_BODY_PREFIX = "body-"
_AT_ONCE = 8


class PersonExport:
    def __init__(
        self,
        clock: Clock,
        identity_key: str,
        drivers: Drivers,
        tokens: Tokens,
        quarantine: Quarantine,
        ledger: Ledger,
        places: Places,
    ) -> None:
        self._clock = clock
        self._identity_key = identity_key
        self._drivers = drivers
        self._tokens = tokens
        self._quarantine = quarantine
        self._ledger = ledger
        self._places = places

    async def of(self, driver_id: str) -> dict[str, Any]:
        """Every table is read for it; empty lists where nothing is held. Raises StorageUnavailable."""
        driver = await self._drivers.get(driver_id)
        person = person_of(self._identity_key, driver_id, driver)
        held: dict[str, list[Held]] = {}
        for place in self._places.all:
            found = held.setdefault(place.name, [])
            async for rows in place.pages():
                telling = await self._places.telling(place, person, rows)
                person = await self._places.learnt(place, person, rows, telling)
                found += telling
        ids = [row.partition for row in held["Sessions"]] + [row.content["sessionId"] for row in held["SessionIndex"]]
        bodies = [row.key.removeprefix(_BODY_PREFIX) for row in held["Quarantine"] if row.key.startswith(_BODY_PREFIX)]
        return {
            "exportedAt": self._clock(),
            "driver": driver,
            "tokens": [token.token for row in held["Tokens"] if (token := await self._tokens.get(row.key))],
            "formerTokens": [row.key for row in held[FORMER]],
            "sessions": [view for view in await self._views(ids) if self._is_told_of(person, view)],
            "authorizations": _rows(held["Authorizations"], "chargerId"),
            "decisions": _rows(held["Decisions"], "installationId"),
            "chargerStates": await asyncio.to_thread(self._states, person, held["ChargerStates"]),
            "quarantine": [item for one in bodies if (item := await self._quarantine.item(one))],
        }

    def _states(self, person: Person, rows: Sequence[Held]) -> list[Mapping[str, Any]]:
        """Those of the chargers' states that tell of the person."""
        return [
            {
                "installationId": row.partition,
                "chargerId": row.key.split("|")[1],
                "stateId": state_id,
                "at": told.at,
                "value": told.text,
            }
            for row in rows
            for state_id, told in states_in(row.key, row.content).items()
            if person.is_mentioned_in(self._identity_key, told)
        ]

    async def _views(self, session_ids: Sequence[str]) -> list[SessionView]:
        """Each session once."""
        views: list[SessionView | None] = []
        for some in batched(dict.fromkeys(session_ids), _AT_ONCE, strict=False):
            views += await asyncio.gather(*map(self._ledger.view, some))
        return [view for view in views if view]

    def _is_told_of(self, person: Person, view: SessionView) -> bool:
        """Whether a session is the person's, or somebody names them in it."""
        return person.charged(self._identity_key, view) or any(
            person.is_named_in(self._identity_key, fact.data) for fact in view.timeline
        )


def _rows(rows: Sequence[Held], partition: str) -> list[Mapping[str, Any]]:
    return [{partition: row.partition, **row.content} for row in rows]
