"""The CSV of tokens: what it may look like, what is found wrong with it, and that nothing is lost on the way round."""

import csv
import io
import re
import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.token_file import Card, Fault, read, write

HEADING = "token,driver,label,validFrom,validTo,blocked,installations,chargers,maxConcurrent"
HERE, THERE = "0f0e8f4e-7a55-4bd1-9f7e-2f3a1d4c5b6a", "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"


def cards(text: str | bytes) -> list[Card]:
    content = text if isinstance(text, bytes) else text.encode()
    rows, faults = read(content)
    assert faults == []
    return [Card(token=row.token, **row.given) for row in rows]


def faults(text: str | bytes) -> list[tuple[int, str]]:
    """Where something is wrong."""
    found = read(text if isinstance(text, bytes) else text.encode())[1]
    assert all(fault.fault for fault in found)
    return [(fault.line, fault.column) for fault in found]


def test_a_file_needs_no_more_than_the_numbers() -> None:
    assert cards("token\n04:a1:b2:c3\nnfc-04A1B2C4\n") == [Card(token="04A1B2C3"), Card(token="04A1B2C4")]


@pytest.mark.parametrize("mark", ["", "\N{ZERO WIDTH NO-BREAK SPACE}"], ids=["bare", "byte order mark"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_every_spreadsheets_way_of_writing_is_understood(mark: str, delimiter: str, newline: str) -> None:
    lines = (
        ("Driver", " TOKEN", "validto", "Blocked", "installations", "MAXCONCURRENT", "#note"),
        ("Åse Øvrebø", "04-A1-B2-C3", "2027-01-01T00:00+01:00", "Yes", f"{HERE}|{THERE.upper()}", "2", "late"),
        ("", "04A1B2C4", "", "", f"{HERE} {THERE}", "", ""),
        ("", "", "", "", "", "", ""),
    )
    text = mark + newline.join(delimiter.join(line) for line in lines)
    first, second = cards(text)
    assert first == Card(
        token="04A1B2C3",
        driver="Åse Øvrebø",
        valid_to=datetime(2026, 12, 31, 23, tzinfo=UTC),
        blocked=True,
        installations=(HERE, THERE),
        max_concurrent=2,
    )
    assert second == Card(token="04A1B2C4", installations=(HERE, THERE))


def test_a_missing_column_says_nothing_and_an_empty_cell_says_none() -> None:
    ((row,), _) = read(b"token,driver\n04A1B2C3,\n")
    assert row.given == {"driver": None}


def test_a_space_behind_a_comma_is_no_part_of_a_name_unless_it_is_in_quotes() -> None:
    first, second = cards('token, driver\n04A1B2C3, Ada\n04A1B2C4, " Ada"\n')
    assert (first.driver, second.driver) == ("Ada", " Ada")
    assert cards(write([first, second])) == [first, second]


def test_every_fault_of_every_line_is_found_with_its_place() -> None:
    lines = [
        HEADING,
        f"04A1B2C3,Ada,,,,no,{HERE},,1",
        "kitchen!,Ada,,,,no,,,",
        f"04A1B2C4,{'x' * 201},,tomorrow,2026-12-31T23:59,maybe,Fjordveien,{HERE},0",
        "04A1B2C5,Ada",
        '04A1B2C6,"two\nlines",,,,,,,',
        "04A1B2C7,,,2300-01-01,9999-01-01T00:00:00Z,,,,201",
        ",,,,,,,,7",
    ]
    assert faults("\n".join(lines)) == [
        (3, "token"),
        (4, "driver"),
        (4, "validFrom"),
        (4, "validTo"),
        (4, "blocked"),
        (4, "installations"),
        (4, "maxConcurrent"),
        (5, ""),
        (8, "validFrom"),
        (8, "validTo"),
        (8, "maxConcurrent"),
        (9, "token"),
    ]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", (1, "token")),
        (b"driver,label\nAda,blue\n", (1, "token")),
        (b"token,drver\n04A1B2C3,Ada\n", (1, "drver")),
        (b"token,driver,Driver\n04A1B2C3,Ada,Ada\n", (1, "driver")),
        ("token,driver\n04A1B2C3,Ada\n04A1B2C4,Åse\n".encode("cp1252"), (3, "")),
        ("token\n04A1B2C3\n".encode("utf-16"), (1, "")),
        (b'token,driver\n04A1B2C3,"Ada" Lovelace\n', (2, "")),
        (b'token,driver\n04A1B2C3,"Ada\n', (2, "")),
    ],
    ids=["empty", "no token", "misspelt", "twice", "cp1252", "utf-16", "quotes inside", "quote left open"],
)
def test_a_file_that_cannot_be_used_says_why(content: bytes, place: tuple[int, str]) -> None:
    assert faults(content)[:1] == [place]


