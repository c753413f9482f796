"""Erases a person from all tables and keeps the energy; may be killed at any point, and is done again from there.

The work list is a row: whom to look for, in which table and how far it came. A round goes over every table. An instance
that read the erasures before this one began may store a name for a while longer; so a round that began within a minute
counts as a first one, and a second one is made after that minute.
"""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import Conflict, ZapbridgeError
from shared.privacy.identity import driver_id as identity_of
from shared.privacy.lasting import KNOWN_FOR
from shared.privacy.person import Person, person_erased, person_of
from shared.privacy.places import Place, Places
from shared.privacy.removal import Removal
from shared.sessions.ledger import Ledger
from shared.storage.drivers import Drivers, Erasure, StoredErasure
from shared.storage.quarantine import Quarantine
from shared.storage.sessions import Sessions
from shared.storage.table import Tables
from shared.storage.tokens import Tokens

_SURELY_KNOWN = 2 * KNOWN_FOR
"""After which every instance knows of an erasure."""
_ANSWERED_AGAIN = timedelta(hours=1)
"""For so long after an erasure is done, asking again is answered by it."""
_A_REQUEST = timedelta(seconds=20)
_A_RUN = timedelta(minutes=4)
"""Of all erasures together; retention comes after them and has as much."""


class Erasures:
    """`monotonic` tells seconds, by which a request and a run end in time."""

    def __init__(
        self,
        clock: Clock,
        identity_key: str,
        tables: Tables,
        drivers: Drivers,
        sessions: Sessions,
        tokens: Tokens,
        quarantine: Quarantine,
        ledger: Ledger,
        places: Places,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._identity_key = identity_key
        self._drivers = drivers
        self._places = places
        self._monotonic = monotonic
        self._removal = Removal(identity_key, tables, sessions, tokens, quarantine, ledger)

    async def erase(self, driver_id: str) -> Erasure:
        """Begin to erase a person, or go on with it, for as long as a request may take; `done_at` says whether it is
        done. Within an hour of that the erasure is answered as it was, unless the person was entered or got a token
        since; otherwise they are looked for anew, and what is found is erased likewise, under the same pseudonym.
        """
        stored = await self._drivers.erasure(driver_id)
        if stored and await self._still_stands(stored.erasure):
            return stored.erasure
        if stored is None or stored.erasure.done_at is not None:
            stored = await self._begin(driver_id, stored)
        return await self._advance(stored, self._monotonic() + _A_REQUEST.total_seconds())

    async def run(self) -> None:
        """Go on with every erasure that is not done, for as long as a run may take; one that fails is an event, and
        keeps no other waiting."""
        until = self._monotonic() + _A_RUN.total_seconds()
        for erasure in await self._drivers.erasures():
            if erasure.done_at is not None:
                continue
            if self._monotonic() >= until:
                break
            try:
                if stored := await self._drivers.erasure(erasure.id):
                    await self._advance(stored, until)
            except ZapbridgeError as error:
                telemetry.warning("driver.erasure_failed", driverId=erasure.id, reason=str(error))

    async def _still_stands(self, erasure: Erasure) -> bool:
        if erasure.done_at is None or self._clock() - erasure.done_at >= _ANSWERED_AGAIN:
            return False
        return await self._drivers.get(erasure.id) is None and not await self._has_token(erasure)

    async def _has_token(self, erasure: Erasure) -> bool:
        tokens = next(one for one in self._places.all if one.name == "Tokens")
        async for rows in tokens.pages():
            if await self._places.telling(tokens, person_erased(erasure), rows):
                return True
        return False

    async def _begin(self, driver_id: str, before: StoredErasure | None) -> StoredErasure:
        now = self._clock()
        person = person_of(self._identity_key, driver_id, await self._drivers.get(driver_id))
        pseudonym = before.erasure.pseudonym if before else f"erased-{secrets.token_hex(4)}"
        marks = (
            person.marks | {identity_of(self._identity_key, pseudonym)} | set(before.erasure.marks if before else ())
        )
        erasure = Erasure(
            id=driver_id,
            pseudonym=pseudonym,
            erased_at=now,
            begun_at=now,
            marks=tuple(sorted(marks)),
            texts=tuple(sorted(person.texts)),
            since=before.erasure.since if before else {},
            stage=self._places.all[0].name,
        )
        stored = await self._drivers.set_erasure(erasure, before.etag if before else None)
        if stored is None:
            raise Conflict("the driver is being erased by somebody else right now; ask again")
        telemetry.event("driver.erasure_begun", driverId=driver_id)
        return stored

    async def _advance(self, stored: StoredErasure, until: float) -> Erasure:
        """Piece by piece until then; another instance that is at it too makes this one leave off."""
        await self._drivers.delete(stored.erasure.id)
        while self._monotonic() < until and (following := await self._piece(stored)):
            stored = following
        return stored.erasure

    async def _piece(self, stored: StoredErasure) -> StoredErasure | None:
        erasure = stored.erasure
        place = next((one for one in self._places.all if one.name == erasure.stage), None)
        if place is None:
            return await self._round_ended(stored)
        rows = await place.page(erasure.reached)
        person = person_erased(erasure)
        found = await self._places.telling(place, person, rows)
        knowing = _knowing(erasure, await self._places.learnt(place, person, rows, found))
        if knowing != erasure:  # written down before the rows that taught it are gone
            kept = await self._drivers.set_erasure(knowing, stored.etag)
            if kept is None:
                return None
            stored = kept
        acted = await self._removal.apply(place.name, knowing, found)
        if len(rows) < place.size:
            later = msgspec.structs.replace(acted, stage=self._after(place), reached=None)
        else:
            later = msgspec.structs.replace(acted, reached=(rows[-1].partition, rows[-1].key))
        return await self._drivers.set_erasure(later, stored.etag)

    def _after(self, place: Place) -> str:
        names = [one.name for one in self._places.all]
        return "" if place.name == names[-1] else names[names.index(place.name) + 1]

    async def _round_ended(self, stored: StoredErasure) -> StoredErasure | None:
        """Done, or once more over all tables as soon as every instance knows."""
        erasure, now = stored.erasure, self._clock()
        if erasure.done_at is not None:
            return None
        if erasure.begun_at - erasure.erased_at >= _SURELY_KNOWN:
            done = msgspec.structs.replace(erasure, done_at=now, texts=())
            telemetry.event("driver.erased", driverId=done.id, sessions=done.sessions, tokens=done.tokens)
            return await self._drivers.set_erasure(done, stored.etag)
        if now - erasure.erased_at < _SURELY_KNOWN:
            return None
        again = msgspec.structs.replace(erasure, begun_at=now, stage=self._places.all[0].name)
        return await self._drivers.set_erasure(again, stored.etag)


def _knowing(erasure: Erasure, person: Person) -> Erasure:
    return msgspec.structs.replace(
        erasure,
        marks=tuple(sorted(person.marks)),
        texts=tuple(sorted(person.texts)),
        since=dict(person.since),
    )
