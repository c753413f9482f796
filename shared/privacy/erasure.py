"""Erases a person from all tables and keeps the energy; may be killed at any point, and is done again from there.

The work list is a row: whom to look for, in which table and how far it came. A round goes over every table. An instance
that read the erasures before this one began may store a name for a while longer; so a round that began within a minute
counts as a first one, and a second one is made after that minute.
"""

import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import msgspec

from shared import telemetry
from shared.clock import Clock
from shared.errors import Conflict, ZapbridgeError
from shared.privacy.identity import driver_id as identity_of
from shared.privacy.lasting import KNOWN_FOR
from shared.privacy.person import Person, person_erased, person_of
from shared.privacy.places import FORMER, Held, Place, Places
from shared.privacy.redaction import changed, erased_state
from shared.sessions.ledger import Ledger
from shared.storage.authorizations import Claim
from shared.storage.codec import from_properties, to_properties
from shared.storage.drivers import Drivers, Erasure, StoredErasure
from shared.storage.former import FormerHolders
from shared.storage.quarantine import Quarantine
from shared.storage.sessions import Sessions
from shared.storage.table import Change, Table, Tables
from shared.storage.tokens import Tokens

_SURELY_KNOWN = 2 * KNOWN_FOR
"""After which every instance knows of an erasure."""
_ANSWERED_AGAIN = timedelta(hours=1)
"""For so long after an erasure is done, asking again is answered by it."""
_A_REQUEST = timedelta(seconds=20)
_A_RUN = timedelta(minutes=4)
"""Of all erasures together; retention comes after them and has as much."""
_BODY_PREFIX = "body-"
_GRANT_PREFIX = "grant-"

