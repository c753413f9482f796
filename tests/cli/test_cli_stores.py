"""The accounts that backups go between: how they are named, and what is said where one is not to be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.zapctl import Zapctl
from tests.conftest import IDENTITY_KEY

NOWHERE = "https://nobody.invalid"


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


async def test_a_wrong_key_is_said_to_be_refused(account: str, tmp_path: Path) -> None:
    wrong = account.replace("AccountKey=", "AccountKey=AAAA")
    ended = await Zapctl(tmp_path, {"ZAPBRIDGE_BACKUPS": wrong})("backup", "list")
    assert ended.code == Exit.UNAVAILABLE
    assert "answered 403" in ended.err
    assert "connection string" in ended.err
