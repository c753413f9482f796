"""Composes zapctl: its own options, and a command or group of commands from each module."""

from pathlib import Path
from typing import Annotated

import typer

from cli import (
    backup,
    chargers,
    doctor,
    drivers,
    export,
    health,
    hooks,
    installations,
    restore,
    secrets,
    sessions,
    setup,
    tokens,
)
from cli.context import Options
from cli.output import Output
from cli.target import Choice

app = typer.Typer(
    name="zapctl",
    rich_markup_mode=None,  # help reads the same on a narrow terminal and in a pipe
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    epilog="The options above may stand anywhere on the line. docs/zapctl.md has examples and the exit codes.",
)


@app.callback()
def zapctl(
    context: typer.Context,
    target: Annotated[
        Choice,
        typer.Option(envvar="ZAPCTL_TARGET", help="The local stack, or the app in Azure; auto: whichever is found."),
    ] = Choice.AUTO,
    outputs: Annotated[
        Path | None,
        typer.Option(envvar="ZAPCTL_OUTPUTS", help="A JSON file of the deployment's outputs, in place of azd's."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="ZAPCTL_JSON", help="JSON on stdout, and nothing else there.")
    ] = False,
) -> None:
    """The operator's command line for zapbridge: who may charge, what was charged, and is everything well."""
    context.obj = Options(target, outputs, Output(as_json=as_json))


app.command(short_help="From a new app to web hooks that can be pasted.")(setup.setup)
app.command(short_help="What would happen with web hooks on, and why.")(doctor.doctor)
app.add_typer(hooks.hooks, name="hooks", short_help="What to paste into Zaptec Portal.")
app.add_typer(installations.installations, name="installations", short_help="Which there are; change their modes.")
app.add_typer(tokens.tokens, name="tokens", short_help="Cards: import, export, seen.")
app.add_typer(drivers.drivers, name="drivers", short_help="People: enter, export, erase.")
sessions.sessions.command("export")(export.export)
app.add_typer(sessions.sessions, name="sessions", short_help="The session log; export it for a spreadsheet.")
app.command(short_help="What the chargers do now.")(chargers.state)
app.command(short_help="Is the app up, and its streams moving?")(health.health)
app.command(short_help="What opens what, without secrets.")(health.credentials)
app.add_typer(secrets.secrets, name="secrets", short_help="Change secrets while all runs.")
app.add_typer(backup.backup, name="backup", short_help="Backups: which there are; make one.")
app.command(short_help="A backup into an empty account.")(restore.restore)
