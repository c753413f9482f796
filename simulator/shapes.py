"""The bodies of the control API's requests and answers, for those on either side of it."""

from datetime import datetime
from typing import Annotated

import msgspec

from simulator.chargers import DEFAULT_POWER_KW
from simulator.servicebus.broker import Counts
from simulator.sessions import User
from simulator.truth import Count, Known, ObservationRecord
from simulator.visits import Power, Seconds, Visit

MOST_IDLE_S = 172_800.0
MOST_WRONG_S = 100 * 366 * 86400
"""How far a charger's clock may be off."""


class ClockView(msgspec.Struct, frozen=True):
    """`busy` counts what is not over yet: visits, attempts, end calls."""

    mode: str
    now: datetime
    busy: int


class Health(msgspec.Struct, frozen=True):
    status: str
    mode: str
    problems: int


class ChargerView(msgspec.Struct, frozen=True):
    id: str
    device_id: str
    name: str
    operation_mode: int
    online: bool
    session_id: str | None


class InstallationView(msgspec.Struct, frozen=True):
    """The authentication payload is left out: it is a secret."""

    id: str
    name: str
    authentication_type: int
    webhooks_auth_url: str
    webhooks_session_start_url: str
    webhooks_session_end_url: str
    chargers: list[ChargerView]


class NewInstallation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    chargers: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1
    device_type: int = 4


class PortalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What Zaptec Portal sets on an installation, the roles of the REST API's user among it; what is left out stays as
    it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    authentication_type: int | msgspec.UnsetType = msgspec.UNSET
    webhooks_auth_url: str | msgspec.UnsetType = msgspec.UNSET
    webhooks_auth_payload: str | msgspec.UnsetType = msgspec.UNSET
    webhooks_session_start_url: str | msgspec.UnsetType = msgspec.UNSET
    webhooks_session_end_url: str | msgspec.UnsetType = msgspec.UNSET
    messaging_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    offline_allow_anonymous: bool | msgspec.UnsetType = msgspec.UNSET
    is_required_authentication: bool | msgspec.UnsetType = msgspec.UNSET
    current_user_roles: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An RFID token, and what it is called."""

    token: str
    name: str


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    full_name: str
    email: str
    tokens: list[NewToken] = []


class UserView(msgspec.Struct, frozen=True):
    user: User
    tokens: list[str]


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: Seconds


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    most_seconds: Seconds = MOST_IDLE_S


class Idle(msgspec.Struct, frozen=True):
    idle: bool
    now: datetime


class PlugBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    driver: str = ""
    power_kw: Power = DEFAULT_POWER_KW


class ScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class VisitList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    visits: list[Visit]
    together: bool = False


class ChargerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a charger's clock is ahead, or behind where it is negative; whether it is shown as one that requires no
    authorization. What is left out stays as it is."""

    clock_ahead_s: Annotated[float, msgspec.Meta(ge=-MOST_WRONG_S, le=MOST_WRONG_S)] | msgspec.UnsetType = msgspec.UNSET
    authentication_disabled: bool | msgspec.UnsetType = msgspec.UNSET


class NewUserGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    installations: list[str]


class RotateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`topic`: its name and the subscription's change as well. `silent_after_s`: when links under the old key fall
    silent, by default after a seeded 15 to 20 minutes. `detach`: they are detached at once instead."""

    topic: bool = False
    silent_after_s: Seconds | None = None
    detach: bool = False


class StealBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another consumer takes so many of the next messages."""

    count: Annotated[int, msgspec.Meta(ge=0)]


class StreamView(msgspec.Struct, frozen=True):
    """A message subscription, with a connection string for the Service Bus SDK."""

    kind: str
    owner_id: str
    connection_string: str
    topic: str
    subscription: str
    enabled: bool
    counts: Counts


class ServiceBusView(msgspec.Struct, frozen=True):
    port: int
    items: list[StreamView]


class StateTruth(msgspec.Struct, frozen=True):
    """What is known of a charger's state: `streamed` by messages that were there to be had, `held` by the REST API.

    The REST API's timestamps are in milliseconds. An app that has had all messages knows `streamed`; one that has also
    asked the REST API knows the newer of the two.
    """

    charger_id: str
    state_id: int
    streamed: Known | None
    held: Known | None


class TruthView(msgspec.Struct, frozen=True):
    """`counts` by kind as in truth.py; `lost` and `stolen` messages the app never got."""

    counts: dict[Count, int]
    states: list[StateTruth]
    lost: list[ObservationRecord]
    stolen: list[ObservationRecord]


class Items[T](msgspec.Struct, frozen=True):
    items: list[T]
