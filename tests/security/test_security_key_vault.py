"""Secrets in Key Vault: got, set and versioned as the REST API documents it, and every refusal said in plain words."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from devhost.azure.app import Azure
from devhost.azure.shapes import Fault, Principal, World
from shared.errors import SecretStoreUnavailable
from shared.security.identity import Identity
from shared.security.key_vault import KeyVaultSecretStore

WRITER, READER = "6d3c1c52-0000-4000-8000-000000000001", "6d3c1c52-0000-4000-8000-000000000002"
VALUE = 'a value nobody may see, with "quotes" and å'


@pytest.fixture
async def azure(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Azure]:
    world = World(
        identity_header="header",
        principals=[Principal(client_id=WRITER, vault=("get", "set")), Principal(client_id=READER, vault=("get",))],
        sites=[],
    )
    stand_in = Azure(world)
    runner = web.AppRunner(stand_in.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{base}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        monkeypatch.setenv("VAULT_OF_THE_TESTS", f"{base}/vault")
        yield stand_in
    finally:
        await runner.cleanup()


@asynccontextmanager
async def vault(client_id: str, url: str = "") -> AsyncIterator[KeyVaultSecretStore]:
    async with Identity.managed(client_id) as identity:
        found = KeyVaultSecretStore(url or os.environ["VAULT_OF_THE_TESTS"], identity)
        yield found
        await found.close()


@pytest.fixture
async def store(azure: Azure) -> AsyncIterator[KeyVaultSecretStore]:
    async with vault(WRITER) as found:
        yield found


async def test_what_was_set_is_there_under_a_version_of_its_own(azure: Azure, store: KeyVaultSecretStore) -> None:
    first, second = await store.set("zapcloud-tokens", "older"), await store.set("zapcloud-tokens", VALUE)
    assert await store.get("zapcloud-tokens") == VALUE
    current = azure.vault.current("zapcloud-tokens")
    assert current
    assert (current.id, current.value) == (second, VALUE)
    assert first != second
    assert not azure.book.violations


async def test_a_secret_nobody_set_is_none(store: KeyVaultSecretStore) -> None:
    assert await store.get("never-set") is None


@pytest.mark.parametrize("operation", ["get", "set"])
@pytest.mark.parametrize(
    ("status", "told"), [(401, "tenant"), (403, "role"), (429, "busy"), (500, "500"), (503, "503")]
)
async def test_a_refusal_says_what_it_may_be_and_names_no_value(
    azure: Azure, store: KeyVaultSecretStore, operation: str, status: int, told: str
) -> None:
    azure.book.arm([Fault(operation=operation, status=status)])
    with pytest.raises(SecretStoreUnavailable, match=told) as refused:
        await (store.get("name") if operation == "get" else store.set("name", VALUE))
    assert VALUE not in str(refused.value)
    assert str(status) in str(refused.value)
    assert await store.set("name", VALUE), "the next call is on its own"


async def test_a_deleted_secret_is_said_to_be_recovered_first(azure: Azure, store: KeyVaultSecretStore) -> None:
    await store.set("stream-harbour-topic", "t")
    azure.vault.delete("stream-harbour-topic")
    with pytest.raises(SecretStoreUnavailable, match="was deleted; recover it"):
        await store.set("stream-harbour-topic", "t")
    assert await store.get("stream-harbour-topic") is None


async def test_an_identity_that_may_only_read_cannot_write(azure: Azure) -> None:
    async with vault(READER) as reader:
        with pytest.raises(SecretStoreUnavailable, match="ForbiddenByRbac"):
            await reader.set("identity-key", VALUE)
    assert azure.vault.current("identity-key") is None


async def test_a_vault_that_cannot_be_reached_is_unavailable(azure: Azure) -> None:
    async with vault(WRITER, "http://127.0.0.1:1/vault") as store:
        with pytest.raises(SecretStoreUnavailable, match="did not answer"):
            await store.get("identity-key")
