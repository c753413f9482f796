"""The accounts that backups go between: how they are named, and what is said where one is not to be had."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from typer.testing import CliRunner

from cli import storage_account, stores
from cli.app import app
from cli.exits import Exit, Failure
from cli.storage_account import Account
from cli.stores import account_name
from shared.errors import StorageUnavailable
from tests.cli.zapctl import Zapctl
from tests.conftest import IDENTITY_KEY

NOWHERE = "https://nobody.invalid"
DOCUMENT = (Path(__file__).parents[2] / "docs" / "backup.md").read_text()
TRIES = 3
A_MINUTE = 60


@pytest.fixture
def account(azurite_accounts: Iterator[str]) -> str:
    return next(azurite_accounts)


async def test_a_backup_says_whether_it_can_tell_its_identity_key(account: str, tmp_path: Path) -> None:
    both = {"ZAPBRIDGE_TABLES": account, "ZAPBRIDGE_BACKUPS": account}
    without = await Zapctl(tmp_path, both)("backup", "run")
    assert without.code == 0
    assert "ZAPBRIDGE_IDENTITY_KEY is not set" in without.err
    assert (await Zapctl(tmp_path, both)("backup", "list", "--json")).json["items"][0]["keyFingerprint"] == ""


async def test_with_the_key_there_is_nothing_to_say(account: str, tmp_path: Path) -> None:
    zapctl = Zapctl(
        tmp_path,
        {"ZAPBRIDGE_TABLES": account, "ZAPBRIDGE_BACKUPS": account, "ZAPBRIDGE_IDENTITY_KEY": IDENTITY_KEY},
    )
    made = await zapctl("backup", "run")
    assert (made.code, made.err) == (0, "")
    assert (await zapctl("backup", "list", "--json")).json["items"][0]["keyFingerprint"]


@pytest.mark.parametrize(
    ("backed_up_with", "restored_with", "told"),
    [("", IDENTITY_KEY, "The backup has no fingerprint"), (IDENTITY_KEY, "", "ZAPBRIDGE_IDENTITY_KEY is not set")],
    ids=["backup", "variable"],
)
async def test_a_restore_that_cannot_check_the_key_says_what_is_missing(
    account: str, tmp_path: Path, backed_up_with: str, restored_with: str, told: str
) -> None:
    both = {"ZAPBRIDGE_TABLES": account, "ZAPBRIDGE_BACKUPS": account}
    made = await Zapctl(tmp_path, both | {"ZAPBRIDGE_IDENTITY_KEY": backed_up_with})("backup", "run")
    assert made.code == 0
    ended = await Zapctl(tmp_path, both | {"ZAPBRIDGE_IDENTITY_KEY": restored_with})("restore", "latest", "--yes")
    assert ended.code == 0
    assert ended.err.startswith(told)
    assert "was not checked" in ended.err


async def test_where_nobody_can_be_asked_the_variable_is_named(tmp_path: Path) -> None:
    ended = await Zapctl(tmp_path)("backup", "list")
    assert ended.code == Exit.NOT_DONE
    assert "set ZAPBRIDGE_BACKUPS to a connection string" in ended.err
    assert "--password-stdin" not in ended.err


async def test_a_connection_string_on_the_line_is_refused_and_not_repeated(account: str, tmp_path: Path) -> None:
    ended = await Zapctl(tmp_path)("backup", "list", "--from", account)
    assert ended.code == Exit.USAGE
    assert "ZAPBRIDGE_BACKUPS" in ended.err
    assert "AccountKey" not in ended.out + ended.err


async def test_whoever_is_not_signed_in_to_azure_is_told_how(tmp_path: Path) -> None:
    """No login of the machine that this runs on counts: its home is an empty folder, and az and azd are not on PATH."""
    zapctl = Zapctl(tmp_path, {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    ended = await zapctl("backup", "list", "--from", f"{NOWHERE}/backups")
    assert ended.code == Exit.AZURE
    assert "az login" in ended.err


def at_a_port_nobody_listens_on(account: str) -> str:
    return re.sub(r":\d+/", ":9/", account)


def with_another_key(account: str) -> str:
    return account.replace("AccountKey=", "AccountKey=AAAA")


def of_no_account(account: str) -> str:
    return account.replace(account_name(account), "nobodys")


ALL_THAT_NEED = [
    ("backup list", "ZAPBRIDGE_BACKUPS"),
    ("backup run", "ZAPBRIDGE_BACKUPS"),
    ("backup run", "ZAPBRIDGE_TABLES"),
    ("restore latest --yes", "ZAPBRIDGE_BACKUPS"),
    ("restore latest --yes", "ZAPBRIDGE_TABLES"),
]
THAT_MAKE = [("backup run", "ZAPBRIDGE_BACKUPS"), ("restore latest --yes", "ZAPBRIDGE_TABLES")]
_NETWORK = "and does its network let this machine in?"


@pytest.mark.parametrize(
    ("change", "lines", "told"),
    [
        (with_another_key, ALL_THAT_NEED, f"is the key in the connection string of {{}} right, {_NETWORK}"),
        (at_a_port_nobody_listens_on, ALL_THAT_NEED, f"is the connection string of {{}} right, {_NETWORK}"),
        (of_no_account, THAT_MAKE, "is the name right in the connection string of {}?"),
    ],
    ids=["another key", "no answer", "no account"],
)
async def test_an_account_that_is_not_to_be_had_is_told_with_what_to_look_at(
    account: str, tmp_path: Path, change: Callable[[str], str], lines: list[tuple[str, str]], told: str
) -> None:
    both = {"ZAPBRIDGE_TABLES": account, "ZAPBRIDGE_BACKUPS": account, "ZAPBRIDGE_IDENTITY_KEY": IDENTITY_KEY}
    assert (await Zapctl(tmp_path, both)("backup", "run")).code == 0
    for line, variable in lines:
        ended = await Zapctl(tmp_path, both | {variable: change(account)})(*line.split())
        assert ended.code == Exit.UNAVAILABLE, line
        assert ended.err.endswith(f"{told.format(variable)}\n"), line
        assert ended.err.count("\n") == 1
        assert "AccountKey=" not in ended.err


def fault(status: int) -> StorageUnavailable:
    """As it is raised of an answer of Azure's."""
    answer = HttpResponseError()
    answer.status_code = status
    told = StorageUnavailable()
    told.__cause__ = answer
    return told


