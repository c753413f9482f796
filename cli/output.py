"""What zapctl says: results on stdout, as tables or as JSON; everything else on stderr.

Colours and progress appear on a terminal only. In a pipe a table is as wide as its content, so that nothing is cut.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

_WIDE = 1000
"""Columns of a pipe."""


class Output:
    """With `as_json`, stdout carries the one JSON document of `result` and nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = _console(sys.stdout)
        self._notes = _console(sys.stderr)

    def result(self, content: object, view: Callable[[], RenderableType]) -> None:
        """What the command is for: `content` for machines, `view` for people."""
        if self.as_json:
            self.text(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
        elif self.console.is_terminal:
            self.console.print(view(), crop=False)
        else:
            with self.console.capture() as captured:
                self.console.print(view(), crop=False)
            self.text("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def entry(self, content: object, text: str) -> None:
        """One of several results that come over time: a line of JSON, or of text."""
        self.text((msgspec.json.encode(content).decode() if self.as_json else plain(text).plain) + "\n")

    def text(self, text: str) -> None:
        """A file on stdout, as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        self._notes.print(plain(text))

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """A bar while something long goes on; call what it gives with the number that was done."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        shown = Progress(*columns, console=self._notes, transient=True, disable=not self._notes.is_terminal)
        with shown:
            task = shown.add_task(what, total=total)
            yield lambda done: shown.advance(task, done)


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


class Rows:
    """Rows under headings; where a terminal is too narrow for them, each row's cells under each other."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
        self._columns = columns
        self._rows = [[cell if isinstance(cell, Text) else plain(cell) for cell in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        side_by_side = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in self._columns:
            side_by_side.add_column(column)
        for row in self._rows:
            side_by_side.add_row(*row)
        if Measurement.get(console, options.update(max_width=_WIDE), side_by_side).maximum <= options.max_width:
            yield side_by_side
            return
        for row in self._rows:
            for column, cell in zip(self._columns, row, strict=True):
                yield Text.assemble((f"{column}: ", "bold"), cell)
            yield Text()


def lines(*parts: RenderableType) -> Group:
    """Parts under each other; texts are shown as they are."""
    return Group(*(plain(part) if isinstance(part, str) else part for part in parts))


def plain(text: str, style: str = "") -> Text:
    """Text as it is; what would steer a terminal, which a name or label may hold, is shown as a question mark."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text), style=style)


def local(instant: str | None) -> str:
    """An instant of the API in the zone of this machine, which is named."""
    if instant is None:
        return "-"
    return f"{datetime.fromisoformat(instant).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def masked(card: str) -> str:
    """A card number, of which the last four characters are told."""
    return f"…{card[-4:]}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
