"""Tables reached without a key: by tokens of the site's managed identity, over TLS, as Azurite checks them."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme
from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport

from devhost.azure.app import Azure
from devhost.azure.shapes import Principal, World
from devhost.processes import ROOT, Ports, spawn
from shared.errors import ConfigurationError, StorageUnavailable
from shared.security.identity import Identity
from shared.storage.table import Change, Tables

CLIENT_ID = "6d3c1c52-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    """The address of an Azurite that takes tokens, and the roots its certificate is checked by."""
    folder, port = tmp_path_factory.mktemp("azurite"), Ports.free().table
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "roots.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    command = [str(ROOT / "node_modules" / ".bin" / "azurite-table"), "--tablePort", str(port), "--oauth", "basic"]
    command += ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem"), "--skipApiVersionCheck"]
    azurite = await spawn("azurite", [*command, "--location", str(folder)], folder)

    async def listens(_: httpx.AsyncClient) -> bool:
        return "successfully started" in azurite.log.read_text()

    try:
        await azurite.wait_until(listens)
        yield f"https://127.0.0.1:{port}/devstoreaccount1", folder / "roots.pem"
    finally:
        await azurite.stop(signal.SIGKILL)  # asked to end, it waits two minutes for connections over TLS


@pytest.fixture
async def identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    azure = Azure(World(identity_header="header", principals=[Principal(client_id=CLIENT_ID)], sites=[]))
    runner = web.AppRunner(azure.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        async with Identity.managed(CLIENT_ID) as found:
            yield found
    finally:
        await runner.cleanup()


async def test_rows_are_written_and_read_as_the_sites_identity(account: tuple[str, Path], identity: Identity) -> None:
    address, roots = account
    async with Tables(address, transport(roots), credential=identity) as tables:
        table = tables["Tokens"]
        assert await table.insert("a1", "row", {"driver": "Ada"})
        await table.transact([Change("upsert", "a1", "other", {"driver": "Bo"})])
        assert [row.properties["driver"] for row in await table.partition("a1")] == ["Bo", "Ada"]


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # within the SDK
async def test_a_token_for_another_resource_is_an_outage_that_says_so(
    account: tuple[str, Path], identity: Identity
) -> None:
    class Elsewhere(Identity):
        async def get_token(self, *_: str, **__: object) -> object:
            return await identity.get_token("https://vault.azure.net/.default")

    address, roots = account
    async with Tables(address, transport(roots), credential=Elsewhere(None)) as tables:
        with pytest.raises(StorageUnavailable, match="refused our credential"):
            await tables["Tokens"].get("a1", "row")


async def test_an_identity_that_gets_no_token_is_an_outage(account: tuple[str, Path], identity: Identity) -> None:
    address, roots = account
    async with (
        Identity.managed("6d3c1c52-0000-4000-8000-0000000000ff") as stranger,
        Tables(address, transport(roots), credential=stranger) as tables,
    ):
        with pytest.raises(StorageUnavailable, match="refused our credential"):
            await tables["Tokens"].get("a1", "row")


async def test_an_address_without_anybody_to_be_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="ZAPBRIDGE_TABLES"):
        await Tables("https://account.table.core.windows.net")["Tokens"].get("a1", "row")


def transport(roots: Path) -> AioHttpTransport:
    return AioHttpTransport(connection_verify=str(roots), use_env_settings=False)
