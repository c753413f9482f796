"""`zapctl installations`: which there are, and how each decides."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.api import Api
from cli.context import run
from cli.exits import Exit, Failure
from cli.opening import App
from cli.output import Output, Rows, lines, local
from cli.readiness import findings_view, lockouts, readiness
from shared.identifiers import canonical_uuid

installations = typer.Typer(help="The installations the app answers for, and how each decides who may charge.")


class Mode(StrEnum):
    OBSERVE = "observe"
    ENFORCE = "enforce"
    OPEN = "open"


@installations.callback(invoke_without_command=True)
def begin(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        run(context, _list)


@installations.command("list")
def list_them(context: typer.Context) -> None:
    """All installations; so does `zapctl installations` alone."""
    run(context, _list)


@installations.command("mode")
def change_mode(
    context: typer.Context,
    installation: Annotated[str, typer.Argument(metavar="ID", help="The installation's id, or its name.")],
    mode: Annotated[Mode, typer.Argument(help="observe: let everybody in, and note what enforce would have said.")],
    despite_lockout: Annotated[
        bool, typer.Option("--despite-lockout", help="Enforce even while drivers would be locked out.")
    ] = False,
) -> None:
    """Change how an installation decides. Before `enforce` the app is asked whether drivers would be locked out."""

    async def change(app: App, output: Output) -> Exit | None:
        known = await find(app.api, installation)
        if mode is Mode.ENFORCE and not despite_lockout:
            answer = await readiness(app, known["id"], mode)
            if standing := lockouts(answer):
                refused = "the mode stays as it is; mend this, or say --despite-lockout"
                output.result(answer, lambda: lines(findings_view(standing), refused))
                return Exit.LOCKOUT
        changed = await app.api.put(f"/installations/{known['id']}", {"mode": mode})
        was = f"mode {changed['mode']} (was {known['mode']})"
        output.result(changed, lambda: lines(f"{changed['name'] or changed['id']}: {was}"))
        return None

    run(context, change, changing=f"changing the mode of {installation} to {mode}")


async def known_installations(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/installations"))["items"]
    return found


async def id_of(api: Api, wanted: str) -> str:
    """An id as it is given, also one the app does not know, or that of the installation called so; raises Failure."""
    return canonical_uuid(wanted) or str((await find(api, wanted))["id"])


async def find(api: Api, wanted: str) -> dict[str, Any]:
    """The installation of an id, or of a name that only one has; raises Failure."""
    known = await known_installations(api)
    installation_id, name = canonical_uuid(wanted), wanted.casefold()
    fitting = [one for one in known if one["id"] == installation_id or one["name"].casefold() == name]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Failure(Exit.NOT_FOUND, f"{len(fitting)} installations are called {wanted}; give the id")
    raise Failure(Exit.NOT_FOUND, f"no installation {wanted} is known; `zapctl installations` lists them")


async def _list(app: App, output: Output) -> None:
    answer = await app.api.get("/installations")
    output.result(
        answer,
        lambda: (
            Rows(
                ("Installation", "Mode", "While storage is down", "Known since", "Id"),
                (
                    (one["name"] or "-", one["mode"], one["outagePolicy"], local(one["since"]), one["id"])
                    for one in answer["items"]
                ),
            )
            if answer["items"]
            else lines("No installation yet; `zapctl setup` adds them.")
        ),
    )
