"""The backups' container by its address, over TLS and as the site's managed identity; what is wrong there is said."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.backup.container import BackupContainer
from shared.errors import StorageUnavailable
from shared.security.identity import Identity
from tests.azurite_by_token import NOBODYS_CLIENT_ID, azurite_by_token, managed_identity, transport


@pytest.fixture(scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    async with azurite_by_token("blob", tmp_path_factory.mktemp("azurite")) as started:
        yield started


@pytest.fixture
async def identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    async with managed_identity(monkeypatch) as found:
        yield found


async def test_blobs_are_added_and_read_as_the_sites_identity(account: tuple[str, Path], identity: Identity) -> None:
    address, roots = account
    async with BackupContainer(f"{address}/backups", identity, transport(roots)) as container:
        await container._client().create_container()
        await container.prepare()
        await container.add("20260303T014100Z/manifest.json", b"{}")
        assert await container.names() == ["20260303T014100Z/manifest.json"]
        assert await container.get("20260303T014100Z/manifest.json") == b"{}"


async def test_an_address_of_no_container_is_said_to_be_none(account: tuple[str, Path], identity: Identity) -> None:
    """A slip of the pen is no empty container: neither is it made, nor does it look as if there were no backup."""
    address, roots = account
    async with BackupContainer(f"{address}/bakcups", identity, transport(roots)) as container:
        await container.prepare()
        with pytest.raises(StorageUnavailable, match="no such container"):
            await container.add("20260303T014100Z/manifest.json", b"{}")
        with pytest.raises(StorageUnavailable, match="no such container"):
            await container.names()


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # within the SDK
async def test_whoever_gets_no_token_is_told_so(account: tuple[str, Path], identity: Identity) -> None:
    address, roots = account
    async with (
        Identity.managed(NOBODYS_CLIENT_ID) as stranger,
        BackupContainer(f"{address}/backups", stranger, transport(roots)) as container,
    ):
        with pytest.raises(StorageUnavailable, match="refused our credential"):
            await container.names()
