"""The tables of docs/cost.md, read and made.

`python -m bench.cost` works out its bills again from the figures and prices that stand in it; `python -m bench.cost RUN
RUN RUN` makes its tables of measured figures, of what three runs of `bench.month` printed: some chargers at one
installation, as many at several, and more of them at one.
"""

import argparse
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.bill import Assumed, Prices, Use, bill
from bench.daily import Figures, Rate, Timer, figures_of
from bench.month import Measured

DOCUMENT = Path(__file__).parent.parent / "docs" / "cost.md"


class Document(msgspec.Struct, frozen=True):
    figures: Figures
    prices: Prices
    assumed: Assumed
    uses: list[Use]
    turned: list[tuple[str, str]]
    """What is turned, and the figures that this changes (`memory gb = 0.5`)."""


def read(text: str) -> Document:
    """The tables of docs/cost.md, which are told apart by their first header. Raises KeyError, ValueError."""
    timers = {row[0]: Timer(_number(row[1]), Rate(*map(_number, row[2:5]))) for row in rows(text, "timer")}
    rates = {_field(row[0]): Rate(*map(_number, row[1:4])) for row in rows(text, "a day")}
    columns = zip(*(map(_number, row[1:]) for row in rows(text, "use")), strict=True)
    return Document(
        figures=Figures(timers=timers, **rates),
        prices=Prices(**{_field(row[0]): _number(row[1]) for row in rows(text, "price")}),
        assumed=Assumed(**{_field(row[0]): _number(row[1]) for row in rows(text, "assumed")}),
        uses=[Use(*column) for column in columns],
        turned=[(row[0], row[1]) for row in rows(text, "turned")],
    )


def rows(text: str, header: str) -> list[list[str]]:
    """The cells, without their backticks, of the rows of the table whose first header this is."""
    lines = text.splitlines()
    for number, line in enumerate(lines[:-1]):
        if line.startswith(f"| {header} |") and lines[number + 1].startswith("| ---"):
            body = itertools.takewhile(lambda one: one.startswith("|"), lines[number + 2 :])
            return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in body]
    raise KeyError(header)


def bill_rows(document: Document) -> list[list[str]]:
    bills = [bill(document.figures, document.prices, document.assumed, use) for use in document.uses]
    found = [[name, *(f"{one.items[name]:,.2f}" for one in bills)] for name in bills[0].items]
    found.append(["total", *(f"{one.total:,.2f}" for one in bills)])
    each = [one.total / use.chargers for one, use in zip(bills, document.uses, strict=True)]
    found.append(["total per charger", *(f"{usd:,.3f}" for usd in each)])
    found.append(["private network, besides", *(f"{one.private_network:,.2f}" for one in bills)])
    return found


def turned_rows(document: Document) -> list[list[str]]:
    """The totals with something turned."""
    found = []
    for name, changes in document.turned:
        values = {_field(key): _number(value) for key, _, value in (one.partition("=") for one in changes.split(","))}
        prices = _changed(document.prices, values)
        assumed = _changed(document.assumed, values)
        totals = [bill(document.figures, prices, assumed, use).total for use in document.uses]
        found.append([name, f"`{changes}`", *(f"{total:,.2f}" for total in totals)])
    return found


def _changed[T: msgspec.Struct](one: T, values: dict[str, float]) -> T:
    return msgspec.structs.replace(one, **{key: value for key, value in values.items() if key in one.__struct_fields__})


def _field(label: str) -> str:
    return label.strip().lower().replace(" ", "_").replace("-", "_")


def _number(cell: str) -> float:
    return float(cell.strip().replace(",", ""))


def _rate_cells(rate: Rate) -> list[str]:
    return [f"{value:,g}" if value < 1e5 else f"{value:,.0f}" for value in msgspec.structs.astuple(rate)]


def _measured_rows(figures: Figures) -> Iterable[list[str]]:
    for name, timer in figures.timers.items():
        yield [f"`{name}`", f"{timer.runs:,g}", *_rate_cells(timer.storage)]
    for field in Figures.__struct_fields__[1:]:
        yield [field.replace("_", " "), *_rate_cells(getattr(figures, field))]


def _took_rows(run: Measured) -> Iterable[list[str]]:
    for name, function in run.functions.items():
        yield [f"`{name}`", f"{1000 * function.mean_seconds:.0f}"]


def _print(table: Iterable[Sequence[str]]) -> None:
    for row in table:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cost", description="Make the tables of docs/cost.md.")
    parser.add_argument("runs", nargs="*", type=Path, help="what three runs of bench.month printed")
    runs = [msgspec.json.decode(path.read_bytes(), type=Measured) for path in parser.parse_args().runs]
    if runs:
        _print(_measured_rows(figures_of(*runs)))
        print()
        _print(_took_rows(runs[0]))
        return
    document = read(DOCUMENT.read_text())
    _print(bill_rows(document))
    print()
    _print(turned_rows(document))


if __name__ == "__main__":
    main()
