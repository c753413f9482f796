"""Nothing that somebody calls himself or a card is run by the spreadsheet that opens the log."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.exports.formulas import as_it_was, safe
from shared.exports.session_table import written
from shared.exports.styles import STYLES, StyleName
from shared.storage.session_index import SessionEntry

OPENING = "=+-@\uff1d\uff0b\uff0d\uff20"
"""The last four are the full-width forms."""
SKIPPED = r"[\s\x00-\x1f\x7f\u200b\ufeff]*"
STARTS_A_FORMULA = re.compile(f"{SKIPPED}[{re.escape(OPENING)}]")
"""In any spreadsheet of any locale; after what it may skip."""
BEGINS_A_CELL = re.compile('[,;|"\t\r\n]')
"""For a spreadsheet that was told another separator than the file has."""
DANGEROUS = f"{OPENING}\t\r\n,;|\"' \x00\ufeff"
texts = st.text(st.one_of(st.sampled_from(DANGEROUS), st.characters(codec="utf-8")), max_size=30)
MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


def entry(**changes: object) -> SessionEntry:
    given = {"session_id": "s", "listed_at": MONDAY, "facts": 1, "status": "ended", "start_known": True}
    return SessionEntry(**(given | changes))  # type: ignore[arg-type]


def cells_of(content: bytes, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator, strict=True))


@pytest.mark.parametrize("name", StyleName)
@given(driver=texts, token=texts, place=texts)
@example(driver="=1+1", token="\t=1+1", place="\r\n=1+1")
@example(driver='=1+2";=1+2', token="=1+2'\" ;,=1+2", place="Ada,\n\n -x")
@example(driver="-1,5", token="+47 22 00 00 00", place="@SUM(A1:A9)|cmd")
def test_a_text_begins_no_formula_and_is_otherwise_what_it_was(
    name: StyleName, driver: str, token: str, place: str
) -> None:
    style = STYLES[name]
    one = entry(driver=driver, token_name=token, installation_id="p")
    content = written([one], {"p": place}, style, ZoneInfo("UTC") if style.time_zone else None, heading=False)
    (row,) = cells_of(content, style.separator)
    assert len(row) == len(style.headings)
    for text, cell in zip((place, driver, token), (row[2], row[5], row[6]), strict=True):
        assert not STARTS_A_FORMULA.match(cell)
        assert not cell.startswith(("\t", "\r", "\n"))
        assert not [piece for piece in BEGINS_A_CELL.split(cell) if STARTS_A_FORMULA.match(piece)]
        assert without_apostrophes_in_front(cell) == without_apostrophes_in_front(text)


@given(text=texts)
@example(text="' =1")
@example(text=";'=1")
@example(text="\t''=1")
def test_it_can_be_told_what_the_text_was(text: str) -> None:
    assert as_it_was(safe(text)) == text


def without_apostrophes_in_front(text: str) -> str:
    """Of what could begin a formula, or of a first character that could."""
    opening = f"[{re.escape(OPENING)}]"
    return re.sub(rf"^'+(?={SKIPPED}{opening}|[\t\r\n])|'+(?={opening})", "", text)


@pytest.mark.parametrize("opening", OPENING)
@pytest.mark.parametrize(
    ("before", "instead"),
    [
        ("", "'"),
        (" ", "' "),
        ("\ufeff", "'\ufeff"),
        ("\t", "'\t'"),
        ("a;", "a;'"),
        ('a,"', "a,\"'"),
        ("\n\n", "'\n\n'"),
    ],
)
def test_an_apostrophe_stands_where_a_formula_would_begin(opening: str, before: str, instead: str) -> None:
    content = written([entry(driver=f"{before}{opening}1")], {}, STYLES[StyleName.PLAIN], None, heading=False)
    assert cells_of(content, ",")[0][5] == f"{instead}{opening}1"


@pytest.mark.parametrize(
    "text",
    [
        "Ada",
        "O'Hara, Siân",
        "Åse-Marie",
        "a=b",
        "a =b",
        "Ada - Bob",
        "ada@example.com",
        '5" pipe',
        "two\nlines",
        "two\r\nlines",
        "1,5; 2",
    ],
)
def test_a_text_that_begins_no_formula_stays_as_it_is(text: str) -> None:
    for style in STYLES.values():
        zone = ZoneInfo("UTC") if style.time_zone else None
        (row,) = cells_of(written([entry(driver=text)], {}, style, zone, heading=False), style.separator)
        assert row[5] == text


@pytest.mark.parametrize(("name", "energy", "minutes"), [("plain", "-1.5", "-0.5"), ("no", "-1,5", "-0,5")])
def test_numbers_stay_numbers(name: str, energy: str, minutes: str) -> None:
    """Also those below zero, which a charger with a wrong clock brings about."""
    style = STYLES[StyleName(name)]
    one = entry(start=MONDAY, end=MONDAY - timedelta(seconds=30), energy_kwh=-1.5)
    zone = ZoneInfo("UTC") if style.time_zone else None
    (row,) = cells_of(written([one], {}, style, zone, heading=False), style.separator)
    found = dict(zip(style.headings, row, strict=True))
    assert [cell for heading, cell in found.items() if heading in {"energyKwh", "Energi (kWh)"}] == [energy]
    assert [cell for heading, cell in found.items() if heading in {"minutes", "Minutter"}] == [minutes]


@pytest.mark.parametrize(("energy", "cell"), [(0.00001, "0.00001"), (14.3, "14.3"), (0.0, "0.0"), (None, "")])
def test_energy_has_every_digit_and_no_exponent(energy: float | None, cell: str) -> None:
    content = written([entry(energy_kwh=energy)], {}, STYLES[StyleName.PLAIN], None, heading=False)
    assert cells_of(content, ",")[0][11] == cell


def test_the_hour_that_comes_twice_is_told_apart_by_the_utc_column() -> None:
    """Oslo, 25 October 2026: 02:30 is there in summer time and again in winter time."""
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    style = STYLES[StyleName.NORWEGIAN]
    content = written([entry(start=at, end=at) for at in twice], {}, style, ZoneInfo("Europe/Oslo"), heading=False)
    rows = cells_of(content, ";")
    assert [row[8] for row in rows] == ["25.10.2026 02:30:00"] * 2
    assert [row[10] for row in rows] == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]
