"""`zapctl secrets`: change what ZapCloud authenticates with at our web hooks, and what we log in to ZapCloud with."""

from typing import Annotated

import typer

from cli.api import path_part
from cli.asking import ask, ask_secret, confirm, require_a_place_for_a_secret
from cli.context import run
from cli.exits import Exit, Failure
from cli.hooks import DEFAULT_NAME, portal_fields, portal_view
from cli.opening import App
from cli.output import Output, lines
from cli.provisioning import PASSWORD, USERNAME, bring_up

secrets = typer.Typer(help="Change secrets while everything runs.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The web hooks' credential; `zapctl credentials` lists them.")
]
PASSWORD_VARIABLE = "ZAPCTL_ZAPCLOUD_PASSWORD"  # noqa: S105 - the variable's name


@secrets.command("rotate")
def rotate(
    context: typer.Context,
    name: _Name = DEFAULT_NAME,
    oauth: Annotated[bool, typer.Option("--oauth", help="Show what to paste where ZapCloud fetches a token.")] = False,
) -> None:
    """Make a next secret for the web hooks and show it once.

    Both secrets are valid until `zapctl secrets retire`: paste the new one into Zaptec Portal, let a session start,
    ask `zapctl doctor`, then retire the old one.
    """

    async def do(app: App, output: Output) -> None:
        require_a_place_for_a_secret(output)
        made = await app.api.post(f"/hook-credentials/{path_part(name)}/rotate")
        fields = portal_fields(app.target.url, name, made["secret"], oauth=oauth)
        output.result(
            {"name": name, "secret": made["secret"], "fields": fields},
            lambda: lines(
                portal_view(fields),
                "This is shown once. The old secret stays valid as well; when the new one is pasted everywhere,",
                f"`zapctl doctor` shows that ZapCloud's credential is taken, and `zapctl secrets retire {name}`",
                "ends the old one.",
            ),
        )

    run(context, do, changing=f"making a next secret of {name}")


@secrets.command("retire")
def retire(
    context: typer.Context,
    name: _Name = DEFAULT_NAME,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let only the newest secret be valid. Where the portal still has the old one, every driver is refused then."""

    async def do(app: App, output: Output) -> None:
        known = {one["name"]: one for one in (await app.api.get("/hook-credentials"))["items"]}
        if name not in known:
            raise Failure(Exit.NOT_FOUND, f"no credential {name}; `zapctl credentials` lists them")
        if known[name]["secrets"] < 2:
            raise Failure(Exit.NOT_DONE, f"{name} has one secret; `zapctl secrets rotate {name}` makes the next")
        confirm("Has the new secret been pasted for every installation? The old one is refused then.", yes=yes)
        await app.api.post(f"/hook-credentials/{path_part(name)}/retire")
        output.result(
            {"name": name, "secrets": 1},
            lambda: lines("Retired; within a minute everywhere. `zapctl doctor` shows whether ZapCloud is let in."),
        )

    run(context, do, changing=f"retiring the old secret of {name}")


@secrets.command("account")
def account(
    context: typer.Context,
    username: Annotated[
        str, typer.Option(envvar="ZAPCTL_ZAPCLOUD_USERNAME", metavar="NAME", help="Kept as stored if left out.")
    ] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Store a changed password, or another account, of ZapCloud; both sites then read it.

    The password is typed unseen, read from stdin, or taken from ZAPCTL_ZAPCLOUD_PASSWORD. The web hooks restart, which
    lets a driver wait for some seconds.
    """

    async def do(app: App, output: Output) -> None:
        store = app.sites.secrets
        stored = await store.get(USERNAME)
        name = username or stored or ask("ZapCloud user name", "", "--username")
        password = ask_secret(f"ZapCloud password of {name}", PASSWORD_VARIABLE, from_stdin=password_stdin)
        written = {} if name == stored else {USERNAME: await store.set(USERNAME, name)}
        written[PASSWORD] = await store.set(PASSWORD, password)
        await bring_up(app, output, written, replaced=True)
        output.result(
            {"username": name, "stored": sorted(written)},
            lambda: lines("Stored, and the app has read it. `zapctl doctor` shows whether ZapCloud takes it."),
        )

    run(context, do, changing="storing ZapCloud's account")
