"""What there is in the simulated world: installations, circuits, chargers, sessions, and the records of what happened.

Identifiers are lower-case hyphenated UUIDs, energy is kWh, power kW, times aware UTC datetimes.
"""

from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Literal

import msgspec

from simulator.kernel import Signal
from simulator.meter import MeterKey
from simulator.sessions import Session, User


class AuthenticationType(IntEnum):
    """InstallationAuthenticationType of ZapCloud's constants (https://api.zaptec.com/api/constants)."""

    NATIVE = 0
    WEB_HOOKS = 1
    OCPP = 2
    OCPP_NATIVE = 3


class UserRole(IntFlag):
    """What the user of the REST API may do at an installation (UserRoles of ZapCloud's constants); 4 is "Service" in
    the portal. None at all: the installation is not visible."""

    USER = 1
    OWNER = 2
    MAINTAINER = 4


class StateId(IntEnum):
    """The observations a simulated charger has (guide 6.5.8, pp. 16-17, and ZapCloud's constants)."""

    IS_ONLINE = -2
    PULSE = -1
    TEMPERATURE_C = 201
    HUMIDITY_PERCENT = 270
    VOLTAGE_PHASE_1 = 501
    VOLTAGE_PHASE_2 = 502
    VOLTAGE_PHASE_3 = 503
    CURRENT_PHASE_1 = 507
    CURRENT_PHASE_2 = 508
    CURRENT_PHASE_3 = 509
    TOTAL_CHARGE_POWER_W = 513
    SESSION_ENERGY_KWH = 553
    SIGNED_METER_VALUE = 554
    OPERATION_MODE = 710
    IS_ENABLED = 711
    IS_STAND_ALONE = 712
    SESSION_ID = 721
    CURRENT_USER = 722
    COMPLETED_SESSION = 723
    SIGNAL_STRENGTH = 809
    FIRMWARE = 911
    MID_PUBLIC_KEY = 981


CLOUD_MADE = frozenset({StateId.IS_ONLINE, StateId.IS_ENABLED, StateId.IS_STAND_ALONE})
"""Observations that ZapCloud makes itself: the charger's connection and its settings."""


class OperationMode(IntEnum):
    DISCONNECTED = 1
    REQUESTING = 2
    CHARGING = 3
    FINISHED = 5


class Circuit(msgspec.Struct):
    id: str
    name: str
    max_current_a: float
    charger_ids: list[str]


class Card(msgspec.Struct, frozen=True):
    """An RFID token on an installation's list: as the charger reports it, what it is called, and whose it is if
    anybody's."""

    token: str
    name: str
    user: User | None = None


class Installation(msgspec.Struct):
    id: str
    name: str
    created_at: datetime
    circuits: list[Circuit]
    authentication_type: int = AuthenticationType.NATIVE
    webhooks_auth_url: str = ""
    webhooks_auth_payload: str = ""
    webhooks_session_start_url: str = ""
    webhooks_session_end_url: str = ""
    messaging_enabled: bool = False
    is_required_authentication: bool = False
    """Whether ZapCloud's own authorization lets only its users in."""
    current_user_roles: int = UserRole.USER | UserRole.OWNER
    max_current_a: float = 63.0
    offline_allow_anonymous: bool = True
    cards: dict[str, Card] = {}
    """Who may charge by ZapCloud's own authorization, by token."""

    @property
    def is_visible(self) -> bool:
        return bool(self.current_user_roles)

    @property
    def is_managed(self) -> bool:
        """Whether the user of the REST API is owner or service here, as settings, circuits and messages require."""
        return bool(self.current_user_roles & (UserRole.OWNER | UserRole.MAINTAINER))


class UserGroup(msgspec.Struct):
    """Installations that share one message subscription."""

    id: str
    name: str
    installation_ids: list[str]


class Observation(msgspec.Struct, frozen=True):
    """What a state is and since when, by a clock that is right; an empty value is a cleared one."""

    state_id: int
    timestamp: datetime
    value: str


type AttemptOutcome = Literal["authorized", "refused", "timed-out", "unplugged", "failed", "no-answer", "occupied"]


