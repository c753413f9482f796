"""`zapctl restore` and `zapctl backup run`, killed or interrupted while they are at it, and gone on with by
`--resume`, as an operator does both."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cli.exits import Exit
from functions.services import Services
from shared.backup import backup as making
from shared.backup.backup import Backup
from shared.storage.table import Tables
from tests.backup.conftest import contents, fill
from tests.cable import Cable
from tests.cli.zapctl import Zapctl
from tests.conftest import IDENTITY_KEY


class Stopping(Cable):
    """Freezes before the `number`th piece that matches `sign` comes through, and says so."""

    def __init__(self, connection_string: str, sign: bytes, number: int) -> None:
        super().__init__(connection_string)
        self._sign = re.compile(sign)
        self._left = number
        self.frozen = asyncio.Event()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self._sign.search(data):
                self._left -= 1
                if self._left == 0:
                    self.freeze()
                    self.frozen.set()
            await self._flowing.wait()
            target.write(data)
            await target.drain()
        target.close()


@pytest.fixture
def new(azurite_accounts: Iterator[str]) -> str:
    """The account that is restored into."""
    return next(azurite_accounts)


@pytest.fixture
async def before(services: Services, backup: Backup, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
    """What was backed up, in some thirty parts, and the index that is drawn from it."""
    monkeypatch.setattr(making, "_PART_BYTES", 2000)
    await fill(services, cards=40)
    made = await backup.run()
    assert len(made.parts) > 20
    return await contents(services.tables)


@pytest.fixture
async def stopping(new: str, at: tuple[bytes, int]) -> AsyncIterator[Stopping]:
    cable = Stopping(new, *at)
    await cable.open()
    yield cable
    await cable.close()


@pytest.mark.parametrize(
    "at",
    [(rb"POST \S*/\$batch", 2), (rb"PUT \S*/Sessions\(", 30), (rb"(PUT|PATCH|POST) \S*/SessionIndex\b", 1)],
    ids=["at its beginning", "among the sessions", "while it lists them"],
)
async def test_a_killed_restore_is_refused_anew_and_goes_on_to_the_same_end(
    before: dict[str, list[bytes]], connection_string: str, new: str, stopping: Stopping, tmp_path: Path
) -> None:
    accounts = {"ZAPBRIDGE_BACKUPS": connection_string, "ZAPBRIDGE_IDENTITY_KEY": IDENTITY_KEY}
    through = Zapctl(tmp_path, accounts | {"ZAPBRIDGE_TABLES": stopping.connection_string})
    async with through.started("restore", "latest", "--yes") as process, asyncio.timeout(60):
        await stopping.frozen.wait()
        process.kill()
        await process.wait()
    async with Tables(new) as tables:
        assert await contents(tables) != before

        zapctl = Zapctl(tmp_path, accounts | {"ZAPBRIDGE_TABLES": new})
        anew = await zapctl("restore", "latest", "--yes")
        assert anew.code == Exit.NOT_DONE
        assert "--resume" in anew.err

        resumed = await zapctl("restore", "latest", "--yes", "--resume", "--json")
        assert (resumed.code, resumed.err) == (Exit.FINE, "")
        assert resumed.json["equal"] is True
        assert await contents(tables) == before

    again = await zapctl("restore", "latest", "--yes", "--resume")
    assert again.code == Exit.NOT_DONE
    assert "leave out --resume" in again.err


async def interrupted(zapctl: Zapctl, stopping: Stopping, *line: str) -> str:
    """What it says when somebody presses Ctrl-C, once its cable is frozen."""
    async with zapctl.started(*line) as process, asyncio.timeout(60):
        await stopping.frozen.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    return err.decode()


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ((rb"GET \S*/Tokens\b", 1), "it was interrupted; nothing was changed\n"),
        (
            (rb"POST \S*/Tables\b", 2),
            "none of the backup is written; give the same line once more, with --resume if told",
        ),
        ((rb"PUT \S*/Sessions\(", 30), "part of the backup is in "),
        ((rb"GET \S*/Sessions\b", 3), "and was not compared to the end; do that by the same line and --resume\n"),
        ((rb"(PUT|PATCH|POST) \S*/SessionIndex\b", 1), "but its sessions are not listed; do that by the same line"),
    ],
    ids=["before it writes", "making tables", "writing", "comparing", "listing"],
)
async def test_an_interrupted_restore_says_what_is_there_and_how_to_go_on(
    before: dict[str, list[bytes]], connection_string: str, stopping: Stopping, told: str, tmp_path: Path
) -> None:
    accounts = {"ZAPBRIDGE_BACKUPS": connection_string, "ZAPBRIDGE_IDENTITY_KEY": IDENTITY_KEY}
    zapctl = Zapctl(tmp_path, accounts | {"ZAPBRIDGE_TABLES": stopping.connection_string})
    said = await interrupted(zapctl, stopping, "restore", "latest", "--yes")
    assert said.startswith("zapctl: it was interrupted; ")
    assert said.count("\n") == 1
    assert told in said


@pytest.mark.parametrize("at", [(rb"GET \S*/Sessions\b", 1)], ids=["at the sessions"])
async def test_an_interrupted_backup_says_that_it_is_none(
    before: dict[str, list[bytes]], connection_string: str, at: tuple[bytes, int], tmp_path: Path
) -> None:
    cable = Stopping(connection_string, *at)
    await cable.open()
    accounts = {"ZAPBRIDGE_BACKUPS": connection_string, "ZAPBRIDGE_IDENTITY_KEY": IDENTITY_KEY}
    zapctl = Zapctl(tmp_path, accounts | {"ZAPBRIDGE_TABLES": cable.connection_string})
    said = await interrupted(zapctl, cable, "backup", "run")
    await cable.close()
    assert said.startswith("zapctl: it was interrupted; no backup was made")
    assert said.count("\n") == 1
    assert len((await Zapctl(tmp_path, accounts)("backup", "list", "--json")).json["items"]) == 1
