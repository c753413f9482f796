"""Azure around the two sites of a local stack: which identities and sites there are, and what the sites' settings say.

The rights are those that the templates in infra/ give.
"""

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from devhost.azure.shapes import ACTIONS, Principal, Site, World
from devhost.keys import load_or_create
from devhost.processes import Process, spawn
from devhost.references import VAULT_NAME

HOOKS_CLIENT_ID = "6d3c1c52-0000-4000-8000-000000000001"
STREAMS_CLIENT_ID = "6d3c1c52-0000-4000-8000-000000000002"
OPERATOR_CLIENT_ID = "6d3c1c52-0000-4000-8000-000000000003"
_GROUP = "/subscriptions/6d3c1c52-0000-4000-8000-0000000000aa/resourceGroups/zapbridge/providers/Microsoft.Web/sites"
HOOKS_SITE_ID, STREAMS_SITE_ID = f"{_GROUP}/zapbridge-hooks", f"{_GROUP}/zapbridge-streams"


class SiteFiles(msgspec.Struct, frozen=True):
    """A site's address, the file of its keys, and the one its references are resolved into."""

    url: str
    keys: Path
    resolved: Path
    references: Mapping[str, str]
    """Its settings that refer to secrets, by these secrets' names."""


class Around:
    def __init__(self, folder: Path, port: int, hooks: SiteFiles, streams: SiteFiles) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.identity_header = secrets.token_hex(16)
        self.hooks, self.streams = hooks, streams
        self._folder = folder
        self._port = port

    async def start(self, log_folder: Path, in_vault: Mapping[str, str]) -> Process:
        for site in (self.hooks, self.streams):
            site.resolved.write_text("{}")
            site.resolved.chmod(0o600)
        world = self._folder / "azure.json"
        world.touch(mode=0o600)
        world.write_bytes(msgspec.json.encode(self._world(in_vault)))
        command = [sys.executable, "-m", "devhost.azure", "--port", str(self._port), "--world", str(world)]
        process = await spawn("azure", command, log_folder)
        await process.wait_for(f"{self.url}/control/health")
        return process

    def hooks_settings(self) -> dict[str, str]:
        """What the templates set on the hooks site, and what Azure itself does."""
        return self._identity(HOOKS_CLIENT_ID) | {
            "ZAPBRIDGE_KEY_VAULT_URL": f"{self.url}/vault",
            "ZAPBRIDGE_STREAMS_SITE_ID": STREAMS_SITE_ID,
            "ZAPBRIDGE_ARM_URL": self.url,
        }

    def streams_settings(self) -> dict[str, str]:
        return self._identity(STREAMS_CLIENT_ID)

    def operator_environment(self) -> dict[str, str]:
        """With which msal gets tokens of the operator."""
        return self._identity(OPERATOR_CLIENT_ID)

    def outputs(self) -> dict[str, str]:
        """The outputs of the templates that zapctl reads."""
        return {
            "ZAPBRIDGE_URL": self.hooks.url,
            "ZAPBRIDGE_HOOKS_SITE_ID": HOOKS_SITE_ID,
            "ZAPBRIDGE_STREAMS_SITE_ID": STREAMS_SITE_ID,
            "ZAPBRIDGE_KEY_VAULT_URL": f"{self.url}/vault",
            "ZAPBRIDGE_ARM_URL": self.url,
        }

    def _identity(self, client_id: str) -> dict[str, str]:
        return {
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": self.identity_header,
            "ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID": client_id,
        }

    def _world(self, in_vault: Mapping[str, str]) -> World:
        control = ("references", "refresh", "restart", "sync")
        everything = dict.fromkeys((HOOKS_SITE_ID, STREAMS_SITE_ID), ACTIONS)
        return World(
            identity_header=self.identity_header,
            vault_name=VAULT_NAME,
            secrets=dict(in_vault),
            principals=[
                Principal(client_id=HOOKS_CLIENT_ID, vault=("get", "set"), sites={STREAMS_SITE_ID: control}),
                Principal(client_id=STREAMS_CLIENT_ID, vault=("get",)),
                Principal(client_id=OPERATOR_CLIENT_ID, vault=("get", "set"), sites=everything),
            ],
            sites=[_site(HOOKS_SITE_ID, self.hooks), _site(STREAMS_SITE_ID, self.streams)],
        )


def _site(site_id: str, files: SiteFiles) -> Site:
    keys = load_or_create(files.keys)
    return Site(
        id=site_id,
        url=files.url,
        function_key=keys.function_key,
        master_key=keys.master_key,
        secrets_file=str(files.resolved),
        references=dict(files.references),
    )
