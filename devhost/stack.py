"""The local stack: Azurite, the simulator, and the hosts of the app, wired up as an operator would in Azure.

As there the app runs on two sites with one store: `hooks` has the web hooks, the API and the timers, `streams` the
Service Bus triggers. So a restart of the streams, which every change of their credentials needs, never denies a
driver. The streams site is left out where there is no stream. Everything listens on loopback.
"""

import itertools
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from devhost.azure.around import Around, SiteFiles
from devhost.azure.client import AzureClient
from devhost.azurite import ACCOUNT_KEY, start_azurite, storage_connection_string
from devhost.instance import Host
from devhost.keys import load_or_create
from devhost.processes import ROOT, Ports, Process, StackError, spawn
from devhost.references import HOOKS_REFERENCES, STREAMS_REFERENCES, as_references
from devhost.streams import Group, Site, Streams
from simulator.client import SimulatorClient
from simulator.shapes import InstallationView

__all__ = [
    "ACCOUNT_KEY",
    "HOOK_CREDENTIAL",
    "OAUTH_CREDENTIAL",
    "ROOT",
    "Group",
    "Host",
    "Ports",
    "Process",
    "Site",
    "Stack",
    "StackError",
    "running_stack",
    "start_azurite",
    "storage_connection_string",
]

ZAPCLOUD_USERNAME = "owner@example.com"
HOOK_CREDENTIAL = "zapcloud"
OAUTH_CREDENTIAL = "zapcloud-oauth"
_TIMES_SAID = 3


