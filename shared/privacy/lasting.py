"""The session log, into which no fact brings the name of a person back who was erased.

ZapCloud's lists are read again for weeks, a changed item of them is a new fact, and a charger may commit a session days
after its driver was erased. A fact counts as of before an erasure by the instant it tells of, not by when it was heard:
a person who registers again and charges is a driver like any other. A session that stands for one from which somebody
was erased is theirs as well, whichever is heard of first.
"""

from datetime import datetime, timedelta
from typing import Any

from shared.clock import Clock
from shared.privacy.identity import marks_in
from shared.privacy.person import Person, person_erased
from shared.privacy.redaction import changed, redacted_fact
from shared.sessions.view import STARTS, Event
from shared.storage.cache import Cache
from shared.storage.drivers import Drivers, Erasure
from shared.storage.sessions import Fact, Sessions
from shared.storage.table import Tables

KNOWN_FOR = timedelta(seconds=30)
"""How long an instance may not have heard of an erasure yet."""
_ALL = "all"

type _Erased = tuple[Erasure, Person]


class LastingErasure(Sessions):
    """`anonymised` where sessions lose their drivers with time, too."""

    def __init__(
        self, clock: Clock, identity_key: str, tables: Tables, drivers: Drivers, *, anonymised: bool = False
    ) -> None:
        super().__init__(tables)
        self._clock = clock
        self._identity_key = identity_key
        self._anonymised = anonymised

        async def load(_: str) -> list[_Erased]:
            return [(erasure, person_erased(erasure)) for erasure in await drivers.erasures()]

        self._erasures: Cache[str, list[_Erased]] = Cache(clock, KNOWN_FOR, load)

    async def add(self, session_id: str, fact: Fact, listed_at: datetime) -> bool:
        """As `Sessions.add`. A fact from which nobody was erased is only stored while nobody was erased from the
        session, and a session from which somebody is being erased is read again where a fact came meanwhile.

        Whoever is let in now waits for no look at the erasures: the round that follows when all instances know of one
        finds the fact.
        """
        if fact.event == Event.AUTHORIZED and self._clock() - fact.at < KNOWN_FOR:
            return await super().add(session_id, fact, listed_at)
        erasures = await self._erasures.get(_ALL)
        if not erasures and not self._anonymised:
            return await super().add(session_id, fact, listed_at)
        if pseudonym := await self._inherited(fact):
            if await self.add_first(session_id, fact, listed_at, pseudonym):
                return True
            await self._pass_on(session_id, pseudonym)
        is_new = await self._add(session_id, fact, listed_at, erasures)
        if (other := fact.data.get("replacedBy")) and (head := await self.head(session_id)) and head.erased_as:
            await self._pass_on(other, head.erased_as)
        return is_new

    async def _add(self, session_id: str, fact: Fact, listed_at: datetime, erasures: list[_Erased]) -> bool:
        while True:
            head = await self.head(session_id)
            known_as = head.erased_as if head else None
            if known_as and fact.event == Event.AUTHORIZED:
                return False  # it was authorized before, and its claim lost the name
            whom = None if known_as else self._told_of(fact, erasures)
            pseudonym = whom[0].pseudonym if whom else known_as
            stated = redacted_fact(fact, pseudonym) if pseudonym else fact
            if head is None:
                if await self.add_first(session_id, stated, listed_at, pseudonym):
                    return True
                continue
            if whom and await self._is_anothers(session_id, whom[1]):
                pseudonym = None
            if await self.add_beside(head, stated, pseudonym):
                return False

    def _told_of(self, fact: Fact, erasures: list[_Erased]) -> _Erased | None:
        named, told = marks_in(self._identity_key, fact.data), told_of(fact)
        return next(
            (
                (erasure, person)
                for erasure, person in erasures
                if told < erasure.erased_at and (person.is_one_of(named) or person.had_card_in(fact.data))
            ),
            None,
        )

    async def _is_anothers(self, session_id: str, person: Person) -> bool:
        """Whether somebody else was let in, and what tells of the person is redacted by itself."""
        starts = [fact.data for fact in (await self.read(session_id)).facts if fact.event in STARTS]
        return any(data.get("driver") and not person.is_named_in(self._identity_key, data) for data in starts)

    async def _inherited(self, fact: Fact) -> str | None:
        """The pseudonym of whoever was erased from the session that a session is now said to stand for."""
        stood_for = await self.head(fact.data["session"]) if fact.event == Event.REPLACES else None
        return stood_for.erased_as if stood_for else None

    async def _pass_on(self, session_id: str, pseudonym: str) -> None:
        """Let a session, and those that stand for it, belong to whom the one that it stands for does, unless we know
        who was let in to it itself."""
        while (record := await self.read(session_id)).head and record.head.erased_as is None:
            if any(fact.event in STARTS for fact in record.facts):
                return
            if await self.restate(record.head, changed(record.facts, pseudonym), pseudonym):
                for other in {fact.data["replacedBy"] for fact in record.facts if fact.data.get("replacedBy")}:
                    await self._pass_on(other, pseudonym)
                return


def told_of(fact: Fact) -> datetime:
    """The instant a fact tells of: when the session began, or when it was let in, or else when it was heard of."""
    data: dict[str, Any] = fact.data
    text = data.get("start") or data.get("at")
    return datetime.fromisoformat(text) if text else fact.at
