"""The local stack: Azurite, the simulator, and one or more hosts of the app, wired up as an operator would in Azure.

Everything listens on loopback. Azurite is stopped with SIGINT, since it loses acknowledged rows otherwise.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec

from simulator.client import SimulatorClient
from simulator.shapes import InstallationView

ROOT = Path(__file__).parent.parent
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's well-known account, the same on every machine ("Use the Azurite emulator", Microsoft Learn)."""
ZAPCLOUD_USERNAME = "owner@example.com"
HOOK_CREDENTIAL = "zapcloud"
OAUTH_CREDENTIAL = "zapcloud-oauth"
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.05


class StackError(Exception):
    """A part of the stack did not start; the message says which, and where its log is."""


class Ports(msgspec.Struct, frozen=True):
    host: int = 7071
    simulator: int = 7080
    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    @classmethod
    def free(cls) -> "Ports":
        sockets = [socket.socket() for _ in range(5)]
        try:
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return cls(*(one.getsockname()[1] for one in sockets))
        finally:
            for one in sockets:
                one.close()


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, name: str, log: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.log = log
        self.process = process

    def send(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        self.send(number)
        await self.process.wait()

    async def wait_for(self, url: str, status_below: int = 500) -> None:
        """Until an HTTP server answers; raises StackError where the process ends, or a minute passes, before."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_SECONDS
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                if self.process.returncode is not None or loop.time() > deadline:
                    raise StackError(f"{self.name} did not start; see {self.log}:\n{self.log.read_text()[-2000:]}")
                try:
                    if (await client.get(url)).status_code < status_below:
                        return
                except httpx.TransportError:
                    await asyncio.wait([asyncio.ensure_future(self.process.wait())], timeout=_POLL_SECONDS)


async def _spawn(name: str, command: list[str], log_folder: Path, environment: dict[str, str] | None = None) -> Process:
    log = log_folder / f"{name}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
    return Process(name, log, process)


async def start_azurite(data: Path, ports: Ports, log_folder: Path, accounts: str = "") -> Process:
    """Azurite on disk; `accounts` (`name:key;…`) are served in the place of the well-known one."""
    command = ["node", "node_modules/azurite/dist/src/azurite.js", "--silent", "--skipApiVersionCheck"]
    command += ["--disableTelemetry", "--location", str(data)]
    command += ["--blobPort", str(ports.blob), "--queuePort", str(ports.queue), "--tablePort", str(ports.table)]
    azurite = await _spawn("azurite", command, log_folder, {"AZURITE_ACCOUNTS": accounts} if accounts else None)
    await azurite.wait_for(f"http://127.0.0.1:{ports.table}/{ACCOUNT}")
    return azurite


class Host(msgspec.Struct):
    """One instance of the app."""

    process: Process
    url: str
    function_key: str
    master_key: str

    @property
    def api(self) -> str:
        return f"{self.url}/api"

    def management(self) -> httpx.AsyncClient:
        """A client of the management API, authenticated by function key."""
        return httpx.AsyncClient(base_url=self.api, headers={"x-functions-key": self.function_key}, timeout=30)

    def caller(self, username: str, password: str) -> httpx.AsyncClient:
        """A client of the web hooks, authenticated as ZapCloud would be."""
        return httpx.AsyncClient(base_url=self.api, auth=(username, password), timeout=30)


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
        self.simulator: SimulatorClient
        self.installations: list[InstallationView] = []
        self.hook_password = ""
        self.oauth_secret = ""

    @property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    @property
    def storage_connection_string(self) -> str:
        return storage_connection_string(self.ports)

    async def start_azurite(self) -> None:
        self.azurite = await start_azurite(self.folder / "azurite", self.ports, self.log_folder)
        self._exits.push_async_callback(self.azurite.stop)

    async def start_simulator(self, start: datetime | None, seed: int) -> None:
        """With `start`, in virtual time from then."""
        command = [sys.executable, "-m", "simulator", "--port", str(self.ports.simulator), "--seed", str(seed)]
        if start:
            self.clock_file = self.folder / "clock"
            command += ["--mode", "virtual", "--start", start.isoformat(), "--clock-file", str(self.clock_file)]
        command += ["--username", ZAPCLOUD_USERNAME, "--password", self.zapcloud_password]
        process = await _spawn("simulator", command, self.log_folder)
        self._exits.push_async_callback(process.stop)
        url = f"http://127.0.0.1:{self.ports.simulator}"
        await process.wait_for(f"{url}/sim/health")
        self.simulator = await self._exits.enter_async_context(SimulatorClient(url))

    async def start_host(self, name: str, port: int, settings: dict[str, str] | None = None) -> Host:
        """One more instance of the app on the same store; `settings` are set over the usual ones."""
        keys = self.folder / f"{name}-keys.json"
        command = [sys.executable, "-m", "devhost", "--app", str(ROOT), "--port", str(port), "--keys", str(keys)]
        command += ["--timers", "external" if self.clock_file else "system"]
        command += ["--settings", str(self._settings_file())]
        environment = self.app_settings() | (settings or {})
        process = await _spawn(name, command, self.log_folder, environment)
        self._exits.push_async_callback(process.stop)
        url = f"http://127.0.0.1:{port}"
        await process.wait_for(f"{url}/api/health", status_below=600)
        known = json.loads(keys.read_text())
        return Host(process, url, known["functionKey"], known["masterKey"])

    def app_settings(self) -> dict[str, str]:
        settings = {
            "ZAPBRIDGE_TABLES": self.storage_connection_string,
            "ZAPBRIDGE_IDENTITY_KEY": self.identity_key,
            "ZAPBRIDGE_ZAPCLOUD_URL": f"http://127.0.0.1:{self.ports.simulator}",
            "ZAPBRIDGE_ZAPCLOUD_USERNAME": ZAPCLOUD_USERNAME,
            "ZAPBRIDGE_ZAPCLOUD_PASSWORD": self.zapcloud_password,
        }
        if self.clock_file:
            settings["ZAPBRIDGE_CLOCK_FILE"] = str(self.clock_file)
        return settings

    async def add_installation(self, name: str, chargers: int, **settings: Any) -> InstallationView:
        """An installation in the simulated ZapCloud, known to the app and calling its web hooks with Basic."""
        view = await self.simulator.add_installation(name, chargers)
        async with self.host.management() as management:
            known = {"name": name, "mode": "enforce", **settings}
            (await management.put(f"/installations/{view.id}", json=known)).raise_for_status()
        payload = {"username": HOOK_CREDENTIAL, "password": self.hook_password}
        await self.use_web_hooks(view.id, payload)
        self.installations.append(view)
        return view

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
                answer.raise_for_status()
                secret = answer.json()["secret"]
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
            "storage_connection_string": self.storage_connection_string,
            "service_bus": [],
            "installations": [
                {"id": view.id, "chargers": [charger.id for charger in view.chargers]} for view in self.installations
            ],
            "host": "devhost",
        }

    def _settings_file(self) -> Path:
        """An empty settings file, so that a developer's own local.settings.json has no say."""
        path = self.folder / "settings.json"
        path.write_text('{"IsEncrypted": false, "Values": {}}')
        return path


def storage_connection_string(ports: Ports, account: str = ACCOUNT) -> str:
    base = "http://127.0.0.1"
    return (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={base}:{ports.blob}/{account};QueueEndpoint={base}:{ports.queue}/{account};"
        f"TableEndpoint={base}:{ports.table}/{account};"
    )


@asynccontextmanager
async def running_stack(
    folder: Path,
    *,
    ports: Ports | None = None,
    start: datetime | None = None,
    seed: int = 1,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Stack]:
    """A stack until the context ends; with `start` in simulated time. Data and logs are in `folder`; data of an
    earlier stack there is thrown away, since the simulated world begins anew as well.

    Raises StackError where a part does not start.
    """
    async with AsyncExitStack() as exits:
        stack = Stack(folder, ports or Ports.free(), exits)
        shutil.rmtree(folder / "azurite", ignore_errors=True)
        stack.log_folder.mkdir(parents=True, exist_ok=True)
        await stack.start_azurite()
        await stack.start_simulator(start, seed)
        stack.host = await stack.start_host("host", stack.ports.host, settings)
        if start:
            await stack.simulator.attach_host(stack.host.url, stack.host.master_key)
        await stack.make_hook_credentials()
        yield stack
