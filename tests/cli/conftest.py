"""One local stack for all tests of zapctl, in simulated time, and zapctl beside it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devhost.stack import Ports, Site, Stack, running_stack
from tests.cli.zapctl import Zapctl
from tests.conftest import MONDAY_MORNING
from tests.events import assert_only_documented
from tests.secrecy import assert_no_secrets


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory, seed: int) -> AsyncIterator[Stack]:
    """With one stream; whatever the tests do, no secret may stand in a log."""
    folder = tmp_path_factory.mktemp("cli")
    streams = {"harbour": Site("Harbour", 3)}
    settings = {"ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "0"}
    async with running_stack(
        folder, ports=Ports.free(), start=MONDAY_MORNING, seed=seed, streams=streams, settings=settings
    ) as stack:
        yield stack
        secrets = stack.secrets()
    assert_no_secrets(stack.log_folder, secrets)
    assert_only_documented(stack.log_folder)


def describe(stack: Stack, folder: Path, **changes: object) -> None:
    """What `make serve` writes, in a folder."""
    (folder / ".local").mkdir(exist_ok=True)
    (folder / ".local" / "stack.json").write_text(json.dumps(stack.description() | changes))


@pytest.fixture
def zapctl(running: Stack, tmp_path: Path) -> Zapctl:
    """Beside the stack's description."""
    describe(running, tmp_path)
    return Zapctl(tmp_path)


@pytest.fixture
async def harbour(running: Stack) -> str:
    """The id of the installation that has a stream."""
    (view,) = running.streams.installations["harbour"]
    return view.id
