"""The credential refresher on real parts, each of which can be made to fail, or to be the last thing the process does.

ZapCloud is the simulator over HTTP, records are on Azurite, and the streams host is a small HTTP server that, like the
real one, knows the secrets as they were when it last started. What is around it is a file of secrets and the host's own
admin endpoint, or Azure: Key Vault, resource manager and managed identity, which are stand-ins over HTTP.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport

from devhost.azure.app import Azure
from devhost.azure.around import HOOKS_CLIENT_ID, STREAMS_SITE_ID
from devhost.azure.shapes import Principal, Site, World
from shared.errors import HostControlFailed, SecretStoreUnavailable
from shared.security.identity import Identity
from shared.security.key_vault import KeyVaultSecretStore
from shared.security.secrets import FileSecrets, SecretStore
from shared.storage.streams import StreamMark, StreamRecords
from shared.storage.table import Tables
from shared.stream import Stream, StreamAddress
from shared.streams.azure_host import AzureHost
from shared.streams.host_control import HostControl, LocalHost
from shared.streams.rotation import Refresher
from shared.zapcloud.client import ZapCloud
from simulator.app import Simulator
from simulator.client import SimulatorClient
from tests.conftest import IDENTITY_KEY
from tests.streams.conftest import PASSWORD, USERNAME

MASTER_KEY = "master key of the tests"


class KilledError(BaseException):
    """The process ends here; nothing of ours may catch it."""


class Points:
    """Every instant at which the process talks to the outside, before and after; `fatal` is the number of its last."""

    def __init__(self) -> None:
        self.fatal: int | None = None
        self.passed = 0

    def reach(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            raise KilledError


class ReachingTransport(AioHttpTransport):
    def __init__(self, points: Points) -> None:
        super().__init__(use_env_settings=False)
        self._points = points

    async def send(self, request: Any, **options: Any) -> Any:
        self._points.reach()
        response = await super().send(request, **options)
        self._points.reach()
        return response


class Store:
    """A store whose calls are points; the call of number `fails_at` fails."""

    def __init__(self, store: SecretStore, points: Points) -> None:
        self._store = store
        self._points = points
        self.fails_at: int | None = None
        self.calls = 0

    async def get(self, name: str) -> str | None:
        self._count()
        found = await self._store.get(name)
        self._points.reach()
        return found

    async def set(self, name: str, value: str) -> str:
        self._count()
        version = await self._store.set(name, value)
        self._points.reach()
        return version

    def _count(self) -> None:
        self._points.reach()
        self.calls += 1
        if self.calls == self.fails_at:
            raise SecretStoreUnavailable("the secret store is down")


class Control:
    """Host control whose calls are points, and which finds references unresolved as often as `unresolved_for` says."""

    def __init__(self, host: HostControl, points: Points) -> None:
        self._host = host
        self._points = points
        self.unresolved_for = 0
        self.refresh_fails = 0

    async def refresh_references(self) -> None:
        self._points.reach()
        if self.refresh_fails:
            self.refresh_fails -= 1
            raise HostControlFailed("the resource manager answered 503")
        await self._host.refresh_references()
        self._points.reach()

    async def unresolved(self, versions: Mapping[str, str]) -> list[str]:
        if self.unresolved_for:
            self.unresolved_for -= 1
            return list(versions)
        return await self._host.unresolved(versions)

    async def restart(self) -> None:
        self._points.reach()
        await self._host.restart()
        self._points.reach()

    async def sync_triggers(self) -> None:
        self._points.reach()
        await self._host.sync_triggers()


class Account(ZapCloud):
    """ZapCloud whose HTTP requests are points."""

    points: Points

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        self.points.reach()
        response = await super()._request(method, path, **options)
        self.points.reach()
        return response


class StreamsHost:
    """Listens with the address that was in the store when it started; `refusals` is how often it will not restart."""

    def __init__(self, secrets: FileSecrets, stream: Stream) -> None:
        self._secrets = secrets
        self._stream = stream
        self.url = ""
        self.refusals = 0
        self.restarts = 0
        self._instance = "first"
        self.listens_with: StreamAddress | None = None

    async def restart(self, request: web.Request) -> web.Response:
        assert request.headers["x-functions-key"] == MASTER_KEY
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.restarts += 1
        self._instance = str(self.restarts)
        values = [await self._secrets.get(name) for name in self._stream.secrets]
        self.listens_with = StreamAddress(*values) if all(values) else None  # type: ignore[arg-type]
        return web.Response(status=202)

    async def status(self, _: web.Request) -> web.Response:
        return web.json_response({"instanceId": self._instance})


@asynccontextmanager
async def streams_host(folder: Path, stream: Stream) -> AsyncIterator[StreamsHost]:
    """The host of a stream whose secrets are in the folder, over HTTP."""
    host = StreamsHost(FileSecrets(folder / "secrets.json"), stream)
    app = web.Application()
    app.add_routes([web.post("/admin/host/restart", host.restart), web.get("/admin/host/status", host.status)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield host
    finally:
        await runner.cleanup()


class AzureHere(Azure):
    """The stand-ins in this process."""

    url = ""


@asynccontextmanager
async def azure_around(host: StreamsHost, stream: Stream, folder: Path) -> AsyncIterator[AzureHere]:
    """Azure around the host, and the environment by which msal finds its managed identity."""
    references = dict(zip(stream.settings, stream.secrets, strict=True))
    rights = ("references", "refresh", "restart", "sync")
    world = World(
        identity_header=secrets.token_hex(16),
        principals=[Principal(client_id=HOOKS_CLIENT_ID, vault=("get", "set"), sites={STREAMS_SITE_ID: rights})],
        sites=[
            Site(
                id=STREAMS_SITE_ID,
                url=host.url,
                function_key="none",
                master_key=MASTER_KEY,
                secrets_file=str(folder / "secrets.json"),
                references=references,
            )
        ],
    )
    azure = AzureHere(world)
    runner = web.AppRunner(azure.application(), access_log=None)
    await runner.setup()
    with pytest.MonkeyPatch.context() as environment:
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            azure.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            environment.setenv("IDENTITY_ENDPOINT", f"{azure.url}/msi/token")
            environment.setenv("IDENTITY_HEADER", world.identity_header)
            yield azure
        finally:
            await runner.cleanup()


class Refreshing:
    """A site whose credentials are kept fresh; `boot` starts the process anew, with nothing in its memory."""

    def __init__(
        self,
        simulator: SimulatorClient,
        running: Simulator,
        connection_string: str,
        folder: Path,
        stream: Stream,
        host: StreamsHost,
        grant: Literal["password", "refresh"],
        azure: AzureHere | None,
    ) -> None:
        self.simulator = simulator
        self.azure = azure
        self._running = running
        self._connection_string = connection_string
        self._file = folder / "secrets.json"
        self._grant: Literal["password", "refresh"] = grant
        self._open: list[Tables | Account | KeyVaultSecretStore | AzureHost | Identity] = []
        self.stream = stream
        self.host = host
        self.points = Points()
        self.boot()

    def boot(self) -> None:
        self.points = Points()
        self.tables = Tables(self._connection_string, ReachingTransport(self.points))
        self.records = StreamRecords(self.tables)
        store, host = self._around()
        self.store, self.control = Store(store, self.points), Control(host, self.points)
        self.zapcloud = Account(
            self._running.kernel.now,
            self._running.url,
            USERNAME,
            PASSWORD,
            grant=self._grant,
            secrets=self.store,
            records=self.records,
        )
        self.zapcloud.points = self.points
        self._open += [self.tables, self.zapcloud]
        self.refresher = self.another()

    def _around(self) -> tuple[SecretStore, HostControl]:
        if self.azure is None:
            store = FileSecrets(self._file)
            return store, LocalHost(self.host.url, MASTER_KEY, store)
        identity = Identity.managed(HOOKS_CLIENT_ID)
        vault = KeyVaultSecretStore(f"{self.azure.url}/vault", identity)
        host = AzureHost(STREAMS_SITE_ID, identity, self.azure.url, look_seconds=0)
        self._open += [vault, host, identity]
        return vault, host

    def another(self, streams: Sequence[Stream] | None = None) -> Refresher:
        return Refresher(
            self._running.kernel.now,
            IDENTITY_KEY,
            [self.stream] if streams is None else streams,
            self.zapcloud,
            self.store,
            self.control,
            self.records,
        )

    async def close(self) -> None:
        for one in self._open:
            await one.close()

    async def pass_minutes(self, minutes: float) -> None:
        await self.simulator.advance(60 * minutes)

    async def address(self) -> StreamAddress:
        """What ZapCloud would give now, as the SDK takes it."""
        (view,) = (await self.simulator.service_bus()).items
        return StreamAddress(view.connection_string, view.topic, view.subscription)

    async def messages_come(self) -> None:
        """Through the trigger, which says what it listens with."""
        await self.pass_minutes(0.5)
        listens_with = self.host.listens_with
        fingerprint = listens_with.fingerprint(IDENTITY_KEY) if listens_with else ""
        now = self._running.kernel.now()
        await self.records.put_mark(StreamMark(stream=self.stream.name, received_at=now, fingerprint=fingerprint))

    async def logins(self) -> list[datetime]:
        return [one.at for one in await self.simulator.token_requests() if one.grant_type == "password"]

    async def token_turns(self) -> list[datetime]:
        """The instants at which a token was asked for, a fallback within the same turn not counted again."""
        return sorted({one.at for one in await self.simulator.token_requests()})

    async def steps(self) -> list[str]:
        return [
            step.step
            for step in await self.records.steps(self.stream.name, self._running.kernel.now() - timedelta(days=1))
        ]


@asynccontextmanager
async def refreshing(
    simulator: SimulatorClient,
    running: Simulator,
    connection_string: str,
    folder: Path,
    grant: Literal["password", "refresh"] = "password",
    *,
    of_group: bool = False,
    in_azure: bool = False,
) -> AsyncIterator[Refreshing]:
    view = await simulator.add_installation("Harbour", 2)
    if of_group:
        group = await simulator.add_user_group("Harbours", view.id)
        stream = Stream("harbour", user_group_id=group.id)
    else:
        await simulator.configure(view.id, messagingEnabled=True)
        stream = Stream("harbour", installation_id=view.id)
    async with streams_host(folder, stream) as host, AsyncExitStack() as exits:
        azure = await exits.enter_async_context(azure_around(host, stream, folder)) if in_azure else None
        site = Refreshing(simulator, running, connection_string, folder, stream, host, grant, azure)
        try:
            yield site
            assert azure is None or not azure.book.violations
        finally:
            await site.close()
