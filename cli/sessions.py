"""`zapctl sessions`: the session log of a time, and all that is known of one session."""

import json
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

import typer

from cli.api import path_part
from cli.context import run
from cli.installations import id_of, known_installations
from cli.opening import App
from cli.output import Output, Rows, counted, lines, local

sessions = typer.Typer()


@sessions.callback(invoke_without_command=True)
def list_them(
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
                lines(Rows(_COLUMNS, (_row(one, names) for one in sorted(found, key=_begin))), _total(found))
                if found
                else lines("No session in that time.")
            ),
        )

    run(context, look)


@sessions.command("show", short_help="One session, and what was stated about it.")
def show(
    context: typer.Context,
    session: Annotated[str, typer.Argument(metavar="ID", help="The session's id.")],
) -> None:
    """One session, and its timeline: who stated what about it, in the order in which it was heard."""

    async def look(app: App, output: Output) -> None:
        found = await app.api.get(f"/sessions/{path_part(session)}")
        names = {} if output.as_json else await _names(app)
        output.result(found, lambda: lines(*_described(found, names), _timeline(found["timeline"])))

    run(context, look)


_COLUMNS = ("Start", "End", "Driver", "kWh", "Billable", "Status", "Flags", "Installation", "Charger", "Session")
_LONGEST_FIGURE = 48
_NEVER = datetime.max.replace(tzinfo=UTC)


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


def _begin(session: dict[str, Any]) -> datetime:
    """By which sessions are shown in order; last where nobody said when it was."""
    told = session["start"] or session["end"]
    return datetime.fromisoformat(told) if told else _NEVER


def _row(session: dict[str, Any], names: dict[str, str]) -> tuple[str, ...]:
    energy = session["energyKwh"]
    return (
        local(session["start"]),
        local(session["end"]),
        session["driver"] or "-",
        "-" if energy is None else f"{energy:.2f}",
        "yes" if session["billable"] else "no",
        session["status"],
        ", ".join(session["flags"]) or "-",
        names.get(session["installationId"]) or session["installationId"] or "-",
        names.get(session["chargerId"]) or session["chargerId"] or "-",
        session["sessionId"],
    )


def _total(found: list[dict[str, Any]]) -> str:
    billable = [one for one in found if one["billable"]]
    of_all = f"{counted(len(found), 'session')}, {_energy(found):.2f} kWh"
    return f"{of_all}; {len(billable)} of them billable, {_energy(billable):.2f} kWh"


def _energy(sessions: list[dict[str, Any]]) -> float:
    return sum(one["energyKwh"] or 0 for one in sessions)


def _described(session: dict[str, Any], names: dict[str, str]) -> list[str]:
    energy, place, charger = session["energyKwh"], session["installationId"], session["chargerId"]
    told = {
        "Session": session["sessionId"],
        "Status": session["status"],
        "Driver": session["driver"],
        "Start": session["start"] and local(session["start"]),
        "End": session["end"] and local(session["end"]),
        "Energy": None if energy is None else f"{energy:.3f} kWh",
        "Stated by": session["source"],
        "Billable": "yes" if session["billable"] else "no",
        "Flags": ", ".join(session["flags"]),
        "Installation": names.get(place) or place,
        "Charger": names.get(charger) or charger,
        "Mode": session["mode"],
        "Verdict": session["verdict"],
        "Let in by the outage policy": "yes" if session["outage"] else None,
        "Replaces": session["replaces"],
        "Replaced by": session["replacedBy"],
        "Signature": session["signature"],
        "Token": session["tokenId"],
        "Token's name": session["tokenName"],
        "Elsewhere": session["externalId"],
    }
    return [f"{what}: {value}" for what, value in told.items() if value]


def _timeline(facts: list[dict[str, Any]]) -> Rows:
    rows = ((local(fact["at"]), fact["source"], fact["event"], _figures(fact["data"])) for fact in facts)
    return Rows(("Heard", "Source", "Event", "Figures"), rows)


def _figures(data: dict[str, Any]) -> str:
    """What is too long for a line is not told, such as a signed meter value, which may name the card."""
    told = {name: json.dumps(value, ensure_ascii=False).strip('"') for name, value in data.items() if value is not None}
    short = {name: value if len(value) <= _LONGEST_FIGURE else "…" for name, value in told.items()}
    return ", ".join(f"{name} {value}" for name, value in short.items()) or "-"
