"""Takes a person out of what was stated, and leaves the energy; pure functions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from shared.billing.ocmf import read_document
from shared.errors import InvalidInput
from shared.storage.sessions import Fact

_NAMING = ("driver", "tokenId", "userName", "userEmail", "userId", "tokenName")
_DOCUMENT = "signedSession"
_HEAD = re.compile(r"[^ ^]*")
_ERASED_VALUE = "^~erased"


def redacted(data: Mapping[str, Any], pseudonym: str) -> dict[str, Any]:
    """A fact's data, with `pseudonym` in the place of whoever it named. A signed document that identifies anybody is
    left out, since it cannot be altered without breaking its signature; its figures stay."""
    kept = {name: value for name, value in data.items() if name not in _NAMING}
    if any(name in data for name in _NAMING):
        kept["driver"] = pseudonym
    if identifies(kept.get(_DOCUMENT)):
        del kept[_DOCUMENT]
    return kept


def redacted_fact(fact: Fact, pseudonym: str) -> Fact:
    """The fact in its old place, so that the same one stated again is the same row."""
    return Fact(
        at=fact.at, source=fact.source, event=fact.event, data=redacted(fact.data, pseudonym), stored_as=fact.key
    )


def changed(facts: Iterable[Fact], pseudonym: str) -> list[Fact]:
    """Those of the facts that told of somebody, redacted."""
    pairs = [(fact, redacted_fact(fact, pseudonym)) for fact in facts]
    return [nobodys for fact, nobodys in pairs if nobodys.data != fact.data]


def identifies(document: str | None) -> bool:
    """Whether a signed document says who charged, or cannot be read, and then might."""
    if not document:
        return False
    try:
        return read_document(document).identification is not None
    except InvalidInput:
        return True


def erased_state(text: str) -> str:
    """A charger's state without its value. It is greater than any text of the same instant, so that the same
    observation, read again from ZapCloud, does not bring the value back; and it reads as a value that was cleared."""
    head = _HEAD.match(text)
    return (head.group() if head else "") + _ERASED_VALUE
