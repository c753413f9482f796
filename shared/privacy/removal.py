"""What is done to the rows that tell of a person who is erased, table by table."""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from shared.errors import Conflict
from shared.privacy.foreign import property_of, states_in
from shared.privacy.person import person_erased
from shared.privacy.places import FORMER, Held
from shared.privacy.redaction import changed, erased_state
from shared.sessions.ledger import Ledger
from shared.storage.authorizations import Claim
from shared.storage.codec import from_properties, to_properties
from shared.storage.drivers import Erasure
from shared.storage.former import FormerHolders
from shared.storage.quarantine import Quarantine
from shared.storage.sessions import Sessions
from shared.storage.table import Change, Row, Table, Tables
from shared.storage.tokens import Tokens

_BODY_PREFIX = "body-"
_GRANT_PREFIX = "grant-"

type _Act = Callable[[Erasure, Sequence[Held]], Awaitable[Erasure]]


class Removal:
    """Each act takes rows of its table that tell of the person, and answers with the erasure, counting what it
    touched."""

    def __init__(
        self,
        identity_key: str,
        tables: Tables,
        sessions: Sessions,
        tokens: Tokens,
        quarantine: Quarantine,
        ledger: Ledger,
    ) -> None:
        self._identity_key = identity_key
        self._tables = tables
        self._holders = FormerHolders(tables)
        self._sessions = sessions
        self._tokens = tokens
        self._quarantine = quarantine
        self._ledger = ledger
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

    async def apply(self, place: str, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        return await self._acts[place](erasure, found)

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
                await _replace(table, stored, to_properties(nobodys))
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
        table = self._tables["ChargerStates"]
        for row in found:
            kind, charger_id, *rest = row.key.split("|")
            if kind == "x" and rest[1:] == ["value"]:
                for key in (f"c|{charger_id}", f"x|{charger_id}|{rest[0]}"):
                    await self._clear_where(row._replace(key=key), row.content["text"])
                await table.delete(row.partition, row.key)
            else:
                await self._clear_naming(row, erasure)
        return erasure

    async def _clear_where(self, row: Held, text: str) -> None:
        """Clear the states of this text."""
        table = self._tables["ChargerStates"]
        while stored := await table.get(row.partition, row.key):
            names = [name for name, value in stored.properties.items() if value == text]
            if not names or await _cleared(table, stored, names):
                return

    async def _clear_naming(self, row: Held, erasure: Erasure) -> None:
        table, person = self._tables["ChargerStates"], person_erased(erasure)
        while stored := await table.get(row.partition, row.key):
            states = states_in(stored.key, stored.properties).items()
            naming = [property_of(one) for one, told in states if person.is_mentioned_in(self._identity_key, told)]
            if not naming or await _cleared(table, stored, naming):
                return

    async def _empty_bodies(self, erasure: Erasure, found: Sequence[Held]) -> Erasure:
        for row in found:
            if row.key.startswith(_BODY_PREFIX) and (
                item := await self._quarantine.item(row.key.removeprefix(_BODY_PREFIX))
            ):
                with contextlib.suppress(Conflict):  # somebody looked at it and took it out
                    await self._quarantine.empty(item)
        return erasure


async def _cleared(table: Table, row: Row, names: Collection[str]) -> bool:
    """Clear states of a charger, while others write to the row; False where it changed since it was read."""
    cleared = {name: erased_state(row.properties[name]) for name in names}
    return await _replace(table, row, {**row.properties, **cleared})


async def _replace(table: Table, row: Row, properties: dict[str, object]) -> bool:
    """False where the row changed since it was read."""
    try:
        await table.transact([Change("replace", row.partition, row.key, properties, row.etag)])
    except Conflict:
        return False
    return True
