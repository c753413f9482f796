"""`zapctl sessions export`: the whole log of a time in one file, or no file."""

import asyncio
import csv
import io
import json
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from cli.exits import Exit
from devhost.stack import Stack
from tests.cli.conftest import describe
from tests.cli.zapctl import STDOUT_IS_FULL, Zapctl
from tests.exports.conftest import INSTALLATION, NAME, Log

OF_THE_NIGHT = ("--from", "2025-10-26", "--to", "2025-10-27")


async def whole(management: httpx.AsyncClient, log: Log, **parameters: str) -> bytes:
    answer = await management.get("/sessions.csv", params=log.span | parameters)
    return answer.raise_for_status().content


@pytest.mark.parametrize("style", ["plain", "no", "de"])
async def test_the_file_is_what_the_api_answers(
    zapctl: Zapctl, management: httpx.AsyncClient, log: Log, style: str
) -> None:
    span = ("--from", log.span["from"], "--to", log.span["to"])
    ended = await zapctl("sessions", "export", *span, "--installation", NAME, "--style", style, "--out", "log.csv")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "12 sessions in log.csv.\n"
    file = zapctl.folder / "log.csv"
    assert file.read_bytes() == await whole(management, log, style=style)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in zapctl.folder.iterdir() if one.name != ".local"] == ["log.csv"]


async def test_stdout_takes_it_as_well(zapctl: Zapctl, management: httpx.AsyncClient, log: Log) -> None:
    span = ("--from", log.span["from"], "--to", log.span["to"])
    ended = await zapctl("sessions", "export", *span, "--installation", INSTALLATION)
    assert ended.code == 0
    assert ended.out.encode() == await whole(management, log)


@pytest.mark.parametrize(
    ("options", "first", "count"),
    [
        (["--style", "no", "--month", "2025-10"], "26.10.2025 00:30:00", 12),
        (["--style", "no", "--from", "2025-10-26T03:00", "--to", "2025-10-26T05:00"], "26.10.2025 03:30:00", 2),
        (["--style", "de", "--zone", "Asia/Tokyo", "--from", "2025-10-26T12:00"], "26.10.2025 12:30:00", 7),
        (["--style", "plain", "--zone", "Asia/Tokyo", "--from", "2025-10-26T12:00"], "2025-10-26T03:30:00Z", 7),
        (["--style", "plain", "--from", "2025-10-26T12:00+09:00"], "2025-10-26T03:30:00Z", 7),
        (["--month", "2025-11"], "", 0),
    ],
)
async def test_days_and_months_begin_by_the_clock_that_is_meant(
    zapctl: Zapctl, log: Log, options: list[str], first: str, count: int
) -> None:
    """That of the style, or of --zone, or of this machine, which is in Oslo."""
    limits = [] if "--to" in options or "--month" in options else ["--to", "2025-10-27"]
    ended = await zapctl("sessions", "export", *options, *limits, "--installation", INSTALLATION)
    assert ended.code == 0
    rows = list(csv.reader(io.StringIO(ended.out, newline=""), delimiter="," if "plain" in options else ";"))[1:]
    assert len(rows) == count
    assert not rows or rows[0][8] == first


async def test_json_says_what_was_written(zapctl: Zapctl, log: Log) -> None:
    ended = await zapctl("sessions", "export", *OF_THE_NIGHT, "--installation", NAME, "--out", "log.csv", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json == {"file": "log.csv", "sessions": 12}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--json"], "stdout"),
        (["--month", "2025-13"], "--month"),
        (["--month", "2025-10", "--from", "2025-10-01"], "--month"),
        (["--zone", "Oslo"], "--zone"),
        (["--from", "yesterday"], "--from"),
        (["--style", "sv"], "--style"),
    ],
)
async def test_a_line_that_makes_no_sense_is_an_error_of_usage(
    zapctl: Zapctl, log: Log, options: list[str], named: str
) -> None:
    ended = await zapctl("sessions", "export", *options)
    assert ended.code == Exit.USAGE
    assert named in ended.err
    assert ended.out == ""


