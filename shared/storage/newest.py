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

_READS_AT_ONCE, _WRITES_AT_ONCE = 16, 8
_ROW_CHARACTERS = 500
"""What remembering a row takes besides its texts, roughly."""
_TRANSACTION_BYTES = guard.MAX_TRANSACTION_BYTES * 3 // 4


class Wanted(msgspec.Struct, frozen=True):
    """What a row should hold at least; `beside` are rows written with a property if that property is."""

    texts: dict[str, str]
    beside: dict[str, tuple[str, dict[str, Any]]] = {}


class _Known(NamedTuple):
    etag: str | None
    texts: Mapping[str, str]

    @property
    def characters(self) -> int:
        return _ROW_CHARACTERS + sum(map(len, self.texts.values()))


class _Step(NamedTuple):
    """What one transaction does to one row, and all that the row holds afterwards."""

    key: str
    changes: list[Change]
    bytes: int
    texts: Mapping[str, str]
    complete: bool


_ABSENT = _Known(None, {})


class NewestRows:
    """`remembered` is how many characters of rows are kept in memory; with `mostly_new` an unknown row is taken to be a
    new one."""

    def __init__(self, table: Table, remembered: int, *, mostly_new: bool = False) -> None:
        self._table = table
        self._remembered = remembered
        self._mostly_new = mostly_new
        self._known: dict[tuple[str, str], _Known] = {}
        self._characters = 0

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
            for start in range(0, len(packs), _WRITES_AT_ONCE):
                some = packs[start : start + _WRITES_AT_ONCE]
                for lost in await asyncio.gather(*(self._write(partition, pack) for pack in some)):
                    refused |= lost
            left = {step.key: left[step.key] for step in steps if step.key in refused or not step.complete}
            unknown_are_new = False

    async def _read(self, partition: str, keys: list[str]) -> dict[str, _Known]:
        """Row by row: what lies between them in the partition may be a thousand times as much."""
        found: dict[str, _Known] = {}
        waiting = iter(keys)

        async def work() -> None:
            for key in waiting:
                row = await self._table.get(partition, key)
                if row:
                    found[key] = _Known(row.etag, _texts(row))

        await asyncio.gather(*(work() for _ in range(min(_READS_AT_ONCE, len(keys)))))
        return found

    async def _write(self, partition: str, steps: list[_Step]) -> set[str]:
        """The keys of rows that must be read again, since one of them was not as remembered."""
        try:
            etags = await self._table.transact([change for step in steps for change in step.changes])
        except Conflict:
            for step in steps:
                self._forget(partition, step.key)
            return {step.key for step in steps}
        at = 0
        for step in steps:
            self._remember(partition, step.key, _Known(etags[at], step.texts))
            at += len(step.changes)
        return set()

    def _remember(self, partition: str, key: str, known: _Known) -> None:
        self._forget(partition, key)
        self._known[partition, key] = known
        self._characters += known.characters
        while self._characters > self._remembered:
            self._forget(*next(iter(self._known)))

    def _forget(self, partition: str, key: str) -> None:
        if known := self._known.pop((partition, key), None):
            self._characters -= known.characters


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