class Poll(msgspec.Struct):
    """One call of the session start hook, as ZapCloud saw it; `status` is None where it saw no answer."""

    at: datetime
    had_token: bool
    status: int | None = None


class Attempt(msgspec.Struct):
    """From a plug-in to a session or to its refusal; `outcome` is None while that is open."""

    id: str
    charger_id: str
    installation_id: str
    driver: str
    started_at: datetime
    polls: list[Poll] = []
    outcome: AttemptOutcome | None = None
    reason: str = ""
    ended_at: datetime | None = None
    session_id: str | None = None


class Plugged:
    """A vehicle connected to a charger, and the attempt to have it charged."""

    def __init__(self, attempt: Attempt, driver: str, power_kw: float) -> None:
        self.attempt = attempt
        self.driver = driver
        self.power_kw = power_kw
        self.token: str | None = None
        self.changed = Signal()
        """Set by a scan, by the cable being pulled, by the charger coming back online."""
        self.over = Signal()
        """Set when the attempt is over, whatever its outcome."""
        self.gone = False


class Charger:
    """A charging station and what it observes."""

    def __init__(self, charger_id: str, device_id: str, name: str, device_type: int, pin: str) -> None:
        self.id = charger_id
        self.device_id = device_id
        self.name = name
        self.device_type = device_type
        self.pin = pin
        self.installation_id = ""
        self.circuit_id = ""
        self.online = True
        self.authentication_disabled = False
        """Whether the REST API shows it as one at which authorization is not required."""
        self.meter_kwh = 0.0
        self.clock_ahead = timedelta()
        """How much the charger's own clock is wrong; it shows in all timestamps that the charger writes."""
        self.states: dict[int, Observation] = {}
        """What ZapCloud knows."""
        self.previous: dict[int, Observation] = {}
        """What ZapCloud knew of each state before that."""
        self.unsent: list[Observation] = []
        """What the charger observed while it was offline."""
        self.meter_key: MeterKey | None = None
        """What its meter signs with, if it is one that signs."""
        self.readings: list[tuple[datetime, float]] = []
        """Instant and session energy (kWh) of the signed readings of the running session."""
        self.plugged: Plugged | None = None
        self.session: Session | None = None
        self.unreported: list[Session] = []
        """Sessions that ended while the charger was offline."""

    @property
    def operation_mode(self) -> int:
        known = self.newest(StateId.OPERATION_MODE)
        return int(known.value) if known else OperationMode.DISCONNECTED

    def newest(self, state_id: int) -> Observation | None:
        """The charger's own latest observation of a state, which ZapCloud need not have."""
        for observation in reversed(self.unsent):
            if observation.state_id == state_id:
                return observation
        return self.states.get(state_id)

    def claimed_instant(self, observation: Observation) -> datetime:
        """The observation's timestamp as it is written, by the charger's clock or by ZapCloud's."""
        return observation.timestamp + (timedelta() if observation.state_id in CLOUD_MADE else self.clock_ahead)


class HookCall(msgspec.Struct):
    """A call ZapCloud made: `delivered` if the request reached the app, `answered` if ZapCloud saw the answer.

    `status`, and the `session_id` of a start, are what the app answered even where ZapCloud did not see it.
    """

    at: datetime
    kind: Literal["start", "end", "auth"]
    path: str
    installation_id: str
    charger_id: str | None = None
    session_id: str | None = None
    had_token: bool = False
    status: int | None = None
    delivered: bool = False
    answered: bool = False
    faults: list[str] = []
    error: str = ""


class RestRequest(msgspec.Struct, frozen=True):
    """A request to the simulated REST API and how it was answered."""

    at: datetime
    method: str
    path: str
    status: int


class TokenRequest(msgspec.Struct, frozen=True):
    """A request to the token service and how it was answered."""

    at: datetime
    grant_type: str
    status: int


class TimerRun(msgspec.Struct):
    """A host timer fired by the simulator; `status` is None where the host gave no answer."""

    at: datetime
    function: str
    status: int | None = None
    error: str = ""
