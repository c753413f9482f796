"""What a session is to the log: who states facts about it, what they tell, and the view that follows from them."""

from datetime import datetime
from enum import StrEnum

import msgspec

from shared.sessions.flags import Flag
from shared.storage.sessions import Fact


class Source(StrEnum):
    """Who stated a fact; for figures in rising authority from `completed-session` (observation 723) on."""

    START_HOOK = "start-hook"
    OUTAGE_POLICY = "outage-policy"
    ZAPBRIDGE = "zapbridge"
    OBSERVATION = "observation"
    COMPLETED_SESSION = "completed-session"
    END_HOOK = "end-hook"
    SESSION_API = "session-api"
    ARCHIVED_SESSIONS = "archived-sessions"
    CHARGE_HISTORY = "charge-history"
    SIGNED_METER_VALUE = "signed-meter-value"


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
    REPLACES = "replaces"
    """ZapCloud put it in the place of another session."""
    ASSESSED = "assessed"
    """Its signed meter value was looked at."""


STARTS = frozenset({Event.AUTHORIZED, Event.ATTRIBUTED})


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


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as the log shows it. Energy in kWh; `driver` is whom it is attributed to, None for nobody known.

    `start_known` tells whether we know who authorized it; `contradicted` whether reports of its figures differ;
    `signature` is the verdict on its signed meter value, None while nobody looked; `external_id` is what another
    system, such as an OCPP central system, calls it. `weight` grows with what is known: of two views of one session
    the heavier is the newer.
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
    billable: bool = False
    flags: tuple[Flag, ...] = ()
    replaced_by: str | None = None
    replaces: str | None = None
    signature: str | None = None
    token_name: str | None = None
    external_id: str | None = None
    history: str | None = None
    archived: str | None = None
    """Name the statements of charge history and of the archive that are part of this."""
    weight: int = 0
    timeline: tuple[Fact, ...] = ()

    @property
    def has_own_start(self) -> bool:
        """Whether we know who was let in to this very session, and not only to one that it stands for."""
        return any(fact.event in STARTS for fact in self.timeline)
