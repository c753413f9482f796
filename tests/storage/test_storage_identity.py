"""Tables reached without a key: by tokens of the site's managed identity, over TLS, as Azurite checks them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, StorageUnavailable
from shared.security.identity import Identity
from shared.storage.table import Change, Tables
from tests.azurite_by_token import NOBODYS_CLIENT_ID, azurite_by_token, managed_identity, transport


@pytest.fixture(scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    async with azurite_by_token("table", tmp_path_factory.mktemp("azurite")) as started:
        yield started


@pytest.fixture
async def identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    async with managed_identity(monkeypatch) as found:
        yield found


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
        Identity.managed(NOBODYS_CLIENT_ID) as stranger,
        Tables(address, transport(roots), credential=stranger) as tables,
    ):
        with pytest.raises(StorageUnavailable, match="refused our credential"):
            await tables["Tokens"].get("a1", "row")


async def test_an_address_without_anybody_to_be_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="ZAPBRIDGE_TABLES"):
        await Tables("https://account.table.core.windows.net")["Tokens"].get("a1", "row")
