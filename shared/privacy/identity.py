"""What a person is recognised by in the tables: opaque marks, so that one who was erased is known again without a name.

A mark is an HMAC under the identity key, as a token's id is. Which of a fact's texts count: `driver`, and what ZapCloud
calls the driver where we do not (`userName`, `tokenName`), are compared with the operator's own name for the person;
`userEmail` and `userId` with the person's address and ZapCloud id; `tokenId` with the ids of the person's cards. A full
name alone is none: people share names.
"""

import hashlib
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
    """The marks that a fact, a claim, a grant or an index entry carries, each with the text it stands for.

    A token's id stands for itself, and counts only where no driver is named: a card may have been another's before. So
    does a card's former holder, who is told by a mark alone."""
    found = {}
    for name, kind in _KIND.items():
        if text := data.get(name):
            told = text.strip().lower() if kind == "email" else text.lower() if kind == "user" else text
            found[_mark(identity_key, kind, told)] = text
    if (token := data.get("tokenId")) and not data.get("driver"):
        found[token] = ""
    if holder := data.get("holder"):
        found[holder] = ""
    return found


def _mark(identity_key: str, kind: str, text: str) -> str:
    return hmac.new(identity_key.encode(), f"{kind}\0{text}".encode(), hashlib.sha256).hexdigest()[:32]
