"""`zapctl sessions`: the session log of a time."""

from datetime import datetime, tzinfo
from typing import Annotated, Any

import typer

from cli.context import run
from cli.installations import id_of, known_installations
from cli.opening import App
from cli.output import Output, Rows, counted, lines, local

sessions = typer.Typer()


@sessions.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="From then on; 31 days before --to if left out.")
    ] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Before then; now if left out.")] = "",
    installation: Annotated[
        str, typer.Option("--installation", metavar="ID", help="Of this one only, by its id or name.")
    ] = "",
) -> None:
    """The session log, by start. A TIME is a day (2026-03-01) or an instant (2026-03-01T06:00, in this machine's zone
    if it names none)."""
    if context.invoked_subcommand is not None:
        if since or until or installation:
            raise typer.BadParameter(f"the options go after {context.invoked_subcommand}")
        return
    parameters = {"from": instant("--from", since), "to": instant("--to", until)}

    async def look(app: App, output: Output) -> None:
        if installation:
            parameters["installation"] = await id_of(app.api, installation)
        found: list[dict[str, Any]] = []
        with output.progress("sessions") as advance:
            async for page in app.api.pages("/sessions", **{name: text for name, text in parameters.items() if text}):
                found += page
                advance(len(page))
        names = await _names(app) if found and not output.as_json else {}
        output.result(
            {"items": found, "cursor": None},
            lambda: (
                lines(Rows(_COLUMNS, (_row(one, names) for one in found)), _total(found))
                if found
                else lines("No session in that time.")
            ),
        )

    run(context, look)


_COLUMNS = ("Start", "End", "Driver", "kWh", "Status", "Installation", "Charger", "Session")


def instant(option: str, text: str, zone: tzinfo | None = None) -> str:
    """A day or an instant as RFC 3339, "" for none; in `zone`, or that of this machine, unless it names another. Raises
    typer.BadParameter."""
    if not text:
        return ""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a time is written 2026-03-01 or 2026-03-01T06:00+01:00", param_hint=option) from None
    if given.tzinfo is None:
        given = given.replace(tzinfo=zone) if zone else given.astimezone()
    return given.isoformat()


async def _names(app: App) -> dict[str, str]:
    """Of all installations and chargers, by their ids."""
    names = {one["id"]: one["name"] for one in await known_installations(app.api)}
    return names | {one["id"]: one["name"] async for page in app.api.pages("/chargers") for one in page}


def _row(session: dict[str, Any], names: dict[str, str]) -> tuple[str, ...]:
    energy = session["energyKwh"]
    return (
        local(session["start"]),
        local(session["end"]),
        session["driver"] or "-",
        "-" if energy is None else f"{energy:.2f}",
        session["status"],
        names.get(session["installationId"]) or session["installationId"] or "-",
        names.get(session["chargerId"]) or session["chargerId"] or "-",
        session["sessionId"],
    )


def _total(found: list[dict[str, Any]]) -> str:
    energy = sum(one["energyKwh"] or 0 for one in found)
    return f"{counted(len(found), 'session')}, {energy:.2f} kWh"
