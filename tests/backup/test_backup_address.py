"""The backups' container by its address, over TLS and as the site's managed identity; what is wrong there is said."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme

from devhost.processes import ROOT, Ports, spawn
from shared.backup.container import BackupContainer
from shared.errors import StorageUnavailable
from shared.security.identity import Identity
from tests.storage.test_storage_identity import identity, transport  # noqa: F401 - one is a fixture


@pytest.fixture(scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    """The address of an Azurite that takes tokens, and the roots its certificate is checked by."""
    folder, port = tmp_path_factory.mktemp("azurite"), Ports.free().blob
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "roots.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    command = [str(ROOT / "node_modules" / ".bin" / "azurite-blob"), "--blobPort", str(port), "--oauth", "basic"]
    command += ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem"), "--skipApiVersionCheck"]
    azurite = await spawn("azurite", [*command, "--location", str(folder)], folder)

    async def listens(_: httpx.AsyncClient) -> bool:
        return "successfully listens" in azurite.log.read_text()

    try:
        await azurite.wait_until(listens)
        yield f"https://127.0.0.1:{port}/devstoreaccount1", folder / "roots.pem"
    finally:
        await azurite.stop(signal.SIGKILL)  # asked to end, it waits two minutes for connections over TLS


async def test_blobs_are_added_and_read_as_the_sites_identity(account: tuple[str, Path], identity: Identity) -> None:  # noqa: F811
    address, roots = account
    async with BackupContainer(f"{address}/backups", identity, transport(roots)) as container:
        await container._client().create_container()
        await container.prepare()
        await container.add("20260303T014100Z/manifest.json", b"{}")
        assert await container.names() == ["20260303T014100Z/manifest.json"]
        assert await container.get("20260303T014100Z/manifest.json") == b"{}"


async def test_an_address_of_no_container_is_said_to_be_none(account: tuple[str, Path], identity: Identity) -> None:  # noqa: F811
    """A slip of the pen is no empty container: neither is it made, nor does it look as if there were no backup."""
    address, roots = account
    async with BackupContainer(f"{address}/bakcups", identity, transport(roots)) as container:
        await container.prepare()
        with pytest.raises(StorageUnavailable, match="no such container"):
            await container.add("20260303T014100Z/manifest.json", b"{}")
        with pytest.raises(StorageUnavailable, match="no such container"):
            await container.names()


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # within the SDK
async def test_whoever_gets_no_token_is_told_so(account: tuple[str, Path], identity: Identity) -> None:  # noqa: F811
    address, roots = account
    async with (
        Identity.managed("6d3c1c52-0000-4000-8000-0000000000ff") as stranger,
        BackupContainer(f"{address}/backups", stranger, transport(roots)) as container,
    ):
        with pytest.raises(StorageUnavailable, match="refused our credential"):
            await container.names()
