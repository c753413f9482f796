"""Texts that no spreadsheet runs as a formula.

A spreadsheet takes a cell that begins with = + - @ (or their full-width forms, in some locales), with a tab or a line
break for a formula, and where it reads the file with another separator than it was written with, a separator, quote or
line break inside a text begins a cell as well (OWASP, "CSV Injection"). In each such place an apostrophe is put in
front. Nothing else of a text changes.
"""

import re

_OPENING = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
_SEPARATING = ',;|"\t\r\n'
_BLANK = r"\s\x00-\x1f\x7f\u200b\ufeff"
"""What a spreadsheet may skip before it looks at how a cell begins."""
_GAP = re.compile(rf"[{_SEPARATING}{_BLANK}]+")
_BEGINS_A_FORMULA = re.compile(rf"[{_BLANK}]*[{re.escape(_OPENING)}]|[\t\r\n]")


def safe(text: str) -> str:
    """The text with an apostrophe wherever a formula would begin."""
    guarded = _GAP.sub(_guarded, text)
    return f"'{guarded}" if _BEGINS_A_FORMULA.match(text) else guarded


def _guarded(gap: re.Match[str]) -> str:
    follows = gap.string[gap.end() : gap.end() + 1]
    begins_a_cell = follows and follows in _OPENING and any(one in _SEPARATING for one in gap[0])
    return f"{gap[0]}'" if begins_a_cell else gap[0]
