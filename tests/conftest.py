"""What every test may use: a real Azurite with an empty account each, the app's services on it, and a whole stack."""

import asyncio
import itertools
import os
import struct
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest

from devhost.stack import ACCOUNT_KEY, Ports, Stack, running_stack, start_azurite, storage_connection_string
from functions.services import Services, build
from shared.clock import EPOCH, file_clock
from shared.settings import Settings
from shared.storage.table import Tables
from tests.events import assert_only_documented, only_documented_events  # noqa: F401 - a fixture for all
from tests.secrecy import WatchedTransport, assert_no_secrets, found_secrets

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")

ACCOUNTS = [f"test{number:03}" for number in range(1000)]
IDENTITY_KEY = "an identity key of the tests, 32+ characters"
MONDAY_MORNING = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class HandClock:
    """A clock moved by hand, which the code under test reads from a file as it reads the simulator's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(8))
        self.now = file_clock(path)
        self.set(MONDAY_MORNING)

    def set(self, instant: datetime) -> None:
        with self.path.open("r+b") as file:
            file.write(struct.pack("<q", (instant - EPOCH) // timedelta(microseconds=1)))

    def advance(self, seconds: float) -> None:
        self.set(self.now() + timedelta(seconds=seconds))


@pytest.fixture
def clock(tmp_path: Path) -> HandClock:
    return HandClock(tmp_path / "clock")


@pytest.fixture(scope="session")
def azurite_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[str]]:
    """Connection strings of empty storage accounts, one after the other, on one real Azurite."""
    folder = tmp_path_factory.mktemp("azurite")
    ports = Ports.free()
    accounts = ";".join(f"{name}:{ACCOUNT_KEY}" for name in ACCOUNTS)
    with asyncio.Runner() as runner:
        azurite = runner.run(start_azurite(folder / "data", ports, folder, accounts))
        yield (storage_connection_string(ports, name) for name in ACCOUNTS)
        runner.run(azurite.stop())


@pytest.fixture
def connection_string(azurite_accounts: Iterator[str]) -> str:
    """An account nobody has written to yet."""
    return next(azurite_accounts)


@pytest.fixture
async def tables(connection_string: str) -> AsyncIterator[Tables]:
    async with Tables(connection_string) as opened:
        yield opened


def settings_for(connection_string: str, clock: HandClock, **changes: object) -> Settings:
    given: dict[str, object] = {
        "tables": connection_string,
        "identity_key": IDENTITY_KEY,
        "clock_file": str(clock.path),
    }
    return Settings(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
async def services(connection_string: str, clock: HandClock) -> AsyncIterator[Services]:
    """The app's own object graph, as the triggers use it, on an empty account; no address it asks for tells a card."""
    transport = WatchedTransport([IDENTITY_KEY])
    built = build(settings_for(connection_string, clock), Tables(connection_string, transport))
    yield built
    await built.close()
    assert not transport.given_away


@pytest.fixture(scope="session")
def stack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
async def stack(stack_folder: Path) -> AsyncIterator[Stack]:
    """A whole stack in simulated time, shared by the tests of a worker: each makes its own installation.

    When it is done with, whatever any test did, no secret may stand in its logs.
    """
    patient = {"ZAPBRIDGE_HOOK_BUDGET_SECONDS": "20"}  # two hundred starts at once, on a machine of two cores
    async with running_stack(stack_folder, ports=Ports.free(), start=MONDAY_MORNING, settings=patient) as running:
        yield running
        secrets = running.secrets()
        asked = [request.path for request in await running.simulator.requests()]
        asked += [call.path for call in await running.simulator.calls()]
        assert not found_secrets("\n".join(asked).encode(), secrets), "an address gives something away"
    assert_no_secrets(running.log_folder, secrets)
    assert_only_documented(running.log_folder)


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What the code under test logs in this process."""
    yield
    text = "\n".join(record.getMessage() for record in caplog.get_records("call"))
    assert not found_secrets(text.encode(), [IDENTITY_KEY]), "a log line gives something away"


@pytest.fixture(scope="session", autouse=True)
def seed() -> int:
    """Randomness of the scenarios; printed, and taken from ZAPBRIDGE_TEST_SEED to run one again."""
    chosen = int(os.environ.get("ZAPBRIDGE_TEST_SEED", "1"))
    print(f"seed {chosen}")  # noqa: T201
    return chosen


counter = itertools.count(1)


@pytest.fixture
def card() -> str:
    """A card number no other test of this process uses, in its normalized spelling."""
    return f"04A1B2{next(counter):08X}"
