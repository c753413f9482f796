"""The session log, into which no fact brings the name of a person back who was erased.

ZapCloud's lists are read again for weeks, a changed item of them is a new fact, and a charger may commit a session days
after its driver was erased. A fact counts as of before an erasure by the instant it tells of, not by when it was heard:
a person who registers again and charges is a driver like any other.
"""

from datetime import datetime, timedelta
from typing import Any

from shared.clock import Clock
from shared.privacy.identity import marks_in
from shared.privacy.person import Person, person_erased
from shared.privacy.redaction import redacted_fact
from shared.sessions.view import Event
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
        while True:
            head = await self.head(session_id)
            known_as = head.erased_as if head else None
            if known_as and fact.event == Event.AUTHORIZED:
                return False  # it was authorized before, and its claim lost the name
            pseudonym = known_as or self._pseudonym(fact, erasures)
            stated = redacted_fact(fact, pseudonym) if pseudonym else fact
            if head is None:
                if await self.add_first(session_id, stated, listed_at, pseudonym):
                    return True
            elif await self.add_beside(head, stated, pseudonym):
                return False

    def _pseudonym(self, fact: Fact, erasures: list[_Erased]) -> str | None:
        named, told = marks_in(self._identity_key, fact.data), told_of(fact)
        return next(
            (
                erasure.pseudonym
                for erasure, person in erasures
                if told < erasure.erased_at and (person.is_one_of(named) or person.had_card_in(fact.data))
            ),
            None,
        )


def told_of(fact: Fact) -> datetime:
    """The instant a fact tells of: when the session began, or when it was let in, or else when it was heard of."""
    data: dict[str, Any] = fact.data
    text = data.get("start") or data.get("at")
    return datetime.fromisoformat(text) if text else fact.at
