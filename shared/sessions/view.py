"""What a session is, as it follows from the set of facts about it, whatever order they came in.

Figures are taken from the source of the highest authority, and never from a caller who spoke for another installation;
within one source the report heard first stands, and a later one that says otherwise is kept in the timeline and marks
the session as contradicted.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shared.storage.sessions import Fact


class Source(StrEnum):
    """Who stated a fact; for figures in rising authority: end hook, then session API."""

    START_HOOK = "start-hook"
    OUTAGE_POLICY = "outage-policy"
    END_HOOK = "end-hook"
    SESSION_API = "session-api"
    ZAPBRIDGE = "zapbridge"


class Event(StrEnum):
    AUTHORIZED = "authorized"
    ATTRIBUTED = "attributed"
    """Found out later whose outage session an id was."""
    SUPERSEDED = "superseded"
    NEVER_BEGAN = "never-began"
    ENDED = "ended"


class Status(StrEnum):
    AUTHORIZED = "authorized"
    SUPERSEDED = "superseded"
    """Another start came to the charger before an end was heard of; its figures are awaited from ZapCloud."""
    NEVER_BEGAN = "never-began"
    """Superseded, and a day later ZapCloud does not know it: our answer was lost, or the car left at once."""
    ENDED = "ended"


_AUTHORITY: dict[str, int] = {Source.END_HOOK: 1, Source.SESSION_API: 2}
"""A source that a newer version knows and this one does not counts least."""


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
    return SessionView(
        session_id=session_id,
        status=_status({fact.event for fact in timeline}, ended=figures is not None),
        start_known=start is not None,
        installation_id=installation_id or None,
        charger_id=place.get("chargerId") or None,
        token_id=place.get("tokenId"),
        driver=place.get("driver"),
        mode=place.get("mode"),
        verdict=place.get("verdict"),
        limited=place.get("limited", False),
        outage=place.get("outage", False),
        start=_instant(stated.get("start")) or (_instant(start.data["at"]) if start else None),
        end=_instant(stated.get("end")),
        energy_kwh=stated.get("energyKwh"),
        signed_session=stated.get("signedSession"),
        source=figures.source if figures else start.source if start else None,
        contradicted=len({_figures(fact.data) for fact in ends}) > 1,
        timeline=timeline,
    )


def _status(events: set[str], *, ended: bool) -> Status:
    if ended:
        return Status.ENDED
    if Event.NEVER_BEGAN in events:
        return Status.NEVER_BEGAN
    return Status.SUPERSEDED if Event.SUPERSEDED in events else Status.AUTHORIZED


def _figures(data: dict[str, Any]) -> tuple[Any, ...]:
    return data.get("energyKwh"), data.get("start"), data.get("end")


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