class Stack:
    """A running stack; made by `running_stack`."""

    def __init__(self, folder: Path, ports: Ports, exits: AsyncExitStack) -> None:
        self.folder = folder
        self.ports = ports
        self._exits = exits
        self.identity_key = secrets.token_hex(32)
        self.zapcloud_password = secrets.token_urlsafe(24)
        self.clock_file: Path | None = None
        self.azurite: Process
        self.host: Host
        self.streams_host: Host | None = None
        self.simulator: SimulatorClient
        self.installations: list[InstallationView] = []
        self.streams = Streams(folder / "secrets.json")
        self.azure: Around | None = None
        self.azure_client: AzureClient
        self.hook_password = ""
        self.oauth_secret = ""

    @property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    @property
    def storage_connection_string(self) -> str:
        return storage_connection_string(self.ports)

    async def start_azurite(self, *, many_rows: bool = False) -> None:
        self.azurite = await start_azurite(self.folder / "azurite", self.ports, self.log_folder, many_rows=many_rows)
        self._exits.push_async_callback(self.azurite.stop)

    async def start_azure(self, in_vault: Mapping[str, str]) -> None:
        """Stand-ins for Key Vault, the resource manager and managed identity, in the place of the file of secrets."""
        hooks = self._files("host", self.ports.host, HOOKS_REFERENCES)
        streams = self._files("streams", self.ports.streams, STREAMS_REFERENCES | self.streams.references())
        self.streams.secrets_file = streams.resolved
        self.azure = Around(self.folder, self.ports.azure, hooks, streams)
        process = await self.azure.start(self.log_folder, in_vault)
        self._exits.push_async_callback(process.stop)
        client = AzureClient(self.azure.url, self.azure.identity_header)
        self.azure_client = await self._exits.enter_async_context(client)

    def _files(self, name: str, port: int, references: Mapping[str, str]) -> SiteFiles:
        resolved = self.folder / f"{name}-resolved.json"
        return SiteFiles(f"http://127.0.0.1:{port}", self._keys_file(name), resolved, references)

    async def start_simulator(self, start: datetime | None, seed: int) -> None:
        """With `start`, in virtual time from then."""
        command = [sys.executable, "-m", "simulator", "--port", str(self.ports.simulator), "--seed", str(seed)]
        if start:
            self.clock_file = self.folder / "clock"
            command += ["--mode", "virtual", "--start", start.isoformat(), "--clock-file", str(self.clock_file)]
        command += [
            "--username",
            ZAPCLOUD_USERNAME,
            f"--password={self.zapcloud_password}",
        ]  # it may begin with a hyphen
        command += ["--service-bus-port", str(self.ports.service_bus)]
        process = await spawn("simulator", command, self.log_folder)
        self._exits.push_async_callback(process.stop)
        url = f"http://127.0.0.1:{self.ports.simulator}"
        await process.wait_for(f"{url}/sim/health")
        self.simulator = await self._exits.enter_async_context(SimulatorClient(url))

    async def start_host(self, name: str, port: int, settings: dict[str, str] | None = None) -> Host:
        """One more instance of the hooks site on the same store; `settings` are set over the usual ones."""
        secrets_file = self.azure.hooks.resolved if self.azure else self.streams.secrets_file
        return await self._start(name, port, self.hooks_settings() | (settings or {}), secrets_file)

    async def start_streams_host(self, settings: dict[str, str] | None = None) -> None:
        """The streams site, which has nothing to listen to before its first `refresh_credentials`."""
        all_settings = self.streams_settings() | (settings or {})
        self.streams_host = await self._start("streams", self.ports.streams, all_settings, self.streams.secrets_file)

    async def kill_streams_host(self) -> None:
        """As a crash would; `start_streams_host` brings it back."""
        await self._streams_host().process.stop(signal.SIGKILL)

    async def refresh_credentials(self) -> None:
        """Have the app fetch the streams' connection details, as its timer does, and wait until its triggers listen
        with what it found. Raises httpx.HTTPStatusError where it fails, StackError where they do not listen."""
        before, replaced = self.streams.details(), await self._instance()
        self.streams.known_keys()
        await self.host.run_timer("refresh_credentials")
        await self.wait_for_listeners(replaced if self.streams.details() != before else "")

    async def wait_for_listeners(self, replaced: str = "", *, or_refused: bool = False) -> None:
        """Until every stream's trigger listens, in another instance of the streams host than `replaced`; with
        `or_refused`, until each has tried to.

        Raises StackError where a minute was not enough.
        """
        states = {"listening", "failing"} if or_refused else {"listening"}

        async def listen(client: httpx.AsyncClient) -> bool:
            return await self._instance() != replaced and await self._all_in(states, client)

        await self._streams_host().process.wait_until(listen)

    async def listens(self) -> bool:
        """Whether every stream's trigger listens now."""
        async with httpx.AsyncClient() as client:
            return await self._all_in({"listening"}, client)

    async def _all_in(self, states: set[str], client: httpx.AsyncClient) -> bool:
        host = self._streams_host()
        answer = await client.get(f"{host.url}/admin/functions", headers={"x-functions-key": host.master_key})
        found = {one["name"] for one in answer.json() if one.get("listener") in states}
        return {stream.function_name for stream in self.streams.all} <= found

    async def _instance(self) -> str:
        host = self._streams_host()
        async with httpx.AsyncClient(headers={"x-functions-key": host.master_key}) as client:
            return str((await client.get(f"{host.url}/admin/host/status")).json()["instanceId"])

    def _streams_host(self) -> Host:
        if self.streams_host is None:
            raise StackError("there is no streams host: the stack was begun without streams")
        return self.streams_host

    async def _start(self, name: str, port: int, settings: dict[str, str], secrets_file: Path) -> Host:
        keys = self._keys_file(name)
        command = [sys.executable, "-m", "devhost", "--app", str(ROOT), "--port", str(port), "--keys", str(keys)]
        command += ["--timers", "external" if self.clock_file else "system"]
        command += ["--settings", str(self._settings_file()), "--secrets", str(secrets_file)]
        process = await spawn(name, command, self.log_folder, settings)
        self._exits.push_async_callback(process.stop)
        url = f"http://127.0.0.1:{port}"
        await process.wait_for(f"{url}/api/health", status_below=600)
        known = load_or_create(keys)
        return Host(process, url, known.function_key, known.master_key)

    def app_settings(self) -> dict[str, str]:
        """What both sites have, besides references."""
        settings = {
            "ZAPBRIDGE_TABLES": self.storage_connection_string,
            "ZAPBRIDGE_ZAPCLOUD_URL": f"http://127.0.0.1:{self.ports.simulator}",
        }
        if self.clock_file:
            settings["ZAPBRIDGE_CLOCK_FILE"] = str(self.clock_file)
        return settings

    def hooks_settings(self) -> dict[str, str]:
        settings = self.app_settings() | {"ZAPBRIDGE_ROLE": "hooks"} | as_references(HOOKS_REFERENCES)
        if self.streams.all:
            settings |= self.streams.setting()
        if self.azure:
            settings |= self.azure.hooks_settings()
        elif self.streams.all:
            settings["ZAPBRIDGE_SECRETS_FILE"] = str(self.streams.secrets_file)
            settings["ZAPBRIDGE_STREAMS_HOST_URL"] = f"http://127.0.0.1:{self.ports.streams}"
            settings["ZAPBRIDGE_STREAMS_HOST_KEY"] = load_or_create(self._keys_file("streams")).master_key
        return settings

    def streams_settings(self) -> dict[str, str]:
        settings = self.app_settings() | {"ZAPBRIDGE_ROLE": "streams"} | self.streams.setting()
        settings |= as_references(STREAMS_REFERENCES | self.streams.references())
        return settings | (self.azure.streams_settings() if self.azure else {})

    def setup_secrets(self) -> dict[str, str]:
        """What `zapctl setup` puts into the vault of a new app."""
        return {
            "identity-key": self.identity_key,
            "zapcloud-username": ZAPCLOUD_USERNAME,
            "zapcloud-password": self.zapcloud_password,
        }

    async def add_installation(self, name: str, chargers: int, **settings: Any) -> InstallationView:
        """An installation in the simulated ZapCloud, known to the app and calling its web hooks with Basic."""
        view = await self.simulator.add_installation(name, chargers)
        await self.make_known(view, {"name": name, "mode": "enforce", **settings})
        if view.chargers:
            await self._insist_on_chargers(view)
        return view

    async def _insist_on_chargers(self, view: InstallationView) -> None:
        """As an operator does where ZapCloud did not answer the app in time, on a busy machine: say it again."""
        async with self.host.management() as management:
            for _ in range(_TIMES_SAID):
                if (await management.get(f"/chargers/{view.chargers[-1].id}/grants")).is_success:
                    return
                self.host.insist(await management.put(f"/installations/{view.id}", json={}))
        raise StackError(f"the app did not learn of the chargers of {view.name}; its log says why")

    async def make_known(self, view: InstallationView, settings: Mapping[str, Any]) -> None:
        """Tell the app of an installation, and the installation of the app's web hooks."""
        async with self.host.management() as management:
            self.host.insist(await management.put(f"/installations/{view.id}", json=settings))
        payload = {"username": HOOK_CREDENTIAL, "password": self.hook_password}
        await self.use_web_hooks(view.id, payload)
        self.installations.append(view)

    async def use_web_hooks(self, installation_id: str, payload: dict[str, str], auth_url: str = "") -> None:
        """What an operator pastes into Zaptec Portal."""
        await self.simulator.configure(
            installation_id,
            authenticationType=1,
            webhooksAuthUrl=auth_url,
            webhooksAuthPayload=urlencode(payload),
            webhooksSessionStartUrl=f"{self.host.api}/hooks/session-start",
            webhooksSessionEndUrl=f"{self.host.api}/hooks/session-end",
        )

    async def make_hook_credentials(self) -> None:
        async with self.host.management() as management:
            for name in (HOOK_CREDENTIAL, OAUTH_CREDENTIAL):
                answer = await management.put(f"/hook-credentials/{name}", json={"installations": ["*"]})
                secret = self.host.insist(answer).json()["secret"]
                if name == HOOK_CREDENTIAL:
                    self.hook_password = secret
                else:
                    self.oauth_secret = secret

    def secrets(self) -> list[str]:
        """What must never stand in a log or an address."""
        return [
            self.identity_key,
            self.zapcloud_password,
            self.hook_password,
            self.oauth_secret,
            self.host.function_key,
            self.host.master_key,
            ACCOUNT_KEY,
            *([self.streams_host.function_key, self.streams_host.master_key] if self.streams_host else []),
            *self.streams.known_keys(),
        ]

    def description(self) -> dict[str, Any]:
        """What `.local/stack.json` tells others."""
        return {
            "base_url": self.host.url,
            "function_key": self.host.function_key,
            "hook_username": HOOK_CREDENTIAL,
            "hook_password": self.hook_password,
            "oauth_client_id": OAUTH_CREDENTIAL,
            "oauth_client_secret": self.oauth_secret,
            "simulator_url": self.simulator.url,
            "zapcloud_username": ZAPCLOUD_USERNAME,
            "zapcloud_password": self.zapcloud_password,
            "storage_connection_string": self.storage_connection_string,
            "service_bus": self.streams.details(),
            "installations": [
                {"id": view.id, "chargers": [charger.id for charger in view.chargers]} for view in self.installations
            ],
            "host": "devhost",
            "control": {
                "secrets_file": str(self.streams.secrets_file.absolute()),
                "hooks": {"url": self.host.url, "master_key": self.host.master_key},
                "streams": {"url": self.streams_host.url, "master_key": self.streams_host.master_key}
                if self.streams_host
                else None,
            },
        }

    def _keys_file(self, name: str) -> Path:
        return self.folder / f"{name}-keys.json"

    def _settings_file(self) -> Path:
        """An empty settings file, so that a developer's own local.settings.json has no say."""
        path = self.folder / "settings.json"
        path.write_text('{"IsEncrypted": false, "Values": {}}')
        return path


