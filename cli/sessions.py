"""`zapctl sessions`: the session log of a time."""

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.context import run
from cli.installations import id_of, known_installations
from cli.opening import App
from cli.output import Output, Rows, counted, lines, local


def sessions(
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
    parameters = {"from": instant("--from", since), "to": instant("--to", until)}

    async def show(app: App, output: Output) -> None:
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

    run(context, show)


_COLUMNS = ("Start", "End", "Driver", "kWh", "Status", "Installation", "Charger", "Session")


def instant(option: str, text: str) -> str:
    """A day or an instant as RFC 3339, "" for none; raises typer.BadParameter."""
    if not text:
        return ""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a time is written 2026-03-01 or 2026-03-01T06:00+01:00", param_hint=option) from None
    return (given if given.tzinfo else given.astimezone()).isoformat()


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
