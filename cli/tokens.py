"""`zapctl tokens`: the registered cards as a file, and the cards that were shown and nobody has registered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import RenderableType
from rich.text import Text

from cli import token_file
from cli.asking import confirm
from cli.context import run
from cli.exits import Exit, Failure
from cli.installations import find, known_installations
from cli.opening import App
from cli.output import Output, Rows, counted, lines, local, masked
from cli.private_file import write_private
from cli.token_file import Fault
from cli.token_import import ImportStopped, stored_cards, write
from cli.token_plan import Plan, Step, plan

tokens = typer.Typer(help="The cards that may charge: import, export, and those nobody knows.", no_args_is_help=True)

_ENCODING = "utf-8-sig"
"""With a byte order mark, which spreadsheets need to see that it is UTF-8."""
_MOST_SHOWN = 30
"""Lines of a plan that stand above the question whether to write it."""
_ShowCards = Annotated[bool, typer.Option("--show-cards", help="Whole card numbers, not their last four characters.")]


@tokens.command("import")
def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,
    show_cards: _ShowCards = False,
) -> None:
    """Register the cards of a CSV file: everything in it, or nothing.

    Columns: token (the only one needed), driver, label, validFrom, validTo, blocked, installations, chargers,
    maxConcurrent. A column that is missing leaves its field as it is stored, an empty cell clears it. Cards that are
    not in the file stay as they are.
    """
    rows, faults = token_file.read(file.read_bytes())

    async def do(app: App, output: Output) -> Exit | None:
        with output.progress("registered cards") as advance:
            stored = await stored_cards(app.api, advance)
        planned = plan(rows, {number: one.card for number, one in stored.items()})
        found = sorted((*faults, *planned.faults), key=lambda fault: fault.line)
        if found:
            output.result(_told("faults", planned, found), lambda: _faults_view(found, file.name))
            return Exit.IMPORT_FAULTS
        if dry_run or not planned.steps:
            outcome = "planned" if planned.steps else "unchanged"
            output.result(_told(outcome, planned), lambda: _plan_view(planned, show_cards=show_cards))
            return None
        if not (yes or output.as_json):
            output.result(None, lambda: _plan_view(planned, show_cards=show_cards, most=_MOST_SHOWN))
        confirm(f"Write {counted(len(planned.steps), 'card')} to {app.target.name}?", yes=yes)
        try:
            with output.progress("writing", len(planned.steps)) as advance:
                await write(app.api, planned.steps, advance)
        except ImportStopped as stopped:
            return _tell_stop(stopped, planned, output, show_cards=show_cards)
        output.result(_told("imported", planned), lambda: lines(f"{counted(len(planned.steps), 'card')} written."))
        return None

    run(context, do, changing="" if dry_run else "importing cards")


@tokens.command("export")
def export_file(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="FILE.csv", help="stdout if left out.", dir_okay=False)] = None,
) -> None:
    """All registered cards as a CSV file that only you may read, and that imports as unchanged.

    What a spreadsheet would run as a formula gets an apostrophe in front; importing takes it away again.
    """

    async def do(app: App, output: Output) -> None:
        with output.progress("registered cards") as advance:
            stored = await stored_cards(app.api, advance)
        cards = sorted((one.card for one in stored.values()), key=lambda card: (card.driver or "", card.token))
        text = token_file.write(cards)
        if file:
            write_private(file, text, _ENCODING)
            output.result(
                {"file": str(file), "cards": len(cards)}, lambda: lines(f"{counted(len(cards), 'card')} in {file}.")
            )
        elif output.as_json:
            items = [{"id": one.id} | msgspec.to_builtins(one.card) for one in stored.values()]
            output.result({"items": items, "cursor": None}, Text)
        else:
            output.text(text)

    run(context, do)


@tokens.command("seen")
def seen(
    context: typer.Context,
    installation: Annotated[
        str, typer.Option("--installation", metavar="ID", help="At this one only, by its id or name.")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="A file for `tokens import`, with whole card numbers.")] = False,
    show_cards: _ShowCards = False,
) -> None:
    """Cards that were shown at a charger and nobody has registered, which is what observe mode gathers.

    With --csv they can be imported as soon as somebody has filled in the drivers:
    `zapctl tokens seen --csv > seen.csv`.
    """

    async def do(app: App, output: Output) -> None:
        found = await _seen(app, installation)
        if as_csv and not output.as_json:
            heading = ("token", "driver", "label", "#charger", "#installation", "#lastSeen")
            cells = ((one["token"], "", "", *_place(one), local(one["lastSeen"])) for one in found)
            output.text(token_file.table(heading, cells))
            return
        output.result(
            {"items": [{key: one[key] for key in _SEEN} for one in found], "cursor": None},
            lambda: (
                Rows(
                    ("Card", "Charger", "Installation", "Last shown"),
                    (
                        (one["token"] if show_cards else masked(one["token"]), *_place(one), local(one["lastSeen"]))
                        for one in found
                    ),
                )
                if found
                else lines("No unknown card has been shown.")
            ),
        )

    run(context, do)


_SEEN = ("tokenId", "token", "chargerId", "lastSeen", "installationId")


async def _seen(app: App, installation: str) -> list[dict[str, Any]]:
    """The unknown cards, the latest shown first, each with the names of where that was."""
    places = [await find(app.api, installation)] if installation else await known_installations(app.api)
    found = []
    for place in places:
        items = (await app.api.get("/tokens/seen", installation=place["id"]))["items"]
        if items:
            chargers = [one async for page in app.api.pages("/chargers", installation=place["id"]) for one in page]
            names = {one["id"]: one["name"] for one in chargers}
            found += [
                one
                | {
                    "installationId": place["id"],
                    "installation": place["name"],
                    "charger": names.get(one["chargerId"]),
                }
                for one in items
            ]
    return sorted(found, key=lambda one: str(one["lastSeen"]), reverse=True)


def _place(one: dict[str, Any]) -> tuple[str, str]:
    return one["charger"] or one["chargerId"], one["installation"] or one["installationId"]


def _told(outcome: str, planned: Plan, faults: list[Fault] | None = None, left: list[Step] | None = None) -> object:
    return {
        "outcome": outcome,
        "new": len(planned.new),
        "changed": len(planned.changed),
        "unchanged": planned.unchanged,
        "merged": planned.merged,
        "faults": faults or [],
        "left": [{"line": step.line, "new": step.before is None} for step in left or []],
    }


def _plan_view(planned: Plan, *, show_cards: bool, most: int | None = None) -> RenderableType:
    counts = f"{len(planned.new)} new, {len(planned.changed)} changed, {planned.unchanged} as they are"
    merged = f", {counted(planned.merged, 'repeated line')}" if planned.merged else ""
    if not planned.steps:
        return lines(f"Nothing to do: {counts}{merged}.")
    shown = planned.steps[:most]
    rest = f"… and {len(planned.steps) - len(shown)} more lines; --dry-run shows all"
    return lines(
        _steps_view(shown, show_cards=show_cards),
        *([rest] if len(shown) < len(planned.steps) else []),
        f"{counts}{merged}.",
    )


def _steps_view(steps: Sequence[Step], *, show_cards: bool) -> RenderableType:
    return Rows(
        ("Line", "Card", "Driver", "What"),
        (
            (
                str(step.line),
                step.after.token if show_cards else masked(step.after.token),
                step.after.driver or "-",
                "new" if step.before is None else f"other {', '.join(step.changed)}",
            )
            for step in steps
        ),
    )


def _faults_view(faults: list[Fault], name: str) -> RenderableType:
    rows = ((str(fault.line), fault.column or "-", fault.fault) for fault in faults)
    return lines(Rows(("Line", "Column", "Fault"), rows), f"{name} has faults; nothing was written.")


def _tell_stop(stopped: ImportStopped, planned: Plan, output: Output, *, show_cards: bool) -> Exit:
    left = list(stopped.left)
    output.result(
        _told("partial" if left else "undone", planned, left=left),
        lambda: _steps_view(left, show_cards=show_cards) if left else lines("Nothing was imported."),
    )
    if left:
        reason = f"the import stopped: {stopped}; {counted(len(left), 'card')} (listed) are in, or may be"
        raise Failure(Exit.IMPORT_PARTIAL, f"{reason}; once it works again the same command completes it")
    taken_back = f"what had been written before ({counted(stopped.written, 'card')}) was taken back"
    raise Failure(Exit.IMPORT_UNDONE, f"the import stopped: {stopped}; {taken_back}")