@asynccontextmanager
async def running_stack(
    folder: Path,
    *,
    ports: Ports | None = None,
    start: datetime | None = None,
    seed: int = 1,
    settings: dict[str, str] | None = None,
    streams: Mapping[str, Site | Group] | None = None,
    azure: bool = False,
    configured: bool = True,
    many_rows: bool = False,
) -> AsyncIterator[Stack]:
    """A stack until the context ends; with `start` in simulated time. Data and logs are in `folder`; data of an
    earlier stack there is thrown away, since the simulated world begins anew as well.

    `streams` says by their names what message streams there are; their installations are known to the app, and their
    triggers listen when the stack is ready. `settings` are set over the usual ones of both sites.

    With `azure` the app uses Key Vault, the resource manager and managed identity, which are stand-ins; else a file of
    secrets and the hosts' admin endpoints. Not `configured` it is as at its first boot: no secret exists yet, neither
    installations nor the callers of web hooks are known to the app, and its streams have nothing to listen to.
    `many_rows` is for storage that is filled with many (`start_azurite`).

    Raises StackError where a part does not start.
    """
    async with AsyncExitStack() as exits:
        stack = Stack(folder, ports or Ports.free(), exits)
        shutil.rmtree(folder / "azurite", ignore_errors=True)
        stack.log_folder.mkdir(parents=True, exist_ok=True)
        await stack.start_azurite(many_rows=many_rows)
        await stack.start_simulator(start, seed)
        in_store = stack.setup_secrets() if configured else {}
        await stack.streams.begin(stack.simulator, streams or {}, in_store)
        if azure:
            await stack.start_azure(in_store)
        stack.host = await stack.start_host("host", stack.ports.host, settings)
        if start:
            await stack.simulator.attach_host(stack.host.url, stack.host.master_key)
        if configured:
            await stack.make_hook_credentials()
            for view in itertools.chain.from_iterable(stack.streams.installations.values()):
                await stack.make_known(view, stack.streams.known_as[view.id])
        if streams:
            await stack.start_streams_host(settings)
            if configured:
                await stack.refresh_credentials()
        yield stack
