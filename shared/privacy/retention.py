"""Lets go of what is older than its kind of data is kept; once a day, in pieces, and from where it was killed.

A session that lost its driver is looked at once more, in the next day's round or where a run was killed the next run:
whoever had read it before may have drawn its entry in the index with the name.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from shared import telemetry
from shared.clock import Clock
from shared.errors import Conflict
from shared.privacy.redaction import changed
from shared.sessions.ledger import Ledger
from shared.storage.drivers import Drivers, RetentionMark
from shared.storage.quarantine import Quarantine
from shared.storage.sessions import Head, Sessions
from shared.storage.table import Change, Row, Tables

ANONYMOUS = "anonymous"
"""In the place of the driver of a session that is older than personal data are kept."""
_PIECE = 100
_A_RUN = timedelta(minutes=4)
"""With as much for erasures before it, a run of the timer stays within the ten minutes that a function may take."""
_ITEM_PREFIX = "item-"
_INSTANTS = ("at", "lastSeen", "due")

type _Position = tuple[str, str]
type _Piece = Callable[[_Position | None, datetime], Awaitable[tuple[int, _Position | None]]]
"""Does a piece after a position; returns how much was let go of, and the position reached, None at the end."""


class Retention:
    """`kept_days` says per kind of data for how long it is kept; 0 for ever. `monotonic` tells seconds, by which a run
    ends in time."""

    def __init__(
        self,
        clock: Clock,
        tables: Tables,
        drivers: Drivers,
        sessions: Sessions,
        quarantine: Quarantine,
        ledger: Ledger,
        kept_days: Mapping[str, int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._tables = tables
        self._drivers = drivers
        self._sessions = sessions
        self._quarantine = quarantine
        self._ledger = ledger
        self._monotonic = monotonic
        pieces: dict[str, _Piece] = {
            "sessions": self._anonymise,
            "decisions": self._decisions,
            "history": self._history,
            "quarantine": self._bodies,
        }
        self._pieces = {kind: (kept_days[kind], piece) for kind, piece in pieces.items() if kept_days[kind]}

    async def run(self) -> None:
        """This run's share of the day's round; nothing once the round is complete."""
        now = self._clock()
        mark = await self._drivers.retention()
        kinds = [*self._pieces, ""]
        if mark.round != f"{now:%Y-%m-%d}":
            mark = RetentionMark(round=f"{now:%Y-%m-%d}", stage=kinds[0])
        if mark.stage not in self._pieces:
            return
        counts = dict.fromkeys(self._pieces, 0)
        until = self._monotonic() + _A_RUN.total_seconds()
        while mark.stage in self._pieces and self._monotonic() < until:
            days, piece = self._pieces[mark.stage]
            count, reached = await piece(mark.reached, now - timedelta(days=days))
            counts[mark.stage] += count
            stage = mark.stage if reached else kinds[kinds.index(mark.stage) + 1]
            mark = RetentionMark(round=mark.round, stage=stage, reached=reached)
            await self._drivers.set_retention(mark)
        telemetry.event(
            "retention.applied",
            sessions=counts.get("sessions"),
            decisions=counts.get("decisions"),
            history=counts.get("history"),
            quarantine=counts.get("quarantine"),
            complete=not mark.stage,
        )

    async def _anonymise(self, after: _Position | None, before: datetime) -> tuple[int, _Position | None]:
        """Sessions listed under an instant before; what is under way is never that old."""
        heads = await self._sessions.heads(after[0] if after else "", _PIECE)
        due = [head for head in heads if head.listed_at < before and _may_tell(head)]
        for head in due:
            await self._forget_driver(head)
        return sum(head.erased_as is None for head in due), (heads[-1].session_id, "") if len(heads) == _PIECE else None

    async def _forget_driver(self, seen: Head) -> None:
        while (record := await self._sessions.read(seen.session_id)).head and _may_tell(record.head):
            if await self._sessions.restate(record.head, changed(record.facts, ANONYMOUS), ANONYMOUS):
                await self._ledger.project(seen.session_id)
                if seen.erased_as:
                    await self._sessions.mark_nameless(seen.session_id)
                return

    async def _decisions(self, after: _Position | None, before: datetime) -> tuple[int, _Position | None]:
        rows = await self._tables["Decisions"].page(after, _PIECE)
        old = [row for row in rows if any(_is_before(row.properties.get(name), before) for name in _INSTANTS)]
        await self._delete("Decisions", old)
        return len(old), _reached(rows)

    async def _history(self, after: _Position | None, before: datetime) -> tuple[int, _Position | None]:
        """Partitions are installations and days: past an installation's last old day, the next installation."""
        rows = await self._tables["ChargerHistory"].page(after, _PIECE)
        old = [row for row in rows if row.partition.rpartition("|")[2] < f"{before:%Y%m%d}"]
        await self._delete("ChargerHistory", old)
        young = next((row for row in rows if row not in old), None)
        return len(old), _reached(rows) if young is None else (f"{young.partition.rpartition('|')[0]}|~", "")

    async def _bodies(self, after: _Position | None, before: datetime) -> tuple[int, _Position | None]:
        rows = await self._tables["Quarantine"].partition(
            "body", after=after[1] if after else _ITEM_PREFIX, limit=_PIECE
        )
        count = 0
        for row in rows:
            if not row.key.startswith(_ITEM_PREFIX) or not _is_before(row.properties.get("at"), before):
                continue
            if item := await self._quarantine.item(row.properties["id"]):
                with contextlib.suppress(Conflict):  # somebody looked at it and took it out
                    await self._quarantine.remove(item)
                    count += 1
        return count, _reached(rows)

    async def _delete(self, table: str, rows: list[Row]) -> None:
        partitions: dict[str, list[Row]] = {}
        for row in rows:
            partitions.setdefault(row.partition, []).append(row)
        for members in partitions.values():
            for some in batched(members, _PIECE, strict=False):
                with contextlib.suppress(Conflict):  # gone already, or seen again since; the next round looks again
                    await self._tables[table].transact(
                        [Change("delete", row.partition, row.key, etag=row.etag) for row in some]
                    )


def _may_tell(head: Head) -> bool:
    """Whether a session may tell of its driver, here or in the index."""
    return head.erased_as is None or (head.erased_as == ANONYMOUS and not head.nameless)


def _reached(rows: list[Row]) -> _Position | None:
    return (rows[-1].partition, rows[-1].key) if len(rows) == _PIECE else None


def _is_before(instant: Any, before: datetime) -> bool:
    return isinstance(instant, datetime) and instant < before
