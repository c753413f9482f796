"""The bodies of the control API's requests and answers, for those on either side of it."""

from datetime import datetime
from typing import Annotated

import msgspec

from simulator.chargers import DEFAULT_POWER_KW
from simulator.visits import Power, Seconds, Visit

MOST_IDLE_S = 172_800.0


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
    chargers: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    device_type: int = 4


class PortalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What Zaptec Portal sets on an installation; what is left out stays as it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    authentication_type: int | msgspec.UnsetType = msgspec.UNSET
    webhooks_auth_url: str | msgspec.UnsetType = msgspec.UNSET
    webhooks_auth_payload: str | msgspec.UnsetType = msgspec.UNSET
    webhooks_session_start_url: str | msgspec.UnsetType = msgspec.UNSET
    webhooks_session_end_url: str | msgspec.UnsetType = msgspec.UNSET
    messaging_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    offline_allow_anonymous: bool | msgspec.UnsetType = msgspec.UNSET


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


class Items[T](msgspec.Struct, frozen=True):
    items: list[T]