def test_cp1252_is_told_how_to_be_saved() -> None:
    ((), (fault,)) = read("token,driver\n04A1B2C3,Åse\n".encode("cp1252"))
    assert "CSV UTF-8" in fault.fault


NAMES = [
    *("=1+1", "+47 123", "-", "@Ada", "'=1+1", "''@x", "\t=x", "'", "'s-Hertogenbosch"),
    *(
        "y;=1+1;z",
        "y;'=1+1",
        "y;''=1+1",
        " =1+1",
        "' =1+1",
        "\uff1d1+1",
        "a|\uff0b1",
        'a "=1',
        "\n=1",
        "; '=1",
        "O'H, -x",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_is_run_by_a_spreadsheet_and_none_is_changed_for_good(name: str) -> None:
    card = Card(token="04A1B2C3", driver=name, label=name)
    text = write([card])
    ((_, driver, label, *_),) = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert not driver.startswith(("=", "+", "-", "@", "\t"))
    assert driver == label
    assert cards(text) == [card]
    assert not formulas_in(text)


SKIPPED = r"[\s\x00-\x1f\x7f\u200b\ufeff]*"
STARTS_A_FORMULA = re.compile(rf"{SKIPPED}[=+\-@\uff1d\uff0b\uff0d\uff20]")


def formulas_in(text: str) -> list[str]:
    """What a spreadsheet would run that takes any of the usual separators for its own; quotes hold nothing together."""
    return [piece for piece in re.split('[,;|"\t\r\n]', text) if STARTS_A_FORMULA.match(piece)]


@pytest.mark.parametrize(
    "cell",
    ["O'Hara", "'s-Hertogenbosch", "'", "''", "a;'b", "a;=1", " =1", "-5", "+47 123", "\uff1d1", "rock 'n' roll"],
)
def test_a_cell_that_somebody_typed_is_read_as_typed(cell: str) -> None:
    assert [card.driver for card in cards(f'token,driver\n04A1B2C3,"{cell}"\n')] == [cell]


_TRICKY = st.sampled_from(string.whitespace + ",;'\"=+-@#|\ufeff\uff1d\uff20\u200b\x00")
_Texts = (
    st.none() | st.text(st.characters(codec="utf-8") | _TRICKY, min_size=1, max_size=20) | st.text(_TRICKY, min_size=1)
)
_Instants = st.none() | st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(8999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
_Ids = st.lists(st.uuids().map(str), max_size=3).map(tuple)
_Cards = st.builds(
    Card,
    token=st.from_regex(r"[0-9A-Z]{1,64}|ble-[0-9a-z\-]{1,64}", fullmatch=True),
    driver=_Texts,
    label=_Texts,
    valid_from=_Instants,
    valid_to=_Instants,
    blocked=st.booleans(),
    installations=_Ids,
    chargers=_Ids,
    max_concurrent=st.none() | st.integers(1, 200),
)


@settings(max_examples=500)
@given(st.lists(_Cards, max_size=5))
def test_what_is_written_is_read_as_it_was_and_begins_no_formula(given_cards: list[Card]) -> None:
    text = write(given_cards)
    assert cards(text.encode("utf-8-sig")) == given_cards
    assert not formulas_in(text)


def test_a_faulty_line_is_no_row() -> None:
    rows, found = read(b"token,blocked\n04A1B2C3,perhaps\n04A1B2C4,no\n")
    assert [row.token for row in rows] == ["04A1B2C4"]
    assert found == [Fault(2, "blocked", "must be yes or no")]
