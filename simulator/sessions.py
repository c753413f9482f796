"""What a charging session is: the truth about it, and what ZapCloud knows.

Energy is kWh, power kW, times aware UTC datetimes.
"""

from bisect import bisect_right
from datetime import datetime, timedelta
from enum import IntEnum
from operator import itemgetter
from typing import Literal

import msgspec


class CommitMetadata(IntEnum):
    """Bits of a session's CommitMetadata (SessionCommitMetadata of ZapCloud's constants)."""

    ONLINE = 1
    OFFLINE = 2
    RELIABLE_CLOCK = 4
    STOPPED_BY_RFID = 8
    SIGNED = 16
    VOID = 32
    ABORTED = 64
    OCPP_NATIVE = 128


class User(msgspec.Struct, frozen=True):
    """Somebody whom ZapCloud itself knows."""

    id: str
    full_name: str
    email: str


type SessionStatus = Literal["running", "ended", "acknowledged", "given-up"]


class Session(msgspec.Struct):
    """The truth about a session. `closed_at` is when ZapCloud learnt of its end; offline that is later than `end`.

    `energy_kwh` holds up to `metered_at`; since then it grows by `power_kw`, and `curve` is what it was at each instant
    at which the power changed. `offline` says that it began while the charger was. `user` and `token_name` are what
    ZapCloud wrote down of who charged, `listed_at` is when its lists of sessions have it. `clock_ahead` is how wrong
    the clock was by which ZapCloud knows of an offline session.
    """

    id: str
    charger_id: str
    device_id: str
    installation_id: str
    token: str | None
    driver: str
    start: datetime
    metered_at: datetime
    meter_start_kwh: float
    power_kw: float = 0.0
    energy_kwh: float = 0.0
    end: datetime | None = None
    closed_at: datetime | None = None
    status: SessionStatus = "running"
    offline: bool = False
    clock_ahead: timedelta = timedelta()
    curve: list[tuple[datetime, float]] = []
    user: User | None = None
    token_name: str | None = None
    external_id: str | None = None
    commit_metadata: int = 0
    """Bits of CommitMetadata, none until the charger has committed the session."""
    signed_session: str | None = None
    replaced_by: str | None = None
    listed_at: datetime | None = None
    end_tries: int = 0
    end_acknowledged_at: datetime | None = None

    def energy_at(self, instant: datetime) -> float:
        grown_kwh = self.power_kw * (instant - self.metered_at).total_seconds() / 3600
        return round(self.energy_kwh + grown_kwh, 3)

    def energy_by(self, instant: datetime) -> float:
        """What had been charged at an instant, now or before."""
        if instant >= self.metered_at:
            return self.energy_at(instant)
        place = bisect_right(self.curve, instant, key=itemgetter(0))
        if place in (0, len(self.curve)):
            return 0.0
        (before, kwh_before), (after, kwh_after) = self.curve[place - 1 : place + 1]
        share = (instant - before) / (after - before)
        return round(kwh_before + share * (kwh_after - kwh_before), 3)

    def draw(self, power_kw: float, now: datetime) -> None:
        """From `now` on, take so much."""
        self.energy_kwh = self.energy_at(now)
        self.metered_at = now
        self.power_kw = power_kw
        self.curve.append((now, self.energy_kwh))

    @property
    def claimed_start(self) -> datetime:
        """The start as ZapCloud knows it."""
        return self.start + self.clock_ahead if self.offline else self.start

    @property
    def claimed_end(self) -> datetime | None:
        """The end as the charger committed it; None where it did not, or its clock was not to be relied on."""
        return None if self.clock_ahead else self.end

    @property
    def known_end(self) -> datetime | None:
        """When the session ended, as far as ZapCloud knows: where nobody told it, when it closed it."""
        return (self.claimed_end or self.closed_at) if self.closed_at else None

    @property
    def is_committed(self) -> bool:
        """Whether the charger said how it ended, at whatever time."""
        return bool(self.commit_metadata & (CommitMetadata.ONLINE | CommitMetadata.OFFLINE))
