"""`zapctl drivers`: who charges, all that is held about one of them, and to erase one."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.asking import confirm
from cli.context import run
from cli.exits import Exit, Failure
from cli.opening import App
from cli.output import Output, Rows, counted, lines, masked
from cli.private_file import write_private

drivers = typer.Typer(help="Who charges: enter, export and erase people.", no_args_is_help=True)

_Driver = Annotated[
    str, typer.Argument(metavar="DRIVER", help="What tokens and sessions call them, if they were entered; or their id.")
]

_IN_PARTS = (
    "try again while few cars charge, or take the sessions from `zapctl sessions export` month by month, and the cards "
    "from `zapctl tokens export`"
)
"""What is left of an export where there are so many sessions that all of them cannot be read in one request."""

_NOBODY = "Nobody of that id is entered here, and no card or session was found"


@drivers.command("list")
def list_drivers(
    context: typer.Context,
    group: Annotated[str, typer.Option("--group", metavar="GROUP", help="Only those of this group.")] = "",
) -> None:
    """The drivers that were entered."""

    async def do(app: App, output: Output) -> None:
        filters = {"group": group} if group else {}
        found = [one async for page in app.api.pages("/drivers", **filters) for one in page]
        found.sort(key=lambda one: str(one["driver"]))
        rows = ((one["driver"], one["name"] or "-", ", ".join(one["groups"]) or "-", one["id"]) for one in found)
        nobody = f"No driver is in the group {group}." if group else "No driver was entered."
        output.result(
            {"items": found, "cursor": None},
            lambda: Rows(("Driver", "Name", "Groups", "Id"), rows) if found else lines(nobody),
        )

    run(context, do)


@drivers.command("show")
def show(context: typer.Context, driver: _Driver) -> None:
    """One driver, with the cards that carry the name."""

    async def do(app: App, output: Output) -> None:
        found = await app.api.get(f"/drivers/{await _id_of(app, driver)}")
        output.result(found, lambda: lines(*_described(found)))

    run(context, do)


@drivers.command("put")
def put(
    context: typer.Context,
    driver: Annotated[str, typer.Argument(metavar="DRIVER", help="What tokens and sessions call them.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The full name.")] = "",
    email: Annotated[str, typer.Option("--email", metavar="ADDRESS", help="The e-mail address.")] = "",
    phone: Annotated[str, typer.Option("--phone", metavar="NUMBER", help="The telephone number.")] = "",
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="GROUP", help="A group; may be said more than once.")
    ] = None,
    zaptec_user: Annotated[str, typer.Option("--zaptec-user", metavar="ID", help="The person's id in ZapCloud.")] = "",
) -> None:
    """Enter a driver, or replace all that was entered of them."""
    if not driver.strip():
        raise typer.BadParameter("is empty; say what tokens and sessions call the driver", param_hint="DRIVER")
    if not all(one.strip() for one in group or []):
        raise typer.BadParameter("a group has a name", param_hint="--group")

    async def do(app: App, output: Output) -> None:
        content = {
            "driver": driver,
            "name": name or None,
            "email": email or None,
            "phone": phone or None,
            "groups": group or [],
            "zaptecUserId": zaptec_user or None,
        }
        try:
            stored = await app.api.put("/drivers", content)
        except Failure as failure:
            if "is being erased" in str(failure):
                raise Failure(failure.exit_code, f"{failure}; `zapctl drivers erase ID` goes on with it") from failure
            raise
        output.result(stored, lambda: lines(f"{driver} is entered, with the id {stored['id']}."))

    run(context, do, changing="entering a driver")


@drivers.command("export", short_help="All that is held about a driver, as JSON.")
def export(
    context: typer.Context,
    driver: _Driver,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.json", help="stdout if left out.", dir_okay=False)
    ] = None,
) -> None:
    """All that is held about a driver, as JSON; a file is for you alone to read."""

    async def do(app: App, output: Output) -> None:
        with output.progress("reading every table"):
            held = await app.api.get_at_length(f"/drivers/{await _id_of(app, driver)}/export", otherwise=_IN_PARTS)
        if file is None:
            output.result(held, lambda: Text(json.dumps(held, indent=2, ensure_ascii=False)))
            return
        write_private(file, json.dumps(held, indent=2, ensure_ascii=False) + "\n")
        sessions = counted(len(held["sessions"]), "session")
        output.result({"file": str(file), "sessions": len(held["sessions"])}, lambda: lines(f"{sessions} in {file}."))

    run(context, do)


@drivers.command("erase", short_help="Erase a person and keep the energy.")
def erase(
    context: typer.Context,
    driver: _Driver,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
) -> None:
    """Erase a person and keep the energy; the cards open nothing any more, and there is no way back.

    It takes some minutes and goes on by itself. From then on only the id is known, which the command tells. Said again
    by the id, it tells how far it is; an hour after it was done it begins anew, for whoever charged again since.
    """

    async def do(app: App, output: Output) -> None:
        identity = await _id_of(app, driver)
        entered = not _is_id(driver) or await _is_known(app, identity)
        confirm(f"Erase {driver} from {app.target.name}, and delete their cards?", yes=yes)
        told = await app.api.delete(f"/drivers/{identity}")
        done, found = told["state"] == "done", told["sessions"] or told["tokens"]
        sessions, cards = counted(told["sessions"], "session"), counted(told["tokens"], "card")
        what = f"{sessions} passed to {told['pseudonym']}, {cards} deleted."
        later = f"It goes on by itself for some minutes; `zapctl drivers erase {identity}` asks again."
        so_far = f"{_NOBODY}." if done else f"{_NOBODY} so far; is the id right?"
        notes = [] if entered or found else [so_far]
        output.result(told, lambda: lines(what, *notes, "Erased." if done else later))

    run(context, do, changing="erasing a driver")


async def _id_of(app: App, driver: str) -> str:
    """The id of a driver, by its text or by itself; raises Failure where nobody who was entered is called that."""
    if _is_id(driver):
        return driver.lower()
    async for page in app.api.pages("/drivers"):
        for one in page:
            if one["driver"] == driver:
                return str(one["id"])
    reason = f"no driver {driver} was entered, and whoever was erased is known by their id alone"
    remedy = "enter somebody who is named by cards and sessions only by `zapctl drivers put`, and say this again"
    raise Failure(Exit.NOT_FOUND, f"{reason}; {remedy}")


def _is_id(driver: str) -> bool:
    return len(driver) == 32 and set(driver.lower()) <= set("0123456789abcdef")


async def _is_known(app: App, identity: str) -> bool:
    """Whether somebody of the id was entered, or is named by a card."""
    try:
        await app.api.get(f"/drivers/{identity}")
    except Failure as failure:
        if failure.exit_code is Exit.NOT_FOUND:
            return False
        raise
    return True


def _described(found: dict[str, Any]) -> list[str]:
    told = [("Driver", found["driver"]), ("Name", found["name"]), ("E-mail", found["email"]), ("Phone", found["phone"])]
    told += [("Groups", ", ".join(found["groups"])), ("ZapCloud", found["zaptecUserId"]), ("Id", found["id"])]
    told += [("Card", masked(token["token"])) for token in found["tokens"]]
    return [f"{what}: {value}" for what, value in told if value]
