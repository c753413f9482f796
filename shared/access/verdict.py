"""The verdict: may this token charge here and now? Pure, and the same whether it is enforced or only observed."""

from datetime import datetime
from enum import StrEnum

from shared.storage.tokens import Token


class Verdict(StrEnum):
    """What enforce says of a start request."""

    ALLOWED = "allowed"
    GRANTED = "granted"
    """A one-time grant lets a driver without a card in."""
    NO_CARD = "no-card"
    UNKNOWN = "unknown-card"
    BLOCKED = "blocked"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    WRONG_INSTALLATION = "not-valid-at-this-installation"
    WRONG_CHARGER = "not-valid-at-this-charger"
    TOO_MANY_SESSIONS = "too-many-sessions"

    @property
    def lets_in(self) -> bool:
        return self in {Verdict.ALLOWED, Verdict.GRANTED}


def judge(token: Token | None, installation_id: str, charger_id: str, now: datetime) -> Verdict:
    """Whether a shown token may charge; a validity ends with the instant `valid_to`, which is no longer in it."""
    if token is None:
        return Verdict.UNKNOWN
    if token.blocked:
        return Verdict.BLOCKED
    if token.valid_from and now < token.valid_from:
        return Verdict.NOT_YET_VALID
    if token.valid_to and now >= token.valid_to:
        return Verdict.EXPIRED
    if token.installations and installation_id not in token.installations:
        return Verdict.WRONG_INSTALLATION
    if token.chargers and charger_id not in token.chargers:
        return Verdict.WRONG_CHARGER
    return Verdict.ALLOWED