async def test_options_of_the_list_are_not_lost_before_export(zapctl: Zapctl, log: Log) -> None:
    ended = await zapctl("sessions", "--from", "2025-10-26", "export")
    assert ended.code == Exit.USAGE
    assert "export" in ended.err


async def test_how_far_it_is_shows_on_a_terminal_and_not_in_the_file(zapctl: Zapctl, log: Log) -> None:
    ended = await zapctl.on_terminal("sessions", "export", *OF_THE_NIGHT, "--out", "log.csv")
    assert ended.code == 0
    assert "sessions" in ended.out
    assert (zapctl.folder / "log.csv").read_text().startswith("sessionId,")


def is_a_device(path: str) -> bool:
    return Path(path).is_char_device()


@pytest.mark.parametrize("out", ["missing/log.csv", "/dev/null", "."])
async def test_where_no_file_can_be_none_is_made(zapctl: Zapctl, log: Log, out: str) -> None:
    ended = await zapctl("sessions", "export", *OF_THE_NIGHT, "--out", out)
    assert ended.code == Exit.NOT_DONE
    assert out in ended.err
    assert is_a_device("/dev/null")


async def test_a_stdout_that_takes_no_more_is_told_and_no_fault_of_zapctl(zapctl: Zapctl, log: Log) -> None:
    """/dev/full is as a disk without room."""
    ended = await zapctl.in_shell(f"zapctl sessions export {' '.join(OF_THE_NIGHT)} > /dev/full")
    assert (ended.code, ended.err) == (Exit.NOT_DONE, STDOUT_IS_FULL)


@pytest.fixture
async def breaking(stack: Stack, tmp_path: Path) -> AsyncIterator[asyncio.Event]:
    """An app that has more after the first page, and never says what; set when it is asked. A former file is there."""
    asked, done_with = asyncio.Event(), asyncio.Event()

    async def page(request: web.Request) -> web.Response:
        if "cursor" not in request.query:
            headers = {"Content-Type": "text/csv; charset=utf-8", "Link": '<sessions.csv?cursor=x>; rel="next"'}
            return web.Response(body=b"sessionId\r\n1\r\n", headers=headers)
        asked.set()
        if "/slow" in request.path:
            await done_with.wait()
        return web.json_response(
            {"detail": "Table Storage did not answer"}, status=503, content_type="application/problem+json"
        )

    app = web.Application()
    app.router.add_get("/{speed}/api/sessions.csv", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    describe(stack, tmp_path, base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/quick")
    (tmp_path / "log.csv").write_text("of last month")
    yield asked
    done_with.set()
    await runner.cleanup()


def what_is_there(folder: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in folder.iterdir() if one.is_file()}


async def test_a_failure_on_the_way_leaves_the_former_file_and_no_other(
    breaking: asyncio.Event, tmp_path: Path
) -> None:
    ended = await Zapctl(tmp_path)("sessions", "export", *OF_THE_NIGHT, "--out", "log.csv")
    assert breaking.is_set()
    assert ended.code == Exit.UNAVAILABLE
    assert what_is_there(tmp_path) == {"log.csv": "of last month"}


async def test_so_does_whoever_interrupts_it(breaking: asyncio.Event, stack: Stack, tmp_path: Path) -> None:
    slow = json.loads((tmp_path / ".local" / "stack.json").read_text())["base_url"].replace("quick", "slow")
    describe(stack, tmp_path, base_url=slow)
    async with Zapctl(tmp_path).started("sessions", "export", *OF_THE_NIGHT, "--out", "log.csv") as process:
        await asyncio.wait_for(breaking.wait(), 60)
        assert len(what_is_there(tmp_path)) == 2
        process.send_signal(signal.SIGINT)
        await process.wait()
    assert process.returncode == 130
    assert what_is_there(tmp_path) == {"log.csv": "of last month"}


async def test_the_list_is_still_there(zapctl: Zapctl, management: httpx.AsyncClient, log: Log) -> None:
    listed = await management.get("/sessions", params=log.span)
    ended = await zapctl("sessions", *OF_THE_NIGHT, "--installation", NAME, "--json")
    assert json.loads(ended.out) == listed.json()
