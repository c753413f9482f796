"""`zapctl restore`: a backup into an empty account, and the proof that all of it is there."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import RenderableType

from cli import storage_account
from cli.asking import confirm
from cli.backup import From
from cli.exits import Exit, Failure
from cli.output import Output, Rows, counted, lines
from cli.stores import Stores, identity_key, run
from shared.backup.manifest import Manifest, fingerprint
from shared.backup.restore import Difference, Restore, backups, manifest_of
from shared.behind import Behind
from shared.clock import system_clock
from shared.errors import BackupUnusable
from shared.sessions.ledger import Ledger
from shared.sessions.redrawing import Redrawing
from shared.storage.authorizations import Authorizations
from shared.storage.session_index import SessionIndex
from shared.storage.sessions import Sessions

_LATEST = "latest"
_MOST_SHOWN = 50


def restore(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="BACKUP", help="One that `backup list` names, or latest.")],
    source: From = "",
    into: Annotated[
        str,
        typer.Option(
            "--into", metavar="ADDRESS", help="Empty tables, https://…; else the connection string in ZAPBRIDGE_TABLES."
        ),
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a restore that was interrupted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,
) -> None:
    """Write a backup into an account that has no sessions, cards or settings, and compare the two row by row.

    Set ZAPBRIDGE_IDENTITY_KEY to the key that the app will run with, and it is checked that the backup's cards are
    known under it.
    """
    again = "by the same line" if resume else "by the same line and --resume"

    async def do(stores: Stores, output: Output) -> Exit | None:
        manifest = await manifest_of(stores.container, await _meant(name, stores))
        bringing = Restore(stores.container, stores.tables, manifest)
        bringing.require_known()
        _check_key(manifest, output)
        await bringing.begun(resume=resume)
        with output.progress("checking the backup", manifest.rows) as advance:
            await bringing.verify(advance)
        what = f"Backup {manifest.backup}, {counted(manifest.rows, 'row')}"
        confirm(f"{what}: {'go on with the restore' if resume else 'restore'} into {stores.tables_name}?", yes=yes)
        if not resume:
            stores.standing.told = (
                "none of the backup is written; give the same line once more, with --resume if told to"
            )
        mark = await bringing.begin(resume=resume)
        begun = f"is in {stores.tables_name}, where an app's timers rest until the restore is over"
        stores.standing.told = f"part of the backup {begun}; go on {again}"
        with output.progress("writing", sum(part.rows for part in manifest.parts[mark.parts :])) as advance:
            await bringing.write(mark.parts, advance)
        if not mark.equal:
            stores.standing.told = f"all of the backup {begun}, and was not compared to the end; do that {again}"
            with output.progress("comparing", manifest.rows) as advance:
                found = [one async for one in bringing.differences(advance)]
            if found:
                output.result(_told(manifest, found), lambda: _differences_view(found))
                return Exit.RESTORE_DIFFERS
            await bringing.found_equal()
        stores.standing.told = (
            f"all of the backup {begun}, and is equal, but its sessions are not listed; do that {again}"
        )
        with output.progress("listing sessions") as advance:
            await _list_sessions(stores, advance)
        await bringing.complete()
        output.result(_told(manifest, []), lambda: lines(f"{what}: all is equal."))
        return None

    run(
        context,
        do,
        tables=storage_account.tables("--into", into, "Contributor"),
        backups=storage_account.backups("--from", source, "Reader"),
        standing=f"nothing more was changed; go on {again}" if resume else "nothing was changed",
    )


async def _meant(name: str, stores: Stores) -> str:
    if name != _LATEST:
        return name
    known = await backups(stores.container)
    if not known:
        raise BackupUnusable("there is no backup")
    return known[0]


def _check_key(manifest: Manifest, output: Output) -> None:
    key = identity_key()
    unchecked = "so whether the app's identity key is the one of this backup was not checked."
    if not manifest.key_fingerprint:
        output.note(f"The backup has no fingerprint of its identity key, {unchecked}")
    elif not key:
        output.note(f"ZAPBRIDGE_IDENTITY_KEY is not set, {unchecked}")
    elif fingerprint(key) != manifest.key_fingerprint:
        reason = "the ids of this backup's cards were made under another identity key, so that no card would be known"
        raise Failure(Exit.BACKUP_UNUSABLE, f"{reason}; find that key in the vault, under identity-key")


async def _list_sessions(stores: Stores, advance: Callable[[int], None]) -> None:
    """Draw the index again, which is no part of a backup."""
    behind = Behind()
    sessions, authorizations = Sessions(stores.tables), Authorizations(stores.tables)
    index = SessionIndex(stores.tables)
    ledger = Ledger(system_clock, sessions, index, behind)
    await Redrawing(sessions, index, authorizations, ledger).all(advance)
    await behind.settled()


def _told(manifest: Manifest, found: list[Difference]) -> dict[str, object]:
    return {"backup": manifest.backup, "rows": manifest.rows, "equal": not found, "differences": found[:_MOST_SHOWN]}


def _differences_view(found: list[Difference]) -> RenderableType:
    shown = ((one.kind, one.table, one.partition, one.key) for one in found[:_MOST_SHOWN])
    rest = "The app's timers rest until nothing differs; docs/backup.md says how to begin anew."
    return lines(Rows(("", "Table", "Partition", "Row"), shown), f"{counted(len(found), 'row')} differ.", rest)
