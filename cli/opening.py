"""Opening a target: the app's API, and what `setup` and `secrets` need around it.

In Azure everything is done with the operator's own login. The function key is fetched through the resource manager for
each command (Microsoft.Web, "Web Apps - List Host Keys", api-version 2024-04-01) and kept in memory only.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cli.api import Api
from cli.exits import Exit, Failure
from cli.target import AzureTarget, Control, LocalTarget, Target
from shared.security.secrets import FileSecrets, SecretStore
from shared.streams.host_control import HostControl, LocalHost

if TYPE_CHECKING:
    from azure.identity.aio import ChainedTokenCredential

_KEYS_API_VERSION = "2024-04-01"


class Sites(msgspec.Struct, frozen=True):
    """Where the app's secrets are, and the two sites that read them; `streams` is None where there is none."""

    secrets: SecretStore
    hooks: HostControl
    streams: HostControl | None


class App(msgspec.Struct, frozen=True):
    api: Api
    target: Target
    reachable_sites: Sites | None

    @property
    def sites(self) -> Sites:
        """Raises Failure where the target does not tell of them."""
        if self.reachable_sites is None:
            raise Failure(Exit.NO_TARGET, ".local/stack.json does not say where the secrets are; restart `make serve`")
        return self.reachable_sites


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[App]:
    async with AsyncExitStack() as exits:
        if isinstance(target, LocalTarget):
            sites = _local_sites(target.control) if target.control else None
            key = target.function_key
        else:
            key, sites = await _open_azure(target, exits)
        yield App(await exits.enter_async_context(Api(target.url, key)), target, sites)


def _local_sites(control: Control) -> Sites:
    secrets = FileSecrets(Path(control.secrets_file))
    return Sites(
        secrets,
        LocalHost(control.hooks.url, control.hooks.master_key, secrets),
        LocalHost(control.streams.url, control.streams.master_key, secrets) if control.streams else None,
    )


async def _open_azure(target: AzureTarget, exits: AsyncExitStack) -> tuple[str, Sites]:
    from shared.security.azure_rest import AzureRefused
    from shared.security.key_vault import KeyVaultSecretStore
    from shared.streams.azure_host import AzureHost, resource_manager

    credential = await exits.enter_async_context(operator())
    arm = resource_manager(target.arm_url, _KEYS_API_VERSION, credential)
    secrets = KeyVaultSecretStore(target.key_vault_url, credential)
    hooks, streams = (
        AzureHost(site, credential, target.arm_url) for site in (target.hooks_site_id, target.streams_site_id)
    )
    for one in (arm, secrets, hooks, streams):
        exits.push_async_callback(one.close)
    try:
        keys = await arm.call("POST", f"{target.hooks_site_id}/host/default/listKeys")
    except AzureRefused as refusal:
        reason = f"the function key of {target.hooks_site_id.rpartition('/')[2]} cannot be had: {refusal}"
        remedy = "sign in with `azd auth login` or `az login`, as somebody who is a Contributor there"
        raise Failure(Exit.AZURE, f"{reason}; {remedy}") from refusal
    found = keys.get("functionKeys") if isinstance(keys, dict) else None
    if not isinstance(found, dict) or not found:
        raise Failure(Exit.AZURE, "the site has no function key; make one in the Azure portal, under App keys")
    return str(found.get("default") or next(iter(found.values()))), Sites(secrets, hooks, streams)


def operator() -> "ChainedTokenCredential":
    """Whoever is signed in: by the variables AZURE_…, as the managed identity of a machine that has one (which one,
    AZURE_CLIENT_ID says), by azd, or by az."""
    from azure.identity.aio import (
        AzureCliCredential,
        AzureDeveloperCliCredential,
        ChainedTokenCredential,
        EnvironmentCredential,
        ManagedIdentityCredential,
    )

    logging.getLogger("azure").addHandler(logging.NullHandler())  # what it would say is in the error, too
    machine = "IDENTITY_ENDPOINT" in os.environ
    return ChainedTokenCredential(
        EnvironmentCredential(),
        *([ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID"))] if machine else []),
        AzureDeveloperCliCredential(),
        AzureCliCredential(),
    )
