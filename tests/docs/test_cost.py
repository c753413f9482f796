"""docs/cost.md: its bills follow from the figures and prices that stand in it, those it shares with code and templates
are the same there, and the command that its figures come from counts what it says."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.backed import BackedUp
from bench.bill import active_seconds, bill
from bench.cost import bill_rows, read, rows, turned_rows
from bench.daily import Rate, Timer, figures_of
from bench.month import Function, Log, Measured, Operations, Size
from bench.stored import row_bytes
from shared.backup.contents import KEPT
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "cost.md").read_text()
DOCUMENT = read(TEXT)
MONTH_SECONDS = 730 * 3600


def test_the_bill_is_what_its_figures_and_prices_make() -> None:
    assert rows(TEXT, "USD a month") == bill_rows(DOCUMENT)


def test_so_is_what_can_be_turned() -> None:
    written = [[row[0], f"`{row[1]}`", *row[2:]] for row in rows(TEXT, "turned")]
    assert written == turned_rows(DOCUMENT)


@pytest.mark.parametrize("name", ["price", "assumed"])
def test_no_price_and_no_assumption_can_be_edited_alone(name: str) -> None:
    """All but those that only count with a private network change the bill."""
    unmoved = set()
    for label, cell, *_ in rows(TEXT, name):
        edited = re.sub(
            rf"^\| {re.escape(label)} \| {re.escape(cell)} \|", f"| {label} | 7.5 |", TEXT, flags=re.MULTILINE
        )
        document = read(edited)
        assert document != DOCUMENT
        if bill_rows(document) == bill_rows(DOCUMENT) and turned_rows(document) == turned_rows(DOCUMENT):
            unmoved.add(label)
    assert not unmoved


@pytest.mark.parametrize("place", ["timer", "a day"])
def test_no_measured_figure_can_be_edited_alone(place: str) -> None:
    for label, *_ in rows(TEXT, place):
        edited = re.sub(rf"^(\| `?{label}`? \|.*\| )[\d,.]+( \|)$", r"\g<1>999,999\2", TEXT, flags=re.MULTILINE)
        assert bill_rows(read(edited)) != bill_rows(DOCUMENT), label


def test_every_column_is_headed_by_its_number_of_chargers() -> None:
    chargers = [f"{use.chargers:,.0f}" for use in DOCUMENT.uses]
    assert chargers == ["10", "1,000", "100,000"]
    assert f"| USD a month | {' | '.join(chargers)} |" in TEXT
    assert f"| turned | set | {' | '.join(chargers)} |" in TEXT


def test_the_timers_are_those_of_the_app() -> None:
    code = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    assert DOCUMENT.figures.timers.keys() == set(re.findall(r"timer_trigger\(.*\n@timed\nasync def (\w+)", code))


def test_what_is_assumed_is_what_the_app_and_the_templates_set() -> None:
    assumed = DOCUMENT.assumed
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert assumed.backfill_per_minute == defaults["backfill_chargers_per_minute"]
    assert assumed.history_days == defaults["retention_history_days"]
    main = (ROOT / "infra" / "main.bicep").read_text()
    backups = (ROOT / "infra" / "modules" / "backups.bicep").read_text()
    nights, deleted = re.search(r"backupRetentionDays int = (\d+)", main), re.search(r"days: (\d+)", backups)
    assert nights
    assert deleted
    assert assumed.backups_kept == int(nights[1]) + int(deleted[1])
    for name, value in {"hooksMemoryMB": 1024 * assumed.memory_gb, "hooksAlwaysReady": assumed.web_instances}.items():
        assert f"param {name} int = {value:.0f}" in main
        assert f"param {name.replace('hooks', 'streams')} int = {value:.0f}" in main
    every = re.findall(r"every: '(\w+)'", (ROOT / "infra" / "modules" / "alerts.bicep").read_text())
    assert assumed.alert_rules_5_minutes == every.count("PT5M")
    assert assumed.alert_rules_slower == len(every) - every.count("PT5M")
    availability = (ROOT / "infra" / "modules" / "availability.bicep").read_text()
    seconds = re.findall(r"Frequency: (\d+)", availability)
    assert assumed.availability_looks == len(re.findall(r"^  '[\w-]+' //", availability, re.MULTILINE)) * 86400 / int(
        *seconds
    )
    site = (ROOT / "infra" / "modules" / "site.bicep").read_text()
    assert assumed.platform_logs == site.count("category: 'FunctionAppLogs'")
    host = json.loads((ROOT / "host.json").read_text())["extensions"]["serviceBus"]
    waited = re.fullmatch(r"00:00:(\d\d)", host["maxBatchWaitTime"])
    assert waited
    assert assumed.wait_for_fuller_batch_seconds == (int(waited[1]) if host["minMessageBatchSize"] > 1 else 0)


@pytest.mark.parametrize("path", ["cost.md", "deploy.md"])
def test_an_always_ready_instance_costs_its_memory_at_the_price_of_the_baseline(path: str) -> None:
    table = rows((ROOT / "docs" / path).read_text(), "memory")
    assert [row[0] for row in table] == ["512 MB", "2,048 MB", "4,096 MB"]
    for memory, idle, *busy in table:
        gb = float(memory.removesuffix(" MB").replace(",", "")) / 1024
        assert idle == f"{gb * MONTH_SECONDS * DOCUMENT.prices.always_ready_baseline:.2f}"
        prices = DOCUMENT.prices.always_ready_baseline + DOCUMENT.prices.always_ready_execution
        assert busy in ([], [f"{gb * MONTH_SECONDS * prices:.2f}"])


def test_an_instance_is_active_for_a_second_each_time_and_never_more_than_always() -> None:
    assert active_seconds(1000, 1) == pytest.approx(1000, rel=0.001)
    assert active_seconds(1e12, 1) == pytest.approx(MONTH_SECONDS)
    assert active_seconds(1e12, 3) == pytest.approx(3 * MONTH_SECONDS)


def test_a_timer_that_takes_longer_than_a_minute_runs_less_often_and_costs_no_more_than_the_whole_month() -> None:
    slow = {"sweep": Timer(1440, Rate(charger=1e9))}
    figures = msgspec.structs.replace(DOCUMENT.figures, timers=slow)
    prices = msgspec.structs.replace(DOCUMENT.prices, on_demand_execution=1)
    assumed = msgspec.structs.replace(DOCUMENT.assumed, free_gb_seconds=0, memory_gb=1)
    assert bill(figures, prices, assumed, DOCUMENT.uses[0]).items["timers, executing"] == pytest.approx(MONTH_SECONDS)


def test_three_runs_tell_apart_what_app_installations_and_chargers_need() -> None:
    def run(chargers: int, installations: int, hours: int = 12) -> Measured:
        asked = 100 + 20 * installations + 3 * chargers
        within = asked * hours // 24
        return Measured(
            size=Size(chargers, installations, hours, 1),
            sessions=0,
            functions={
                "backup": Function(1, 0.1, Operations(reads=asked)),
                "sweep": Function(60 * hours, 0.1, Operations(reads=within)),
                "session-start": Function(within, 0.1, Operations(writes=within)),
            },
            behind=Operations(),
            streams=Operations(transactions=within),
            batches=5 * chargers,
            messages=within,
            tables={},
            logs={"hooks": Log(within, within)},
            events={"start.authorized": within, "stream.progress": 77},
            azure={"get": within, "token": 1},
            zapcloud={},
            stored_bytes={"Sessions": within, "ChargerHistory": 2 * within},
            backed_up={"Sessions": BackedUp(within, within, within), "Chargers": BackedUp(9, 9, 9)},
        )

    figures = figures_of(run(10, 1), run(10, 5), run(100, 1, hours=6))
    expected = Rate(100, 20, 3)
    assert figures.timers == {"backup": Timer(2, Rate(200, 40, 6)), "sweep": Timer(1440, expected)}
    assert figures.bursts == Rate(charger=10)
    assert figures.hook_calls == figures.hook_storage == figures.messages == figures.stream_storage == expected
    assert figures.event_lines == figures.vault_requests == figures.session_bytes == expected
    assert figures.history_bytes == Rate(200, 40, 6)
    assert figures.backup_rows == figures.backup_line_bytes == figures.backup_blob_bytes == expected


def test_a_row_takes_what_azure_bills_for_it() -> None:
    row = {"PartitionKey": "ab", "RowKey": "cde", "text": "four", "at": datetime(2026, 3, 2, tzinfo=UTC), "yes": True}
    assert row_bytes(row) == 4 + 2 * 5 + (8 + 8 + 4 + 8) + (8 + 4 + 8) + (8 + 6 + 1)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.month", "--chargers", "2", "--hours", "0.2"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


@pytest.mark.xdist_group("month")
def test_a_session_takes_two_polls_a_card_and_an_end(measured: dict[str, Any]) -> None:
    assert measured["sessions"] == 1
    assert measured["functions"]["session-start"]["runs"] == 3
    assert measured["functions"]["session-end"]["runs"] == 1
    assert measured["events"]["start.authorized"] == 1


@pytest.mark.xdist_group("month")
def test_what_a_timer_asks_of_storage_is_counted_apart(measured: dict[str, Any]) -> None:
    functions = measured["functions"]
    for name in ("sweep", "watch_streams", "watch_rotations", "watch_lockouts"):
        assert functions[name]["runs"] == 12
        assert functions[name]["storage"]["reads"] >= 12
    in_functions = sum(sum(one["storage"].values()) for one in functions.values())
    counted = in_functions + sum(measured["behind"].values()) + sum(measured["streams"].values())
    assert counted == sum(measured["tables"].values())


@pytest.mark.xdist_group("month")
def test_messages_lines_calls_and_bytes_are_counted(measured: dict[str, Any]) -> None:
    assert measured["messages"] >= measured["batches"] > 0
    assert measured["streams"]["writes"] + measured["streams"]["transactions"] >= measured["batches"]
    lines = sum(log["lines"] for log in measured["logs"].values())
    assert lines == sum(measured["events"].values()) >= 12
    assert measured["events"]["sweep.completed"] == 12
    assert measured["azure"]["get"] > 0
    assert measured["zapcloud"]["states"] >= 2
    assert all(measured["stored_bytes"][table] > 0 for table in ("Sessions", "ChargerHistory", "ChargerStates"))


@pytest.mark.xdist_group("month")
def test_what_a_backup_adds_each_night_is_taken_from_one_that_is_made(measured: dict[str, Any]) -> None:
    facts = measured["backed_up"]["Sessions"]
    assert facts["rows"] >= 3
    assert facts["line_bytes"] > facts["blob_bytes"] > 0
    assert "backup" not in measured["functions"]
    assert measured["backed_up"].keys() <= {kept.table for kept in KEPT}


def test_a_backup_costs_its_blobs_for_as_long_as_they_are_kept_and_reads_all_there_has_been() -> None:
    none = Rate()
    figures = msgspec.structs.replace(
        DOCUMENT.figures, backup_rows=none, backup_line_bytes=none, backup_blob_bytes=Rate(app=1e9)
    )
    prices = msgspec.structs.replace(DOCUMENT.prices, backup_space=1, backup_copying=0, backup_writes=0)
    assumed = msgspec.structs.replace(DOCUMENT.assumed, months_kept=2, backups_kept=90)
    use = DOCUMENT.uses[0]
    days = 730 / 24
    assert bill(figures, prices, assumed, use).items["backups"] == pytest.approx(90 * 2 * days)
    copied = msgspec.structs.replace(prices, backup_space=0, backup_copying=1)
    assert bill(figures, copied, assumed, use).items["backups"] == pytest.approx(days * 2 * days)

    once = msgspec.structs.replace(figures, timers={"backup": Timer(1, none)})
    many = msgspec.structs.replace(once, backup_rows=Rate(app=1e6))
    free = msgspec.structs.replace(
        assumed, free_gb_seconds=0, memory_gb=1, backup_rows_per_second=1e4, storage_answers_seconds=0
    )
    a_second = msgspec.structs.replace(prices, on_demand_execution=1)
    longer = bill(many, a_second, free, use).items["timers, executing"]
    shorter = bill(once, a_second, free, use).items["timers, executing"]
    assert longer - shorter == pytest.approx(days * (2 * days * 1e6 / 1e4))
