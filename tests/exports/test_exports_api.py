"""GET /api/sessions.csv: the log as the list has it, as a file that the spreadsheet of the style reads."""

import csv
import io
from datetime import datetime
from typing import Any

import httpx
import pytest

from devhost.stack import Stack
from tests.exports.conftest import CHARGER, DRIVERS, INSTALLATION, NAME, Log

SEPARATOR = {"plain": ",", "no": ";", "de": ";"}


async def exported(management: httpx.AsyncClient, **parameters: str) -> httpx.Response:
    return (await management.get("/sessions.csv", params=parameters)).raise_for_status()


def table(text: str, separator: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


async def test_a_file_says_what_the_list_says(management: httpx.AsyncClient, log: Log) -> None:
    listed = (await management.get("/sessions", params=log.span)).raise_for_status().json()["items"]
    answer = await exported(management, **log.span)
    rows = table(answer.text)
    assert len(rows) == len(listed) == len(log.entries)
    for row, one in zip(rows, listed, strict=True):
        assert row["sessionId"] == one["sessionId"]
        assert row["installationId"] == INSTALLATION
        assert row["chargerId"] == CHARGER
        assert row["charger"] == "Plass 7"
        assert (row["start"], row["end"]) == (one["start"], one["end"] or "")
        assert row["energyKwh"] == ("" if one["energyKwh"] is None else str(one["energyKwh"]))
        assert row["billable"] == str(one["billable"]).lower()
        assert row["flags"].split() == one["flags"]
        assert (row["status"], row["source"]) == (one["status"], one["source"])
        assert row["tokenName"] == "blue tag"
        assert row["replacedBy"] == row["signature"] == ""
    assert [row["minutes"] for row in rows[:3]] == ["30.0", "30.02", "30.03"]
    assert rows[11]["minutes"] == ""


async def test_what_would_run_as_a_formula_has_an_apostrophe_in_front(management: httpx.AsyncClient, log: Log) -> None:
    rows = table((await exported(management, **log.span)).text)
    assert [row["driver"] for row in rows[:4]] == [f"'{DRIVERS[0]}", DRIVERS[1], DRIVERS[2], "'-2+3;'@SUM(A1)"]
    assert {row["installation"] for row in rows} == {NAME.replace("-", "'-")}
    assert rows[4]["externalId"] == "'@home"


async def test_the_plain_style_is_that_of_rfc_4180(management: httpx.AsyncClient, log: Log) -> None:
    answer = await exported(management, **log.span)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.content.startswith(b"sessionId,installationId,")
    assert answer.content.endswith(b"\r\n")
    name = 'attachment; filename="sessions_2025-10-25_2025-10-27.csv"'
    assert answer.headers["content-disposition"] == name
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("style", "start", "energy", "billable", "yes", "no", "zone"),
    [
        ("no", "Start", "Energi (kWh)", "Fakturerbar", "ja", "nei", "Europe/Oslo"),
        ("de", "Beginn", "Energie (kWh)", "Abrechenbar", "ja", "nein", "Europe/Berlin"),
    ],
)
async def test_a_spreadsheet_of_a_language_reads_it_by_double_click(
    management: httpx.AsyncClient,
    log: Log,
    style: str,
    start: str,
    energy: str,
    billable: str,
    yes: str,
    no: str,
    zone: str,
) -> None:
    """Byte order mark, semicolons, decimal commas, local times; and UTC, since 02:30 is there twice that night."""
    answer = await exported(management, **log.span, style=style)
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = table(answer.content.decode("utf-8-sig"), ";")
    assert [row[f"{start} ({zone})"] for row in rows[:4]] == [
        "26.10.2025 00:30:00",
        "26.10.2025 01:30:00",
        "26.10.2025 02:30:00",
        "26.10.2025 02:30:00",
    ]
    assert [row[f"{start} (UTC)"] for row in rows[2:4]] == ["2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z"]
    assert [row[energy] for row in rows[:4]] == ["0,0", "0,125", "0,25", "0,375"]
    assert [row[billable] for row in rows[:2]] == [no, yes]


async def test_local_times_are_those_of_the_zone_that_is_asked_for(management: httpx.AsyncClient, log: Log) -> None:
    answer = await exported(management, **log.span, style="no", timeZone="Asia/Kolkata")
    rows = table(answer.content.decode("utf-8-sig"), ";")
    assert rows[0]["Start (Asia/Kolkata)"] == "26.10.2025 04:00:00"


@pytest.mark.parametrize("style", SEPARATOR)
@pytest.mark.parametrize("limit", [1, 5, 12])
async def test_the_pages_one_after_the_other_are_the_file(
    management: httpx.AsyncClient, log: Log, style: str, limit: int
) -> None:
    whole = (await exported(management, **log.span, style=style)).content
    answer = await exported(management, **log.span, style=style, limit=str(limit))
    together, pages = answer.content, 1
    while "next" in answer.links:
        answer = await management.get(str(answer.url.join(answer.links["next"]["url"])))
        assert answer.raise_for_status().headers["content-type"] == "text/csv; charset=utf-8; header=absent"
        together += answer.content
        pages += 1
    assert together == whole
    assert pages == -(-12 // limit)


async def test_the_next_page_goes_on_where_the_first_was_asked_and_holds_no_key(stack: Stack, log: Log) -> None:
    """Without `to` that is the instant of the first question; a function key in the address is not repeated."""
    key = stack.host.function_key
    async with httpx.AsyncClient(base_url=stack.host.api) as nobody:
        parameters = {"code": key, "from": log.span["from"], "limit": "2"}
        answer = (await nobody.get("/sessions.csv", params=parameters)).raise_for_status()
        following = answer.url.join(answer.links["next"]["url"])
        assert key not in str(following)
        assert datetime.fromisoformat(following.params["from"]) == datetime.fromisoformat(log.span["from"])
        assert datetime.fromisoformat(following.params["to"]).year == 2026
        assert (await nobody.get(following)).status_code == 401


async def test_a_log_without_sessions_is_a_heading(management: httpx.AsyncClient, log: Log) -> None:
    empty = {"from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}
    answer = await exported(management, **empty)
    assert answer.text.count("\r\n") == 1
    assert "next" not in answer.links


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"style": "sv"}, "style"),
        ({"limit": "5001"}, "limit"),
        ({"installation": "here"}, "installation"),
        ({"from": "yesterday"}, "from"),
        ({"style": "no", "timeZone": "Oslo"}, "timeZone"),
        ({"timeZone": "Europe/Oslo"}, "timeZone"),
        ({"cursor": "nonsense"}, "cursor"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_name(
    management: httpx.AsyncClient, log: Log, parameters: dict[str, str], wrong: str
) -> None:
    answer = await management.get("/sessions.csv", params=parameters)
    assert answer.status_code == 400
    problem: dict[str, Any] = answer.json()
    assert list(problem["errors"]) == [wrong]


async def test_nobody_without_a_key_gets_it(stack: Stack, log: Log) -> None:
    async with httpx.AsyncClient(base_url=stack.host.api) as nobody:
        assert (await nobody.get("/sessions.csv", params=log.span)).status_code == 401
