"""Rows that only move forward: every property is a text, and of two texts the greater one stays.

So merging is the same in any order, any number of times, and whichever instance does it. Rows are remembered with
their ETags, so that an instance that is alone on a partition writes without reading first; a row that another instance
changed refuses the whole transaction, is read again, and what is still greater is written again.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from shared.errors import Conflict
from shared.storage import guard
from shared.storage.table import Change, Row, Table

_FEW_ROWS = 15
"""So many are read one by one; more are read in one go with what lies between them."""
_AT_ONCE = 8
_TRANSACTION_BYTES = guard.MAX_TRANSACTION_BYTES * 3 // 4


class Wanted(msgspec.Struct, frozen=True):
    """What a row should hold at least; `beside` are rows written with a property if that property is."""

    texts: dict[str, str]
    beside: dict[str, tuple[str, dict[str, Any]]] = {}


class _Known(NamedTuple):
    etag: str | None
    texts: Mapping[str, str]


class _Step(NamedTuple):
    """What one transaction does to one row, and all that the row holds afterwards."""

    key: str
    changes: list[Change]
    bytes: int
    texts: Mapping[str, str]
    complete: bool


_ABSENT = _Known(None, {})


class NewestRows:
    """`remembered` is how many rows are kept in memory; with `mostly_new` an unknown row is taken to be a new one."""

    def __init__(self, table: Table, remembered: int, *, mostly_new: bool = False) -> None:
        self._table = table
        self._remembered = remembered
        self._mostly_new = mostly_new
        self._known: dict[tuple[str, str], _Known] = {}

    async def merge(self, partition: str, rows: Mapping[str, Wanted]) -> None:
        """There afterwards; raises StorageUnavailable, when any part may have been written, and may be again."""
        left = dict(rows)
        unknown_are_new = self._mostly_new
        while left:
            known = {key: found for key in left if (found := self._known.get((partition, key)))}
            if not unknown_are_new:
                known |= await self._read(partition, [key for key in left if key not in known])
            steps = [_step(partition, key, known.get(key, _ABSENT), wanted) for key, wanted in left.items()]
            packs = list(_packed([step for step in steps if step.changes]))
            refused = set[str]()
            for start in range(0, len(packs), _AT_ONCE):
                some = packs[start : start + _AT_ONCE]
                for lost in await asyncio.gather(*(self._write(partition, pack) for pack in some)):
                    refused |= lost
            left = {step.key: left[step.key] for step in steps if step.key in refused or not step.complete}
            unknown_are_new = False

    async def _read(self, partition: str, keys: list[str]) -> dict[str, _Known]:
        if len(keys) <= _FEW_ROWS:
            rows = await asyncio.gather(*(self._table.get(partition, key) for key in keys))
        else:
            rows = list(await self._table.partition(partition, after=min(keys)[:-1], before=max(keys) + "~"))
        wanted = set(keys)
        return {row.key: _Known(row.etag, _texts(row)) for row in rows if row and row.key in wanted}

    async def _write(self, partition: str, steps: list[_Step]) -> set[str]:
        """The keys of rows that must be read again, since one of them was not as remembered."""
        try:
            etags = await self._table.transact([change for step in steps for change in step.changes])
        except Conflict:
            for step in steps:
                self._known.pop((partition, step.key), None)
            return {step.key for step in steps}
        at = 0
        for step in steps:
            self._remember(partition, step.key, _Known(etags[at], step.texts))
            at += len(step.changes)
        return set()

    def _remember(self, partition: str, key: str, known: _Known) -> None:
        self._known.pop((partition, key), None)
        if len(self._known) >= self._remembered:
            self._known.pop(next(iter(self._known)))
        self._known[partition, key] = known


def _step(partition: str, key: str, known: _Known, wanted: Wanted) -> _Step:
    """As much of what is wanted as fits into one transaction; of the rest, the next round takes care."""
    better = {name: text for name, text in wanted.texts.items() if text > known.texts.get(name, "")}
    taken: dict[str, str] = {}
    beside: list[Change] = []
    size = 0
    for name, text in better.items():
        more = [Change("upsert", partition, *wanted.beside[name])] if name in wanted.beside else []
        bytes_more = _bytes(text) + sum(_bytes(value) for change in more for value in change.properties.values())
        full = size + bytes_more > _TRANSACTION_BYTES or len(beside) + len(more) >= guard.MAX_TRANSACTION_ROWS
        if taken and full:
            continue
        taken[name] = text
        beside += more
        size += bytes_more
    if not taken:
        return _Step(key, [], 0, known.texts, complete=True)
    main = Change("merge" if known.etag else "insert", partition, key, taken, known.etag)
    return _Step(key, [main, *beside], size, {**known.texts, **taken}, complete=len(taken) == len(better))


def _bytes(text: str) -> int:
    """What a property takes of a transaction, roughly and rather too much."""
    return 4 * len(text) + 64


def _packed(steps: list[_Step]) -> Iterator[list[_Step]]:
    """Steps in as few transactions as they fit into."""
    pack: list[_Step] = []
    rows = size = 0
    for step in steps:
        full = rows + len(step.changes) > guard.MAX_TRANSACTION_ROWS or size + step.bytes > _TRANSACTION_BYTES
        if pack and full:
            yield pack
            pack, rows, size = [], 0, 0
        pack.append(step)
        rows += len(step.changes)
        size += step.bytes
    if pack:
        yield pack


def _texts(row: Row) -> dict[str, str]:
    return {name: value for name, value in row.properties.items() if isinstance(value, str)}
