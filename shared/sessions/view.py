"""What a session is, as it follows from the set of facts about it, whatever order they came in.

Figures are taken from the source of the highest authority, and never from a caller who spoke for another installation;
within one source the report heard first stands, and a later one that says otherwise is kept in the timeline and marks
the session as contradicted.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from shared.storage.sessions import Fact


class Source(StrEnum):
    """Who stated a fact; for figures in rising authority: observation 723, end hook, session API."""

    START_HOOK = "start-hook"
    OUTAGE_POLICY = "outage-policy"
    OBSERVATION = "observation"
    COMPLETED_SESSION = "completed-session"
    END_HOOK = "end-hook"
    SESSION_API = "session-api"
    ZAPBRIDGE = "zapbridge"


class Event(StrEnum):
    AUTHORIZED = "authorized"
    ATTRIBUTED = "attributed"
    """Found out later whose outage session an id was."""
    CHARGING = "charging"
    DISCONNECTED = "disconnected"
    """The cable is out, as the charger says."""
    SUPERSEDED = "superseded"
    NEVER_BEGAN = "never-began"
    ENDED = "ended"


class Status(StrEnum):
    AUTHORIZED = "authorized"
    CHARGING = "charging"
    """The charger says that it charges, or did: a car may pause and go on until its cable is out."""
    DISCONNECTED = "disconnected"
    """The cable is out and no figures came yet; they are awaited, or asked of ZapCloud."""
    SUPERSEDED = "superseded"
    """Another start came to the charger before an end was heard of; its figures are awaited from ZapCloud."""
    NEVER_BEGAN = "never-began"
    """Superseded, and a day later ZapCloud does not know it: our answer was lost, or the car left at once."""
    ENDED = "ended"


OPEN = frozenset({Status.AUTHORIZED, Status.CHARGING})
"""A car may be charging."""
AWAITING_FIGURES = frozenset({Status.SUPERSEDED, Status.DISCONNECTED})
"""No car is charging any more, and nobody has said how much it took."""

_AUTHORITY: dict[str, int] = {Source.COMPLETED_SESSION: 1, Source.END_HOOK: 2, Source.SESSION_API: 3}
"""A source that a newer version knows and this one does not counts least."""
_SAME_ENERGY_KWH = 0.01
_SAME_INSTANT = timedelta(minutes=1)
"""Sources round differently: reports that differ by less do not contradict each other."""


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as the log shows it. Energy in kWh; `driver` is whom it is attributed to, None for nobody known.

    `start_known` tells whether we know who authorized it; `contradicted` whether reports of its figures differ.
    """

    session_id: str
    status: Status
    start_known: bool
    installation_id: str | None = None
    charger_id: str | None = None
    token_id: str | None = None
    driver: str | None = None
    mode: str | None = None
    verdict: str | None = None
    limited: bool = False
    outage: bool = False
    start: datetime | None = None
    end: datetime | None = None
    energy_kwh: float | None = None
    signed_session: str | None = None
    source: str | None = None
    contradicted: bool = False
    timeline: tuple[Fact, ...] = ()


def fold(session_id: str, facts: tuple[Fact, ...]) -> SessionView:
    """The session that a set of facts amounts to; the order they are given in does not matter."""
    timeline = tuple(sorted(facts, key=lambda fact: (fact.at, fact.event == Event.ENDED, fact.key)))
    starts = [fact for fact in timeline if fact.event in {Event.AUTHORIZED, Event.ATTRIBUTED}]
    start = min(starts, key=lambda fact: fact.event == Event.ATTRIBUTED, default=None)
    place = start.data if start else next((fact.data for fact in timeline if fact.data.get("installationId")), {})
    installation_id = place.get("installationId")
    ends = [
        fact
        for fact in timeline
        if fact.event == Event.ENDED and fact.data.get("installationId", installation_id) == installation_id
    ]
    figures = max(ends, key=lambda fact: _AUTHORITY.get(fact.source, 0), default=None)
    stated = figures.data if figures else {}
    about = [start.data] if start else [fact.data for fact in ends]
    return SessionView(
        session_id=session_id,
        status=_status({fact.event for fact in timeline}, ended=figures is not None),
        start_known=start is not None,
        installation_id=installation_id or None,
        charger_id=_first("chargerId", about) or None,
        token_id=_first("tokenId", about),
        driver=_first("driver", about),
        mode=place.get("mode"),
        verdict=place.get("verdict"),
        limited=place.get("limited", False),
        outage=place.get("outage", False),
        start=_instant(stated.get("start")) or (_instant(start.data["at"]) if start else None),
        end=_instant(stated.get("end")),
        energy_kwh=stated.get("energyKwh"),
        signed_session=stated.get("signedSession"),
        source=figures.source if figures else start.source if start else None,
        contradicted=any(_differ(stated, fact.data) for fact in ends),
        timeline=timeline,
    )


def _status(events: set[str], *, ended: bool) -> Status:
    if ended:
        return Status.ENDED
    if Event.NEVER_BEGAN in events:
        return Status.NEVER_BEGAN
    for event, status in _WITHOUT_END:
        if event in events:
            return status
    return Status.AUTHORIZED


_WITHOUT_END = (
    (Event.SUPERSEDED, Status.SUPERSEDED),
    (Event.DISCONNECTED, Status.DISCONNECTED),
    (Event.CHARGING, Status.CHARGING),
)


def _first(name: str, statements: list[dict[str, Any]]) -> Any:
    return next((data[name] for data in statements if data.get(name) is not None), None)


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two reports say different things of the same session; what one of them leaves out is no difference."""
    mine, theirs = one.get("energyKwh"), other.get("energyKwh")
    if mine is not None and theirs is not None and abs(mine - theirs) > _SAME_ENERGY_KWH:
        return True
    instants = [(_instant(one.get(name)), _instant(other.get(name))) for name in ("start", "end")]
    return any(this and that and abs(this - that) > _SAME_INSTANT for this, that in instants)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
