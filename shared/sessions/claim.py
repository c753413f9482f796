"""When is a start request the same one again, and when does it prove the old claim dead? Pure decisions.

Answering the same request twice with one session id makes lost answers harmless; answering a different request with it
would give one driver another's session. So a claim is replayed only while nothing speaks against it.
"""

from datetime import datetime, timedelta

from shared.storage.authorizations import Claim, Evidence, Grant, Standing

REPLAY_WINDOW = timedelta(seconds=90)
"""How long an answer may have been lost: ZapCloud asks again every 10 s (guide 6.5.8, "Session start")."""

TOO_SOON_FOR_ANOTHER = timedelta(seconds=3)
"""Sooner than this nobody unplugs and plugs in again, so a repetition needs no further proof."""

SAME_CAR_WINDOW = timedelta(seconds=25)
"""Two polls and a half: a longer silence means that another car may have come. So long a wait in observe mode is taken
to go on, and so long a claim without a card is replayed on our own evidence alone."""

NO_CARD_KEY = "none"


def token_key(token_id: str) -> str:
    return f"token:{token_id}"


def grant_key(grant_id: str) -> str:
    return f"grant:{grant_id}"


def is_tokenless(request_key: str) -> bool:
    return not request_key.startswith("token:")


def is_replayable(claim: Claim, request_key: str, evidence: Evidence, now: datetime) -> bool:
    """Whether a request may be the one the claim answered.

    A tokenless request may repeat any tokenless one; whether a newer grant makes it a different one, the caller knows.
    """
    same = claim.request_key == request_key or (is_tokenless(claim.request_key) and is_tokenless(request_key))
    fresh = now - claim.at < REPLAY_WINDOW
    return same and fresh and not claim.questioned and not shows_used(claim, evidence)


def shows_used(claim: Claim, evidence: Evidence) -> bool:
    """Whether observations show that the claim's session began, or that its car has gone."""
    began = evidence.running_session_id == claim.session_id
    gone = evidence.disconnected_at is not None and evidence.disconnected_at > claim.at
    return began or gone


def usable_grant(standing: Standing, now: datetime) -> tuple[Grant, str] | None:
    """The oldest grant that has not expired, with its ETag."""
    return next((pair for pair in standing.grants if pair[0].expires_at > now), None)


def waits_since(standing: Standing, now: datetime) -> datetime | None:
    """Since when the driver now at the charger has been polling without a card; None if this is the first poll."""
    waiting = standing.waiting
    if waiting is None or not timedelta(0) <= now - waiting.latest < SAME_CAR_WINDOW:
        return None
    if standing.claim and standing.claim.at > waiting.since:
        return None
    return waiting.since
