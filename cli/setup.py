"""`zapctl setup`: from a deployed app in which nothing is set to one whose web hooks can be pasted into Zaptec Portal.

Each step looks first whether it is done already, so that it can be run again after whatever ended it.
"""

import secrets
import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.console import RenderableType

from cli.api import path_part
from cli.asking import ask, ask_secret, require_a_place_for_a_secret
from cli.context import run
from cli.exits import Exit, Failure
from cli.hooks import DEFAULT_NAME, UNKNOWN_SECRET, PortalFields, portal_fields, portal_view
from cli.installations import known_installations
from cli.opening import App
from cli.output import Output, Rows, lines
from cli.provisioning import IDENTITY_KEY, PASSWORD, USERNAME, bring_up
from cli.secrets import PASSWORD_VARIABLE
from shared.security.secrets import SecretStore

_MOST_BOUND = 200
"""How many installations a credential can name; beyond that it is for all."""


class Account(msgspec.Struct, frozen=True):
    """How the operator gives ZapCloud's account."""

    username: str
    password_from_stdin: bool


class Wanted(msgspec.Struct, frozen=True):
    """Which installations: those of the ids, or all, or (neither) those the operator picks."""

    ids: tuple[str, ...]
    all: bool


def setup(
    context: typer.Context,
    installation: Annotated[
        list[str] | None, typer.Option("--installation", metavar="ID", help="This one; may be repeated.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All installations the account sees.")] = False,
    username: Annotated[
        str, typer.Option("--zapcloud-username", envvar="ZAPCTL_ZAPCLOUD_USERNAME", help="The account at ZapCloud.")
    ] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read its password from stdin.")] = False,
    credential: Annotated[
        str, typer.Option("--credential", metavar="NAME", help="The name ZapCloud will call the web hooks with.")
    ] = DEFAULT_NAME,
    oauth: Annotated[
        bool, typer.Option("--oauth", help="By a bearer token that ZapCloud fetches, in place of HTTP Basic.")
    ] = False,
) -> None:
    """Everything between deployment and Zaptec Portal; may be run again at any time, and keeps what is there.

    ZapCloud's account is stored, an identity key is made if there is none, the app is brought up, installations begin
    in observe mode, which locks nobody out, and ZapCloud gets a credential, whose secret is shown once. The password is
    typed unseen, read from stdin, or taken from ZAPCTL_ZAPCLOUD_PASSWORD.
    """
    wanted = Wanted(tuple(one.lower() for one in installation or ()), every)

    async def do(app: App, output: Output) -> None:
        require_a_place_for_a_secret(output)
        stored = await _store_secrets(app.sites.secrets, Account(username, password_stdin), output)
        await bring_up(app, output, stored)
        output.note("the app is up")
        places = await _add_installations(app, wanted, output)
        made = await _make_credential(app, credential, [place["id"] for place in places], output)
        fields = portal_fields(app.target.url, credential, made or UNKNOWN_SECRET, oauth=oauth)
        secrets_said = {name: "stored" if name in stored else "kept" for name in (IDENTITY_KEY, USERNAME, PASSWORD)}
        told = {
            "target": app.target.url,
            "secrets": secrets_said,
            "installations": places,
            "credential": {"name": credential, "secret": made},
            "fields": fields,
        }
        output.result(told, lambda: _next_steps(fields, credential, secret_made=made is not None))

    run(context, do, changing="setting up")


async def _store_secrets(store: SecretStore, account: Account, output: Output) -> dict[str, str]:
    """What is missing is stored; returns the versions of that, by the secrets' names."""
    found = {name: await store.get(name) for name in (IDENTITY_KEY, USERNAME, PASSWORD)}
    for name in (name for name, value in found.items() if value):
        output.note(f"{name}: kept as it is stored")
    new: dict[str, str] = {}
    if not found[USERNAME]:
        new[USERNAME] = ask("ZapCloud user name", account.username, "--zapcloud-username")
    if not found[PASSWORD]:
        new[PASSWORD] = ask_secret("ZapCloud password", PASSWORD_VARIABLE, from_stdin=account.password_from_stdin)
    if not found[IDENTITY_KEY]:
        new[IDENTITY_KEY] = secrets.token_hex(32)
    versions = {}
    for name, value in new.items():
        versions[name] = await store.set(name, value)
        output.note(f"{name}: stored")
    return versions


