"""The storage accounts that backups go between, without the app: for the day that it is gone.

An account is named by its address and reached with the operator's own Azure login, or by a connection string. That is a
secret, so it comes from the environment or is typed unseen, and no option takes one.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec
import typer
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

from cli.asking import ask_secret
from cli.context import Options
from cli.exits import Exit, Failure
from cli.opening import operator
from cli.output import Output
from cli.storage_account import Account
from shared.backup.container import BackupContainer, BackupsUnavailable
from shared.errors import BackupUnusable, ConfigurationError, Conflict, StorageUnavailable
from shared.storage.table import Tables

_PATIENCE = timedelta(seconds=20)
"""Of one try; there are up to three, and somebody who waits at a terminal is to hear of it within about a minute."""
_STORAGE_SCOPE = "https://storage.azure.com/.default"
"""Of a token for tables and blobs alike (Microsoft Learn, "Authorize access to blobs using Microsoft Entra ID")."""


class Standing(msgspec.Struct):
    """What state things are in, and how to go on: told where the command is interrupted, or storage lets it down."""

    told: str


class Stores(msgspec.Struct, frozen=True):
    tables: Tables
    tables_name: str
    container: BackupContainer
    standing: Standing


Work = Callable[[Stores, Output], Awaitable[int | None]]
"""What a command does; its exit code, None for 0."""


def run(context: typer.Context, work: Work, *, tables: Account | None, backups: Account, standing: str = "") -> None:
    """Open the accounts, do the work, and end with the exit code it gives. `tables` is None where none is needed;
    `standing` is what state things are in before the work says otherwise."""
    options: Options = context.obj
    kept = _access(backups)
    live = _access(tables) if tables else ""
    now = Standing(standing)

    async def work_there() -> int | None:
        async with _opened(live, kept, now) as stores:
            return await work(stores, options.output)

    try:
        ended = asyncio.run(work_there())
    except BackupUnusable as error:
        raise Failure(Exit.BACKUP_UNUSABLE, str(error)) from error
    except Conflict as error:
        raise Failure(Exit.NOT_DONE, str(error)) from error
    except ConfigurationError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    except BackupsUnavailable as error:
        raise _unavailable(error.reason, backups.remedy(error), now) from error
    except StorageUnavailable as error:
        raise _unavailable(str(error), tables.remedy(error) if tables else "", now) from error
    except KeyboardInterrupt:
        if now.told:
            options.output.note(f"zapctl: it was interrupted; {now.told}")
        raise
    if ended:
        raise typer.Exit(ended)


def _unavailable(reason: str, remedy: str, now: Standing) -> Failure:
    return Failure(Exit.UNAVAILABLE, "; ".join(filter(None, (reason, now.told, remedy))))


@asynccontextmanager
async def _opened(tables: str, backups: str, standing: Standing) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as exits:
        credential = None
        if any(account.startswith("https://") for account in (tables, backups)):
            credential = await exits.enter_async_context(operator())
            await _sign_in(credential)
        yield Stores(
            await exits.enter_async_context(Tables(tables, patience=_PATIENCE, credential=credential)),
            account_name(tables),
            await exits.enter_async_context(BackupContainer(backups, credential, patience=_PATIENCE)),
            standing,
        )


async def _sign_in(credential: AsyncTokenCredential) -> None:
    """Raises Failure where nobody is signed in, before storage is asked for anything."""
    try:
        await credential.get_token(_STORAGE_SCOPE)
    except ClientAuthenticationError as error:
        reason = "Azure did not sign you in, and without that no account can be reached by its address"
        raise Failure(Exit.AZURE, f"{reason}; sign in with `azd auth login` or `az login`") from error


def _access(account: Account) -> str:
    """The address, or the connection string that is in the environment or is typed; raises Failure."""
    if account.address and not account.address.startswith("https://"):
        reason = f"the account of the {account.what} is named by an address that begins with https://"
        raise Failure(Exit.USAGE, f"{reason}; a connection string is a secret and belongs in {account.variable}")
    if not (account.address or account.variable in os.environ or sys.stdin.isatty()):
        reason = f"nobody can be asked here for the account of the {account.what}"
        raise Failure(
            Exit.NOT_DONE, f"{reason}; name its address on the line, or set {account.variable} to a connection string"
        )
    asked = f"connection string of the account of the {account.what}"
    return account.address or ask_secret(asked, account.variable, from_stdin=False)


def account_name(account: str) -> str:
    """What an account may be called on a screen."""
    if account.startswith("https://"):
        return urlsplit(account).netloc
    parts = dict(part.split("=", 1) for part in account.split(";") if "=" in part)
    return parts.get("AccountName", "")


def identity_key() -> str:
    """As the app has it; "" where the operator did not say it."""
    return os.environ.get("ZAPBRIDGE_IDENTITY_KEY", "")
