"""Somebody who is looked for in the tables, and what becomes known of them on the way.

A card says whose a session is only where nothing names the driver, and only from the instant on from which the card is
the person's.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.privacy.foreign import Told
from shared.privacy.identity import driver_id, email_mark, marks_in, user_mark
from shared.privacy.mentions import marks_told, names_any
from shared.sessions.flags import Flag, flags_of
from shared.sessions.view import SessionView
from shared.storage.drivers import Driver, Erasure


class Person(msgspec.Struct, frozen=True):
    """`marks` are what the person is recognised by, the ids of cards among them; `texts` are names in plain, as far as
    they are known; `since` is from when on a card of `marks` is the person's, where it was another's before."""

    marks: frozenset[str]
    texts: frozenset[str] = frozenset()
    since: Mapping[str, datetime] = {}

    def is_one_of(self, marks: Iterable[str]) -> bool:
        return not self.marks.isdisjoint(marks)

    def is_named_in(self, identity_key: str, data: Mapping[str, Any]) -> bool:
        return self.is_one_of(marks_in(identity_key, data))

    def is_told_of_in(self, identity_key: str, data: Mapping[str, Any]) -> bool:
        """Whether a row or a fact, for itself, tells of the person: by naming them, or by their card alone."""
        return self.is_named_in(identity_key, data) or self.had_card_in(data)

    def had_card_in(self, data: Mapping[str, Any]) -> bool:
        return not data.get("driver") and self._had(data.get("tokenId"), told_at(data))

    def charged(self, identity_key: str, view: SessionView) -> bool:
        """Whether a session is the person's: as its driver, or by their card where nobody is known to have been let in,
        which says more than the user that ZapCloud names."""
        if self.is_named_in(identity_key, {"driver": view.driver}):
            return True
        began = None if Flag.TIMES_UNRELIABLE in view.flags else view.start
        return (view.driver is None or not view.start_known) and self._had(view.token_id, began)

    def is_mentioned_in(self, identity_key: str, told: Told) -> bool:
        """Where no instant is known, a card counts whoever had it then."""
        return names_any(told.text, self.texts) or any(
            told.at is None or self._had(mark, told.at) for mark in self.marks & marks_told(identity_key, told.text)
        )

    def knowing(
        self, *, marks: Iterable[str] = (), texts: Iterable[str] = (), since: Mapping[str, datetime] | None = None
    ) -> "Person":
        return Person(self.marks | set(marks), self.texts | set(texts), {**self.since, **(since or {})})

    def without(self, tokens: Collection[str]) -> "Person":
        """The same but for cards that are another's by now."""
        since = {token: instant for token, instant in self.since.items() if token not in tokens}
        return msgspec.structs.replace(self, marks=self.marks.difference(tokens), since=since)

    def _had(self, token_id: str | None, instant: datetime | None) -> bool:
        """None is an instant that nobody knows for sure."""
        if token_id is None or token_id not in self.marks:
            return False
        since = self.since.get(token_id)
        return since is None or (instant is not None and instant >= since)


def person_of(identity_key: str, identity: str, driver: Driver | None) -> Person:
    """Who a driver's id stands for; `driver` is what somebody entered of them, if anybody did."""
    person = Person(frozenset({identity}))
    if driver is None:
        return person
    marks = [driver_id(identity_key, driver.driver)]
    marks += [email_mark(identity_key, driver.email)] if driver.email else []
    marks += [user_mark(identity_key, driver.zaptec_user_id)] if driver.zaptec_user_id else []
    texts = (driver.driver, driver.name, driver.email, driver.phone, driver.zaptec_user_id)
    return person.knowing(marks=marks, texts=[text for text in texts if text])


def person_erased(erasure: Erasure) -> Person:
    """Who is erased, or was, as far as an erasure still knows them."""
    return Person(frozenset(erasure.marks), frozenset(erasure.texts), erasure.since)


def told_at(data: Mapping[str, Any]) -> datetime | None:
    """When what a fact or a row tells of began, or when a card was shown; None where nobody knows for sure."""
    if data.get("reliableClock") is False or Flag.TIMES_UNRELIABLE in flags_of(data.get("commitMetadata", 0)):
        return None
    told = data.get("start") or data.get("at") or data.get("lastSeen")
    return datetime.fromisoformat(told) if isinstance(told, str) else told
