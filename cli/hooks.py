"""`zapctl hooks show`: what is to be pasted into Zaptec Portal, field by field as the portal names them.

Source of the names: docs.zaptec.com, "Webhook Authentication", and the guide 6.5.8, "Web hook authorization".
"""

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import typer
from rich.console import RenderableType
from rich.text import Text

from cli.api import Api
from cli.context import run
from cli.exits import Exit, Failure
from cli.installations import find
from cli.opening import App
from cli.output import Output, lines
from shared.readiness.address import our_addresses

hooks = typer.Typer(help="What Zaptec Portal must know to call the web hooks.", no_args_is_help=True)

DEFAULT_NAME = "zapcloud"
UNKNOWN_SECRET = "<secret>"  # noqa: S105 - what stands in its place


class PortalFields(msgspec.Struct, frozen=True):
    """The four fields of the installation's tab Authentication, under the portal's names."""

    authentication_url: str = msgspec.field(name="Authentication URL")
    authentication_payload: str = msgspec.field(name="Authentication payload")
    session_start_url: str = msgspec.field(name="Session start URL")
    session_end_url: str = msgspec.field(name="Session end URL")


def portal_fields(url: str, credential: str, secret: str, *, oauth: bool = False) -> PortalFields:
    """With `oauth` ZapCloud fetches a bearer token first; else it sends name and secret with each call."""
    password = urlencode({"password": secret}, safe="<>")
    payload = f"{urlencode({'username': credential})}&{password}"
    ours = our_addresses(url)
    return PortalFields(
        authentication_url=ours.authentication_url if oauth else "",
        authentication_payload=f"grant_type=password&{payload}" if oauth else payload,
        session_start_url=ours.session_start_url,
        session_end_url=ours.session_end_url,
    )


def portal_view(fields: PortalFields) -> RenderableType:
    """Each value on a line of its own, however long, so that it is copied whole."""
    parts = ["In Zaptec Portal open the installation, then its tab Authentication, and choose Webhook authentication:"]
    for name, value in msgspec.to_builtins(fields).items():
        parts += [name, f"    {value or '(leave empty)'}"]
    return lines(*(Text(part, no_wrap=True, overflow="ignore") for part in parts))


@hooks.command("show")
def show(
    context: typer.Context,
    installation: Annotated[str, typer.Argument(metavar="ID", help="For this one, by its id or name.")] = "",
    oauth: Annotated[
        bool, typer.Option("--oauth", help="By a bearer token that ZapCloud fetches, in place of HTTP Basic.")
    ] = False,
) -> None:
    """What to paste into Zaptec Portal, field by field. The secret cannot be shown again."""

    async def do(app: App, output: Output) -> None:
        place = await find(app.api, installation) if installation else None
        credential = await credential_for(app.api, place["id"] if place else None)
        name = credential["name"]
        fields = portal_fields(app.target.url, name, UNKNOWN_SECRET, oauth=oauth)
        told = {"installationId": place["id"] if place else None, "credential": name, "fields": fields}
        forgotten = (
            f"{UNKNOWN_SECRET} was shown once, when it was made; only its hash is kept. If it is lost, "
            f"`zapctl secrets rotate {name}` makes a new one."
        )
        output.result(told, lambda: lines(portal_view(fields), forgotten))

    run(context, do)


async def credential_for(api: Api, installation_id: str | None) -> dict[str, Any]:
    """The credential with which ZapCloud calls for an installation, or any; raises Failure where there is none."""
    known: list[dict[str, Any]] = (await api.get("/hook-credentials"))["items"]
    fitting = [
        one
        for one in known
        if not one.get("entraAppId")
        and (installation_id is None or installation_id in one["installations"] or one["installations"] == ["*"])
    ]
    if not fitting:
        raise Failure(Exit.NOT_FOUND, "there is no credential for the web hooks yet; `zapctl setup` makes one")
    return next((one for one in fitting if one["name"] == DEFAULT_NAME), fitting[0])