async def _add_installations(app: App, wanted: Wanted, output: Output) -> list[dict[str, Any]]:
    """The chosen installations; those the app does not know yet begin in observe mode."""
    visible = {one["id"]: one for one in (await app.api.get("/zapcloud/installations"))["items"]}
    if not visible:
        raise Failure(Exit.NOT_FOUND, "ZapCloud's account sees no installation; it needs the owner or service role")
    known = {one["id"]: one for one in await known_installations(app.api)}
    places = []
    for one in _choose(visible, known, wanted, output):
        if one in known:
            output.note(f"{known[one]['name'] or one}: kept in mode {known[one]['mode']}")
            place = known[one]
        else:
            content = {"name": visible[one]["name"], "mode": "observe"}
            place = await app.api.put(f"/installations/{path_part(one)}", content)
            output.note(f"{place['name'] or one}: begins in mode observe")
        places.append({"id": one, "name": place["name"], "mode": place["mode"], "new": one not in known})
    return places


def _choose(
    visible: dict[str, dict[str, Any]], known: dict[str, dict[str, Any]], wanted: Wanted, output: Output
) -> list[str]:
    if wanted.all:
        return list(visible)
    if wanted.ids:
        if strange := [one for one in wanted.ids if one not in visible]:
            raise Failure(Exit.NOT_FOUND, f"ZapCloud's account does not see {', '.join(strange)}")
        return list(wanted.ids)
    if not sys.stdin.isatty() or output.as_json:
        if kept := [one for one in visible if one in known]:
            return kept
        raise Failure(Exit.NOT_DONE, "which installations? say --all, or --installation ID")
    ids = list(visible)
    rows = (
        (str(number), visible[one]["name"], ", ".join(visible[one]["roles"]), _said_of(known.get(one)), one)
        for number, one in enumerate(ids, 1)
    )
    output.console.print(Rows(("No.", "Installation", "Our role", "Here", "Id"), rows))
    while True:
        said = str(typer.prompt("Which ones? Numbers with spaces between, or all", err=True)).split()
        if said == ["all"]:
            return ids
        if said and all(one.isdecimal() and 1 <= int(one) <= len(ids) for one in said):
            return [ids[int(one) - 1] for one in dict.fromkeys(said)]


def _said_of(known: dict[str, Any] | None) -> str:
    return f"mode {known['mode']}" if known else "new"


async def _make_credential(app: App, name: str, places: list[str], output: Output) -> str | None:
    """Have a credential for these installations and those it has already; its secret, if it was made now."""
    existing = {one["name"]: one for one in (await app.api.get("/hook-credentials"))["items"]}.get(name)
    bound = list(dict.fromkeys([*(existing["installations"] if existing else []), *places]))
    if "*" in bound or len(bound) > _MOST_BOUND:
        bound = ["*"]
    if existing and set(bound) == set(existing["installations"]):
        output.note(f"credential {name}: kept; its secret cannot be shown again")
        return None
    stored = await app.api.put(f"/hook-credentials/{path_part(name)}", {"installations": bound})
    output.note(f"credential {name}: {'for more installations now' if existing else 'made'}")
    secret: str | None = stored.get("secret")
    return secret


def _next_steps(fields: PortalFields, credential: str, *, secret_made: bool) -> RenderableType:
    secret = (
        "The secret is shown once. Keep it until it is pasted; should it get lost,"
        if secret_made
        else f"{UNKNOWN_SECRET} was shown when it was made. If it is lost,"
    )
    return lines(
        portal_view(fields),
        f"{secret} `zapctl secrets rotate {credential}` makes another.",
        "Ask `zapctl doctor` before you switch over (docs/go-live.md), and after.",
        "Message streams begin within five minutes.",
    )
