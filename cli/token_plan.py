"""What an import would change, decided before anything is written: a pure function of the file and what is stored."""

from collections.abc import Iterable, Mapping

import msgspec

from cli.token_file import Card, Fault, Row

_COLUMNS = dict(zip(Card.__struct_fields__, Card.__struct_encode_fields__, strict=True))


class Step(msgspec.Struct, frozen=True):
    """A card to be written: what is stored of it now (None: nothing), and what will be."""

    line: int
    before: Card | None
    after: Card

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns of which the stored value is replaced by another."""
        before = self.before or Card(token=self.after.token)
        return tuple(
            column for field, column in _COLUMNS.items() if getattr(before, field) != getattr(self.after, field)
        )


class Plan(msgspec.Struct, frozen=True):
    """`unchanged` cards are stored as the file has them already; `merged` lines repeat an earlier one of a card."""

    steps: tuple[Step, ...]
    unchanged: int
    merged: int
    faults: tuple[Fault, ...]

    @property
    def new(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.before is None)

    @property
    def changed(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.before is not None)


def plan(rows: Iterable[Row], existing: Mapping[str, Card]) -> Plan:
    """Which cards are to be written, in the order of the file; `existing` are those stored, by their numbers."""
    first: dict[str, Row] = {}
    steps: list[Step] = []
    faults: list[Fault] = []
    unchanged = merged = 0
    for row in rows:
        if row.token in first:
            merged += 1
            faults += _contradictions(first[row.token], row)
            continue
        first[row.token] = row
        before = existing.get(row.token)
        after = msgspec.structs.replace(before or Card(token=row.token), **row.given)
        if after.valid_from and after.valid_to and after.valid_to <= after.valid_from:
            faults.append(Fault(row.line, "validTo", "must lie after validFrom"))
        elif after == before:
            unchanged += 1
        else:
            steps.append(Step(row.line, before, after))
    return Plan(tuple(steps), unchanged, merged, tuple(faults))


def _contradictions(first: Row, again: Row) -> list[Fault]:
    return [
        Fault(again.line, _COLUMNS[field], f"the same card stands in line {first.line} with something else here")
        for field, value in again.given.items()
        if value != first.given[field]
    ]
