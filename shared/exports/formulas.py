"""Texts that no spreadsheet runs as a formula, and the way back.

A spreadsheet takes a cell that begins with = + - @ (or their full-width forms, in some locales), with a tab or a line
break for a formula, and where it reads the file with another separator than it was written with, a separator, quote or
line break inside a text begins a cell as well (OWASP, "CSV Injection"). In each such place an apostrophe is put in
front. Where apostrophes stand already one more is put in front of them, so that what was put there can be told, and
taken away again. Nothing else of a text changes.
"""

import re
from collections.abc import Callable

_OPENING = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
_SEPARATING = ',;|"\t\r\n'
_BLANK = r"\s\x00-\x1f\x7f\u200b\ufeff"
"""What a spreadsheet may skip before it looks at how a cell begins."""
_GAP = re.compile(rf"([{_SEPARATING}{_BLANK}]+)")
_SEPARATOR = re.compile(f"[{_SEPARATING}]")
_OPENS = re.compile(rf"'*[{re.escape(_OPENING)}]")
_BEGINS_A_FORMULA = re.compile(rf"'*(?:[{_BLANK}]*[{re.escape(_OPENING)}]|[\t\r\n])")


def safe(text: str) -> str:
    """The text with an apostrophe wherever a formula would begin."""
    guarded = _in_each_cell(text, lambda cell: f"'{cell}" if _OPENS.match(cell) else cell)
    return f"'{guarded}" if _BEGINS_A_FORMULA.match(text) else guarded


def as_it_was(text: str) -> str:
    """What `safe` made this text of; without the apostrophe, too, that somebody typed in such a place."""
    found = _in_each_cell(text, lambda cell: cell[1:] if cell.startswith("'") and _OPENS.match(cell) else cell)
    return found[1:] if found.startswith("'") and _BEGINS_A_FORMULA.match(found) else found


def _in_each_cell(text: str, change: Callable[[str], str]) -> str:
    """The text, changed after each gap that separates cells in some spreadsheet."""
    pieces = _GAP.split(text)
    for at in range(2, len(pieces), 2):
        if _SEPARATOR.search(pieces[at - 1]):
            pieces[at] = change(pieces[at])
    return "".join(pieces)
