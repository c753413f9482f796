"""`zapctl backup`: which backups there are, and one more of now."""

from typing import Annotated

import typer

from cli import storage_account
from cli.output import Output, Rows, counted, lines, local
from cli.stores import Stores, identity_key, run
from shared.backup.backup import Backup
from shared.backup.manifest import Manifest
from shared.backup.restore import backups, manifest_of
from shared.clock import system_clock

backup = typer.Typer(help="Backups of the tables: which there are, and one more of now.", no_args_is_help=True)

_NOT_MADE = "no backup was made: blobs that were written stay and are none, and the app makes its own at night as ever"

From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="ADDRESS",
        help="The container of the backups, https://…; else the connection string in ZAPBRIDGE_BACKUPS.",
    ),
]


@backup.command("list", short_help="The backups that were finished, the latest first.")
def show_list(context: typer.Context, source: From = "") -> None:
    """The backups that were finished, the latest first."""

    async def do(stores: Stores, output: Output) -> None:
        found = [await manifest_of(stores.container, name) for name in await backups(stores.container)]
        output.result(
            {"items": [told(one) for one in found], "cursor": None},
            lambda: (
                Rows(("Backup", "Begun", "Rows", "Bytes", "Identity key"), map(_row, found))
                if found
                else lines("There is no backup.")
            ),
        )

    run(context, do, tables=None, backups=storage_account.backups("--from", source, "Reader"))


@backup.command("run", short_help="A backup of now, say before an upgrade.")
def make_one(
    context: typer.Context,
    tables: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="The tables, https://…; else the connection string in ZAPBRIDGE_TABLES."),
    ] = "",
    target: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="The container of the backups, https://…; else the connection string in ZAPBRIDGE_BACKUPS.",
        ),
    ] = "",
) -> None:
    """A backup of now, as the app makes one each night; say before an upgrade. The app may be running meanwhile.

    Set ZAPBRIDGE_IDENTITY_KEY to the key that the app runs with, and the backup tells which key its cards are known
    under.
    """

    async def do(stores: Stores, output: Output) -> None:
        key = identity_key()
        if not key:
            output.note(
                "ZAPBRIDGE_IDENTITY_KEY is not set, so the backup cannot tell which identity key it belongs to."
            )
        made = await Backup(system_clock, stores.tables, stores.container, key).run()
        output.result(told(made), lambda: lines(f"Backup {made.backup}: {counted(made.rows, 'row')}."))

    run(
        context,
        do,
        tables=storage_account.tables("--tables", tables, "Reader"),
        backups=storage_account.backups("--to", target, "Contributor"),
        standing=_NOT_MADE,
    )


def told(manifest: Manifest) -> dict[str, object]:
    """A backup for machines."""
    return {
        "backup": manifest.backup,
        "started": manifest.started,
        "ended": manifest.ended,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "schemaVersion": manifest.schema_version,
        "keyFingerprint": manifest.key_fingerprint,
    }


def _row(manifest: Manifest) -> tuple[str, ...]:
    begun = local(manifest.started.isoformat())
    return manifest.backup, begun, str(manifest.rows), str(manifest.bytes), manifest.key_fingerprint or "-"
