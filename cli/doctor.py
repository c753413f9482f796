"""`zapctl doctor`: what would happen if web hooks were switched on now, or happens now, in plain words.

The app judges; here it is told, and turned into an exit code.
"""

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from cli.context import run
from cli.doctor_exits import exit_of
from cli.exits import Exit, Failure
from cli.installations import id_of, known_installations
from cli.opening import App
from cli.output import Output, lines, plain
from cli.readiness import findings_view, readiness


def doctor(
    context: typer.Context,
    installation: Annotated[str, typer.Argument(metavar="ID", help="Only this one, by its id or name.")] = "",
) -> None:
    """Compare the installations as they are set in Zaptec Portal with what the app expects.

    Ends with 0 where nothing but notes is found, else with the number of the gravest finding (docs/zapctl.md).
    """

    async def examine(app: App, output: Output) -> int:
        ids = await _wanted(app, installation)
        answers = []
        with output.progress("installations", len(ids)) as advance:
            for one in ids:
                answers.append(await readiness(app, one))
                advance(1)
        output.result({"items": answers, "cursor": None}, lambda: lines(*(_view(answer) for answer in answers)))
        return exit_of([finding for answer in answers for finding in answer["findings"]])

    run(context, examine)


async def _wanted(app: App, installation: str) -> list[str]:
    if installation:
        return [await id_of(app.api, installation)]
    if known := await known_installations(app.api):
        return [one["id"] for one in known]
    raise Failure(Exit.NOT_FOUND, "the app knows no installation yet; `zapctl setup` adds them")


def _view(answer: dict[str, Any]) -> RenderableType:
    name = answer["name"] or answer["installationId"]
    verdict = plain("ready", "bold green") if answer["ready"] else plain("NOT READY", "bold red")
    return lines(
        plain(f"{name} (mode {answer['mode'] or 'none'}): ") + verdict,
        answer["summary"],
        findings_view(answer["findings"]),
        "",
    )
