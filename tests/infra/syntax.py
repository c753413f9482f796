"""Bicep's expressions as plain data."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Literal:
    """A string without interpolation, a number, true, false or null."""

    value: object


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Text:
    """An interpolated string: constant parts are Literals."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Array:
    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Object:
    pairs: tuple[tuple["Expression", "Expression"], ...]

    def get(self, key: str) -> "Expression | None":
        return next((value for name, value in self.pairs if name == Literal(key)), None)


@dataclass(frozen=True)
class Call:
    """A function by the name of its rule in pycep's grammar."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Access:
    of: "Expression"
    name: str


@dataclass(frozen=True)
class Index:
    of: "Expression"
    index: "Expression"


@dataclass(frozen=True)
class Operation:
    operator: str
    operands: tuple["Expression", ...]


@dataclass(frozen=True)
class Loop:
    """`over` is what is walked over: an array, or an object of which the items are taken (`of_items`)."""

    item: str
    index: str | None
    over: "Expression"
    of_items: bool
    body: "Expression"


@dataclass(frozen=True)
class When:
    condition: "Expression"
    body: "Expression"


Expression = Literal | Name | Text | Array | Object | Call | Access | Index | Operation | Loop | When


def within(one: Expression) -> Iterator[Expression]:
    """The expressions right inside another one."""
    match one:
        case Text(parts) | Array(parts) | Call(_, parts) | Operation(_, parts):
            yield from parts
        case Object(pairs):
            for key, value in pairs:
                yield from (key, value)
        case Access(of, _):
            yield of
        case Index(of, index):
            yield from (of, index)
        case When(condition, body):
            yield from (condition, body)
        case Loop(over=over, body=body):
            yield from (over, body)
