"""The CSV of tokens: what `tokens import` reads and `tokens export` writes.

UTF-8, with a heading in any letter case and order, separated by commas, semicolons or tabs. A column that is missing
leaves its field as it is stored; an empty cell clears it. A column whose heading begins with # is for people.

What a spreadsheet would run as a formula gets an apostrophe in front, which reading takes away again
(`shared/exports/formulas.py`).
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from shared.access.card import normalize
from shared.errors import InvalidInput
from shared.exports.formulas import as_it_was, safe
from shared.identifiers import canonical_uuid

if TYPE_CHECKING:
    from _csv import Reader

_LONGEST_TEXT = 200
_MOST_IDS = 200
_YES, _NO = {"true", "yes", "1"}, {"false", "no", "0", ""}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Card(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token as `PUT /api/tokens` takes it; `token` is the normalized number."""

    token: str
    driver: str | None = None
    label: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    blocked: bool = False
    installations: tuple[str, ...] = ()
    chargers: tuple[str, ...] = ()
    max_concurrent: int | None = None


class Fault(msgspec.Struct, frozen=True):
    """What is wrong in a line of the file; `column` is empty where it is the line as a whole."""

    line: int
    column: str
    fault: str


class Row(msgspec.Struct, frozen=True):
    """A line that can be used: the card's number, and the fields the file has a column for."""

    line: int
    token: str
    given: dict[str, Any]


class _WrongCell(Exception):
    """The message says what the cell must be."""


def read(content: bytes) -> tuple[list[Row], list[Fault]]:
    """The rows of a file and all its faults."""
    if content.startswith(_UTF_16):
        return [], [Fault(1, "", "the file is in UTF-16; save it as “CSV UTF-8”")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return [], [Fault(line, "", "not UTF-8 (an older spreadsheet's cp1252?); save the file as “CSV UTF-8”")]
    file = io.StringIO(text, newline="")
    lines = csv.reader(file, delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    try:
        heading = next(lines, [])
        columns, faults = _columns(heading)
        return ([], faults) if faults else _rows(lines, columns)
    except csv.Error as error:
        return [], [Fault(lines.line_num, "", f"not CSV: {error}")]


def write(cards: Iterable[Card]) -> str:
    """A file that `read` gives the same cards of."""
    return table(list(_FIELDS), (_cells(card) for card in cards))


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """CSV that is safe in a spreadsheet. A row is in quotes where a space that begins a cell must not get lost."""
    file = io.StringIO(newline="")
    bare = csv.writer(file, lineterminator="\n")
    quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    bare.writerow(heading)
    for row in rows:
        cells = [safe(cell) for cell in row]
        (quoted if any(cell.startswith(" ") for cell in cells) else bare).writerow(cells)
    return file.getvalue()


def _delimiter(text: str) -> str:
    heading = text.partition("\n")[0]
    return max(",;\t", key=heading.count)


def _columns(heading: Sequence[str]) -> tuple[list[str | None], list[Fault]]:
    """The field of each column, None for one that is not read."""
    spelt = {name.lower(): name for name in _FIELDS}
    names = [cell.strip() for cell in heading]
    columns = [None if name.startswith("#") else spelt.get(name.lower()) for name in names]
    faults = [
        Fault(1, name, f"no such column; there are {', '.join(_FIELDS)}, and # begins one that is not read")
        for name, column in zip(names, columns, strict=True)
        if column is None and not name.startswith("#")
    ]
    faults += [Fault(1, name, "this column is there twice") for name in _FIELDS if columns.count(name) > 1]
    if "token" not in columns:
        faults.append(Fault(1, "token", "the file needs a heading with the column token"))
    return columns, faults


def _rows(lines: "Reader", columns: Sequence[str | None]) -> tuple[list[Row], list[Fault]]:
    rows, faults, begins = [], [], lines.line_num + 1
    for cells in lines:
        line, begins = begins, lines.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            faults.append(Fault(line, "", f"{len(cells)} cells under {len(columns)} headings"))
            continue
        given: dict[str, Any] = {}
        wrong: list[Fault] = []
        for column, cell in zip(columns, cells, strict=True):
            if column is not None:
                field, parse = _FIELDS[column]
                try:
                    given[field] = parse(as_it_was(cell))
                except _WrongCell as error:
                    wrong.append(Fault(line, column, str(error)))
        if not wrong:
            rows.append(Row(line, given.pop("token"), given))
        faults += wrong
    return rows, faults


def _number(cell: str) -> str:
    try:
        return normalize(cell)
    except InvalidInput as error:
        raise _WrongCell(str(error)) from None


def _text(cell: str) -> str | None:
    if len(cell) > _LONGEST_TEXT:
        raise _WrongCell(f"longer than {_LONGEST_TEXT} characters")
    return cell or None


def _instant(cell: str) -> datetime | None:
    if not cell.strip():
        return None
    wrong = _WrongCell("must be a day, a time and a zone, such as 2026-12-31T23:59:59+01:00")
    try:
        instant = datetime.fromisoformat(cell.strip())
    except ValueError:
        raise wrong from None
    if instant.tzinfo is None:
        raise wrong
    if not 1970 <= instant.year < 9000:
        raise _WrongCell("must lie between 1970 and 9000")
    return instant.astimezone(UTC)


def _yes_or_no(cell: str) -> bool:
    said = cell.strip().lower()
    if said not in _YES | _NO:
        raise _WrongCell("must be yes or no")
    return said in _YES


def _ids(cell: str) -> tuple[str, ...]:
    texts = cell.replace("|", " ").split()
    ids = [canonical_uuid(text) for text in texts]
    if None in ids or len(ids) > _MOST_IDS:
        raise _WrongCell(f"must be at most {_MOST_IDS} ids, as Zaptec Portal shows them, with spaces between")
    return tuple(one for one in ids if one)


def _count(cell: str) -> int | None:
    if not cell.strip():
        return None
    if not re.fullmatch("[0-9]{1,3}", cell.strip()) or not 1 <= int(cell) <= 200:
        raise _WrongCell("must be a whole number from 1 to 200")
    return int(cell)


_FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "token": ("token", _number),
    "driver": ("driver", _text),
    "label": ("label", _text),
    "validFrom": ("valid_from", _instant),
    "validTo": ("valid_to", _instant),
    "blocked": ("blocked", _yes_or_no),
    "installations": ("installations", _ids),
    "chargers": ("chargers", _ids),
    "maxConcurrent": ("max_concurrent", _count),
}
"""The columns: the field each fills, and how its cells are read."""


def _cells(card: Card) -> list[str]:
    return [
        card.token,
        card.driver or "",
        card.label or "",
        _written(card.valid_from),
        _written(card.valid_to),
        "yes" if card.blocked else "no",
        " ".join(card.installations),
        " ".join(card.chargers),
        "" if card.max_concurrent is None else str(card.max_concurrent),
    ]


def _written(instant: datetime | None) -> str:
    return instant.isoformat().replace("+00:00", "Z") if instant else ""
