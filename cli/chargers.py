"""`zapctl state`: what the chargers do now, once or as it changes."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live

from cli.api import path_part
from cli.context import run
from cli.exits import Exit, Failure
from cli.installations import known_installations
from cli.opening import App
from cli.output import Output, Rows, lines, local, masked

_LONGEST_VALUE = 48
_CARD = re.compile(r"nfc-([0-9A-F]+)", re.IGNORECASE)


def state(
    context: typer.Context,
    charger: Annotated[str, typer.Argument(metavar="CHARGER", help="Only this one, by its id or serial.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted (Ctrl-C).")] = False,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="How often --watch looks.")] = 5,
) -> None:
    """What the chargers do now; with CHARGER everything that one observes.

    With --watch a terminal shows the table as it changes; a pipe gets a line, or with --json a JSON document, for each
    charger or observation whenever it is another than before.
    """

    async def show(app: App, output: Output) -> None:
        board = await _read(app, charger)
        if not watch:
            output.result(board.answer, board.view)
        elif output.console.is_terminal and not output.as_json:
            with Live(board.view(), console=output.console, auto_refresh=False) as live:
                async for board in _looking_again(app, charger, every, output):
                    if not output.console.is_terminal:  # it was closed
                        return
                    live.update(board.view(), refresh=True)
        else:
            _tell_changes({}, board, output)
            async for newer in _looking_again(app, charger, every, output):
                _tell_changes(board.items, newer, output)
                board = newer

    async def show_until_interrupted(app: App, output: Output) -> None:
        try:
            await show(app, output)
        except asyncio.CancelledError:
            if not watch:
                raise

    run(context, show_until_interrupted)


@dataclass(frozen=True)
class Board:
    """An answer of the API, and its rows by what they are about: each as the API has it, and as shown."""

    answer: dict[str, Any]
    items: dict[str, dict[str, Any]]
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    heading: str = ""

    def view(self) -> RenderableType:
        if not self.rows:
            return lines("No charger yet; `zapctl setup` adds installations with theirs.")
        rows = Rows(self.columns, self.rows.values())
        return lines(self.heading, rows) if self.heading else rows


async def _read(app: App, charger: str) -> Board:
    return await (_one(app, charger) if charger else _all(app))


async def _looking_again(app: App, charger: str, every: float, output: Output) -> AsyncIterator[Board]:
    """A new board every so many seconds; while the app cannot be asked, a note instead."""
    while True:
        await asyncio.sleep(every)
        try:
            yield await _read(app, charger)
        except Failure as failure:
            if failure.exit_code not in {Exit.UNREACHABLE, Exit.UNAVAILABLE}:
                raise
            output.note(f"{failure} (looking again)")


def _tell_changes(before: dict[str, dict[str, Any]], board: Board, output: Output) -> None:
    for key, item in board.items.items():
        if before.get(key) != item:
            output.entry(item, "  ".join(board.rows[key]))


async def _all(app: App) -> Board:
    names = {one["id"]: one["name"] for one in await known_installations(app.api)}
    found = [one async for page in app.api.pages("/chargers") for one in page]
    items = {one["id"]: one for one in sorted(found, key=lambda one: (one["installationId"], one["name"]))}
    rows = {
        key: (
            one["name"] or "-",
            one["deviceId"] or "-",
            names.get(one["installationId"]) or one["installationId"],
            {True: "online", False: "offline", None: "-"}[one["online"]],
            one["mode"] or "-",
            local(one["newest"]),
        )
        for key, one in items.items()
    }
    columns = ("Charger", "Serial", "Installation", "Reached", "Doing", "Last heard of")
    return Board({"items": list(items.values()), "cursor": None}, items, columns, rows)


async def _one(app: App, charger: str) -> Board:
    try:
        answer = await app.api.get(f"/chargers/{path_part(charger)}/state")
    except Failure as failure:
        if failure.exit_code != Exit.NOT_FOUND:
            raise
        told = f"no charger {charger} is known, by its id or serial"
        raise Failure(Exit.NOT_FOUND, f"{told}; `zapctl state` lists them all") from failure
    items = {str(one["id"]): one for one in answer["observations"]}
    rows = {
        key: (
            key,
            one["name"],
            _value(one),
            one["meaning"] or "",
            local(one["timestamp"]),
        )
        for key, one in items.items()
    }
    heading = f"{answer['deviceId'] or answer['chargerId']}, last heard of {local(answer['newest'])}"
    return Board(answer, items, ("Id", "Observation", "Value", "Meaning", "Since"), rows, heading)


def _value(observation: dict[str, Any]) -> str:
    """The value with its unit. Long ones are cut, which --json has whole; of a card number the end is told."""
    value = _CARD.sub(lambda card: f"nfc-{masked(card[1])}", observation["value"] or "")
    short = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
    return " ".join(part for part in (short, observation["unit"]) if part) or "-"