@pytest.mark.parametrize("kind", [storage_account.tables, storage_account.backups])
def test_whoever_lacks_a_role_is_told_which_one(kind: Callable[[str, str, str], Account]) -> None:
    """Azurite knows no roles."""
    account = kind("--account", NOWHERE, "Contributor")
    assert account.remedy(fault(403)).startswith(f"have you the role {account.role} there, which takes minutes to work")
    assert f"*{account.role}*" in DOCUMENT
    assert "address of --account" in account.remedy(StorageUnavailable())
    assert "try again" in account.remedy(fault(503))


@pytest.fixture
async def mute() -> AsyncIterator[str]:
    """The port of a storage that takes connections, and never answers."""
    never = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield str(server.sockets[0].getsockname()[1])
        never.set()


@pytest.mark.parametrize("line", ["backup list", "backup run", "restore latest --yes"])
async def test_a_storage_that_never_answers_is_given_up_on_within_about_a_minute(
    account: str, mute: str, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    assert stores._PATIENCE.total_seconds() * TRIES <= A_MINUTE
    monkeypatch.setattr(stores, "_PATIENCE", timedelta(seconds=0.2))
    silent = re.sub(r":\d+/", f":{mute}/", account)
    monkeypatch.setenv("ZAPBRIDGE_BACKUPS", silent)
    monkeypatch.setenv("ZAPBRIDGE_TABLES", silent)
    began = time.monotonic()

    failure = (await asyncio.to_thread(CliRunner().invoke, app, line.split())).exception

    assert isinstance(failure, Failure)
    assert failure.exit_code == Exit.UNAVAILABLE
    assert "did not answer" in str(failure)
    assert time.monotonic() - began < 10
