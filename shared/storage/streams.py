"""Table `Credentials`, the part about message streams and the ZapCloud account: how far each stream has come, where the
rotation of its credentials stands and every step of it, who may work on it, when somebody last logged in. No secrets:
credentials are named by fingerprints.
"""

import contextlib
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from shared.errors import Conflict
from shared.storage.codec import from_properties, to_properties
from shared.storage.session_index import instant_key
from shared.storage.table import Change, Tables

_MARKS, _ROTATIONS, _LEASES = "stream-marks", "stream-rotations", "leases"
_MISSED = "stream-missed"
_UPKEEP = "upkeep"
_STEPS_PREFIX = "rotation-"


class StreamMark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When a stream last brought something, the instant of the newest observation it ever brought, and which
    credentials its trigger listened with."""

    stream: str
    received_at: datetime
    newest: datetime | None = None
    fingerprint: str = ""


class MissedMark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When REST last showed what should have come by message, and how many observations at once."""

    at: datetime
    observations: int


class Step(StrEnum):
    """How far a change of a stream's credentials has been followed; each includes those before it."""

    FETCHED = "fetched"
    """ZapCloud gave details that differ from those the stream listens with."""
    STORED = "stored"
    """All three values are in the secret store."""
    REFRESHED = "refreshed"
    """The host was told to read its references again."""
    RESOLVED = "resolved"
    """It says that it has read them."""
    RESTARTED = "restarted"
    """It was told to restart, so that the trigger connects anew."""
    MOVING = "moving"
    """Messages came since: the change is over."""


_PLACES: dict[str, int] = {step: place for place, step in enumerate(Step)}


class Rotation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a stream's credentials stand: which ones, how far, since when, and when ZapCloud was last asked."""

    stream: str
    fingerprint: str
    step: Step
    at: datetime
    checked_at: datetime
    versions: tuple[str, ...] = ()
    """Of the three secrets, as the secret store counts them."""
    unresolved: int = 0
    """How often in a row the host's references were found unresolved."""
    restarts: int = 0
    """How often the host was restarted for this change."""
    synced: bool = False
    """Whether the platform was told of the triggers since."""

    def has(self, step: Step) -> bool:
        """Whether the change has come as far as this step."""
        return _PLACES[self.step] >= _PLACES[step]


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    at: datetime
    step: str
    fingerprint: str
    detail: str = ""


class LoginMark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When ZapCloud last gave tokens, and when they are to be renewed."""

    at: datetime
    renew_at: datetime


class BackfillCursor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The charger whose states were last read over REST ("" before the first), and when the round through all began."""

    charger_id: str = ""
    round_began: datetime | None = None


class Lease(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who may do something that only one may, until when."""

    holder: str
    until: datetime


class StreamRecords:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Credentials"]

    async def put_mark(self, mark: StreamMark) -> None:
        await self._table.upsert(_MARKS, mark.stream, to_properties(mark))

    async def marks(self) -> dict[str, StreamMark]:
        rows = await self._table.partition(_MARKS)
        return {row.key: from_properties(StreamMark, row.properties) for row in rows}

    async def put_missed(self, installation_id: str, mark: MissedMark) -> None:
        await self._table.upsert(_MISSED, installation_id, to_properties(mark))

    async def missed(self) -> dict[str, MissedMark]:
        """By installation; one to which that never happened is not among them."""
        rows = await self._table.partition(_MISSED)
        return {row.key: from_properties(MissedMark, row.properties) for row in rows}

    async def rotations(self) -> dict[str, Rotation]:
        rows = await self._table.partition(_ROTATIONS)
        return {row.key: from_properties(Rotation, row.properties) for row in rows}

    async def put_rotation(self, rotation: Rotation) -> None:
        await self._table.upsert(_ROTATIONS, rotation.stream, to_properties(rotation))

    async def add_step(self, stream: str, record: StepRecord) -> None:
        """Steps of one instant are kept in the order in which they follow each other."""
        place = _PLACES.get(record.step, len(_PLACES))
        key = f"{instant_key(record.at)}-{place}-{record.step}"
        await self._table.upsert(f"{_STEPS_PREFIX}{stream}", key, to_properties(record))

    async def steps(self, stream: str, since: datetime) -> list[StepRecord]:
        rows = await self._table.partition(f"{_STEPS_PREFIX}{stream}", after=instant_key(since))
        return [from_properties(StepRecord, row.properties) for row in rows]

    async def put_login(self, mark: LoginMark) -> None:
        await self._table.upsert(_UPKEEP, "login", to_properties(mark))

    async def login(self) -> LoginMark | None:
        row = await self._table.get(_UPKEEP, "login")
        return from_properties(LoginMark, row.properties) if row else None

    async def backfill_cursor(self) -> BackfillCursor:
        row = await self._table.get(_UPKEEP, "backfill")
        return from_properties(BackfillCursor, row.properties) if row else BackfillCursor()

    async def put_backfill_cursor(self, cursor: BackfillCursor) -> None:
        await self._table.upsert(_UPKEEP, "backfill", to_properties(cursor))

    async def take_lease(self, name: str, holder: str, now: datetime, length: timedelta) -> bool:
        """True for the one who holds it now, until it is given back or has run out; False while somebody holds it."""
        lease = to_properties(Lease(holder=holder, until=now + length))
        row = await self._table.get(_LEASES, name)
        if row is None:
            return await self._table.insert(_LEASES, name, lease)
        known = from_properties(Lease, row.properties)
        if known.until > now:
            return False
        try:
            await self._table.transact([Change("replace", _LEASES, name, lease, row.etag)])
        except Conflict:
            return False
        return True

    async def give_back_lease(self, name: str, holder: str) -> None:
        row = await self._table.get(_LEASES, name)
        if row and from_properties(Lease, row.properties).holder == holder:
            with contextlib.suppress(Conflict):  # it had run out, and somebody else has it
                await self._table.transact([Change("delete", _LEASES, name, etag=row.etag)])
