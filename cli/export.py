"""`zapctl sessions export`: the session log as a file for a spreadsheet or a program."""

import csv
import io
import re
import sys
from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, BinaryIO
from zoneinfo import ZoneInfo

import typer

from cli.api import Api
from cli.context import run
from cli.installations import id_of
from cli.opening import App
from cli.output import Output, counted, lines
from cli.private_file import private_file
from cli.sessions import instant
from shared.billing.local_clock import zone_named
from shared.errors import InvalidInput
from shared.exports.styles import STYLES, StyleName

_PAGE = 1000
_STDOUT = "-"


def export(
    context: typer.Context,
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="From then on; 31 days before --to if left out.")
    ] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Before then; now if left out.")] = "",
    month: Annotated[str, typer.Option("--month", metavar="2026-10", help="That month, in place of the two.")] = "",
    installation: Annotated[
        str, typer.Option("--installation", metavar="ID", help="Of this one only, by its id or name.")
    ] = "",
    style: Annotated[
        StyleName, typer.Option("--style", help="For programs, or for a Norwegian or German spreadsheet.")
    ] = StyleName.PLAIN,
    zone: Annotated[
        str,
        typer.Option("--zone", metavar="ZONE", help="Whose clock is meant, such as Europe/Oslo, here and in the file."),
    ] = "",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file; - is stdout.")] = _STDOUT,
) -> None:
    """The session log as CSV, a line for each session, month by month.

    The file is there when all of it is, and only you may read it. Times on the line, and those in the file that are not
    in UTC, are those of --zone; left out, it is Europe/Oslo for `no`, Europe/Berlin for `de`, and else the zone of this
    machine.
    """
    if context.obj.output.as_json and out == _STDOUT:
        raise typer.BadParameter(
            "stdout cannot hold both the file and JSON; `zapctl sessions --json` has the log in JSON"
        )
    if month and (since or until):
        raise typer.BadParameter("is in place of --from and --to", param_hint="--month")
    named = zone or STYLES[style].time_zone
    clock = _zone(named) if named else None
    begin, end = _month(month, clock) if month else (instant("--from", since, clock), instant("--to", until, clock))
    parameters = {"from": begin, "to": end, "style": style, "limit": str(_PAGE)}
    if STYLES[style].time_zone:
        parameters["timeZone"] = named or ""

    async def do(app: App, output: Output) -> None:
        if installation:
            parameters["installation"] = await id_of(app.api, installation)
        asked = {name: text for name, text in parameters.items() if text}
        with output.progress("sessions") as advance:
            if out == _STDOUT:
                await copy(app.api, asked, sys.stdout.buffer, advance)
                return
            with private_file(Path(out)) as file:
                count = await copy(app.api, asked, file, advance)
        output.result({"file": out, "sessions": count}, lambda: lines(f"{counted(count, 'session')} in {out}."))

    run(context, do)


async def copy(api: Api, parameters: Mapping[str, str], file: BinaryIO, advance: Callable[[int], None]) -> int:
    """Write the pages of the export to the file, one at a time in memory; returns how many sessions there were.
    `advance` is told of each page's."""
    separator = STYLES[StyleName(parameters["style"])].separator
    count, headings = 0, 1
    async for page in api.files("/sessions.csv", **parameters):
        file.write(page)
        rows = sum(1 for _ in csv.reader(io.StringIO(page.decode(), newline=""), delimiter=separator)) - headings
        count, headings = count + rows, 0
        advance(rows)
    file.flush()
    return count


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_named(name)
    except InvalidInput as error:
        raise typer.BadParameter("is no IANA time zone, such as Europe/Oslo", param_hint="--zone") from error


def _month(month: str, zone: tzinfo | None) -> tuple[str, str]:
    """Its first instant, and that of the next, by the clock of `zone` or of this machine."""
    if not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise typer.BadParameter("a month is written 2026-10", param_hint="--month")
    year, number = int(month[:4]), int(month[5:])
    following = f"{year + number // 12:04}-{number % 12 + 1:02}"
    return instant("--month", f"{month}-01", zone), instant("--month", f"{following}-01", zone)
