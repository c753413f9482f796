"""What a person is recognised by in the tables: opaque marks, so that one who was erased is known again without a name.

A mark is an HMAC under the identity key, as a token's id is. Which of a fact's texts count: `driver`, and what ZapCloud
calls the driver where we do not (`userName`, `tokenName`), are compared with the operator's own name for the person;
`userEmail` and `userId` with the person's address and ZapCloud id; `holder` is such a mark itself. A full name alone is
none: people share names. Nor is a card: it may have been another's before (`shared/privacy/person.py`).
"""

import hmac
from collections.abc import Mapping
from typing import Any

_KIND = {
    "driver": "driver",
    "userName": "driver",
    "tokenName": "driver",
    "userEmail": "email",
    "userId": "user",
}


def driver_id(identity_key: str, driver: str) -> str:
    """32 hex digits that name a driver without telling the name."""
    return _mark(identity_key, "driver", driver)


def email_mark(identity_key: str, email: str) -> str:
    return _mark(identity_key, "email", email.strip().lower())


def user_mark(identity_key: str, zaptec_user_id: str) -> str:
    return _mark(identity_key, "user", zaptec_user_id.lower())


def marks_in(identity_key: str, data: Mapping[str, Any]) -> dict[str, str]:
    """The marks of whoever a fact, a claim, a grant or an index entry names, each with the text it stands for; a card's
    former holder is told by a mark alone."""
    found = {}
    for name, kind in _KIND.items():
        if text := data.get(name):
            told = text.strip().lower() if kind == "email" else text.lower() if kind == "user" else text
            found[_mark(identity_key, kind, told)] = text
    if holder := data.get("holder"):
        found[holder] = ""
    return found


def _mark(identity_key: str, kind: str, text: str) -> str:
    return hmac.digest(identity_key.encode(), f"{kind}\0{text}".encode(), "sha256").hex()[:32]