type _Act = Callable[[Erasure, Sequence[Held]], Awaitable[Erasure]]


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
        self._tables = tables
        self._holders = FormerHolders(tables)
        self._drivers = drivers
        self._sessions = sessions
        self._tokens = tokens
        self._quarantine = quarantine
        self._ledger = ledger
        self._places = places
        self._monotonic = monotonic
        self._acts: dict[str, _Act] = {
            "Tokens": self._forget_tokens,
            FORMER: self._forget_holders,
            "Authorizations": self._redact_claims,
            "Sessions": self._redact_sessions,
            "SessionIndex": self._redact_listed,
            "Decisions": self._forget_decisions,
            "ChargerStates": self._clear_states,
            "Quarantine": self._empty_bodies,
        }

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
            if self._places.telling(tokens, person_erased(erasure), rows):
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
        found = self._places.telling(place, person, rows)
        knowing = _knowing(erasure, await self._places.learnt(place, person, rows, found))
        if knowing != erasure:  # written down before the rows that taught it are gone
            kept = await self._drivers.set_erasure(knowing, stored.etag)
            if kept is None:
                return None
            stored = kept
        acted = await self._acts[place.name](knowing, found)
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
            done = msgspec.structs.replace(erasure, done_at=now, texts=(), cards=())
            telemetry.event("driver.erased", driverId=done.id, sessions=done.sessions, tokens=done.tokens)
            return await self._drivers.set_erasure(done, stored.etag)
        if now - erasure.erased_at < _SURELY_KNOWN:
            return None
        again = msgspec.structs.replace(erasure, begun_at=now, stage=self._places.all[0].name)
        return await self._drivers.set_erasure(again, stored.etag)

    async def _forget_tokens(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        for row in found:
            await self._tokens.delete(row.key)
        return msgspec.structs.replace(erasure, tokens=erasure.tokens + len(found))

    async def _forget_holders(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        """A card that was the person's goes on being no other's from the beginning."""
        for row in found:
            await self._holders.forget(row.key)
        return erasure

    async def _redact_claims(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        """A claim stays, since it says which session runs; its session is written down before it loses the name, which
        may make it the pseudonym's at once."""
        table, person, passed = self._tables["Authorizations"], person_erased(erasure), 0
        for row in found:
            if row.key.startswith(_GRANT_PREFIX):
                await table.delete(row.partition, row.key)
                continue
            while stored := await table.get(row.partition, row.key):
                claim = from_properties(Claim, stored.properties)
                if claim.driver == erasure.pseudonym or not person.is_told_of_in(self._identity_key, stored.properties):
                    break
                was_passed = await self._is_passed(claim.session_id, erasure)
                await self._ledger.authorized(claim)
                passed += not was_passed and await self._is_passed(claim.session_id, erasure)
                key = "token:erased" if claim.request_key.startswith("token:") else claim.request_key
                nobodys = msgspec.structs.replace(claim, driver=erasure.pseudonym, token_id=None, request_key=key)
                await _replace(table, row, to_properties(nobodys), stored.etag)
        return msgspec.structs.replace(erasure, sessions=erasure.sessions + passed)

    async def _is_passed(self, session_id: str, erasure: Erasure) -> bool:
        head = await self._sessions.head(session_id)
        return head is not None and head.erased_as == erasure.pseudonym

    async def _redact_sessions(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        return await self._redact(erasure, [row.partition for row in found])

    async def _redact_listed(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        """Sessions that have the driver from one they stand for are found here only."""
        return await self._redact(erasure, [row.content["sessionId"] for row in found])

    async def _redact(self, erasure: Erasure, session_ids: Sequence[str]) -> Erasure:
        new = 0
        for session_id in dict.fromkeys(session_ids):
            new += await self._redact_session(session_id, erasure)
        return msgspec.structs.replace(erasure, sessions=erasure.sessions + new)

    async def _redact_session(self, session_id: str, erasure: Erasure) -> bool:
        """True if it was the person's. What comes later to a session of theirs tells nothing of anybody; in another's
        session, only what named the person is redacted."""
        person = person_erased(erasure)
        while (record := await self._sessions.read(session_id)).head:
            view = await self._ledger.view(session_id)
            marked = record.head.erased_as == erasure.pseudonym
            theirs = marked or (view is not None and person.charged(self._identity_key, view))
            naming = [fact for fact in record.facts if theirs or person.is_named_in(self._identity_key, fact.data)]
            as_whom = erasure.pseudonym if theirs else None
            if await self._sessions.restate(record.head, changed(naming, erasure.pseudonym), as_whom):
                await self._ledger.project(session_id)
                return theirs and not marked
        return False

    async def _forget_decisions(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        for row in found:
            await self._tables["Decisions"].delete(row.partition, row.key)
        return erasure

    async def _clear_states(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        """What a charger observed of the person or a card; a long value has a row of its own beside its text."""
        table, person = self._tables["ChargerStates"], person_erased(erasure)
        for row in found:
            kind, charger_id, *rest = row.key.split("|")
            if kind == "x" and rest[1:] == ["value"]:
                long_text = str(row.content["text"])
                for key in (f"c|{charger_id}", f"x|{charger_id}|{rest[0]}"):
                    await _clear(table, row._replace(key=key), long_text.__eq__)
                await table.delete(row.partition, row.key)
            else:
                await _clear(table, row, person.is_mentioned_in)
        return erasure

    async def _empty_bodies(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        for row in found:
            if row.key.startswith(_BODY_PREFIX) and (
                item := await self._quarantine.item(row.key.removeprefix(_BODY_PREFIX))
            ):
                with contextlib.suppress(Conflict):  # somebody looked at it and took it out
                    await self._quarantine.empty(item)
        return erasure


async def _clear(table: Table, row: Held, is_it: Callable[[str], bool]) -> None:
    """Clear the states of a row whose texts `is_it` picks, while others write to it."""
    while stored := await table.get(row.partition, row.key):
        cleared = {
            name: erased_state(value)
            for name, value in stored.properties.items()
            if name.startswith("o") and isinstance(value, str) and is_it(value)
        }
        if not cleared or await _replace(table, row, {**stored.properties, **cleared}, stored.etag):
            return


async def _replace(table: Table, row: Held, properties: dict[str, object], etag: str) -> bool:
    """False where the row changed since it was read."""
    try:
        await table.transact([Change("replace", row.partition, row.key, properties, etag)])
    except Conflict:
        return False
    return True


def _knowing(erasure: Erasure, person: Person) -> Erasure:
    return msgspec.structs.replace(
        erasure,
        marks=tuple(sorted(person.marks)),
        texts=tuple(sorted(person.texts)),
        cards=tuple(sorted(person.cards)),
        since=dict(person.since),
    )
