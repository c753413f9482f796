"""Somebody who is looked for in the tables, and what becomes known of them on the way."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shared.privacy.identity import driver_id, email_mark, marks_in, user_mark
from shared.privacy.redaction import mentions
from shared.storage.drivers import Driver


class Person(msgspec.Struct, frozen=True):
    """`marks` are what the person is recognised by; `texts` and `cards` are names and card numbers in plain, as far as
    they are known."""

    marks: frozenset[str]
    texts: frozenset[str] = frozenset()
    cards: frozenset[str] = frozenset()

    def is_named_in(self, identity_key: str, data: Mapping[str, Any]) -> bool:
        return not self.marks.isdisjoint(marks_in(identity_key, data))

    def is_mentioned_in(self, text: str) -> bool:
        return mentions(text, self.texts, self.cards)

    def knowing(self, *, marks: Iterable[str] = (), texts: Iterable[str] = (), cards: Iterable[str] = ()) -> "Person":
        return Person(self.marks | set(marks), self.texts | set(texts), self.cards | set(cards))


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
