"""An Azurite that is reached as in Azure: over TLS, and by tokens of the site's managed identity, which it checks."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import httpx
import pytest
import trustme
from aiohttp import web
from azure.core.pipeline.transport import AioHttpTransport

from devhost.azure.app import Azure
from devhost.azure.shapes import Principal, World
from devhost.processes import ROOT, Ports, spawn
from shared.security.identity import Identity

CLIENT_ID = "6d3c1c52-0000-4000-8000-000000000001"
NOBODYS_CLIENT_ID = "6d3c1c52-0000-4000-8000-0000000000ff"
_READY = {"table": "successfully started", "blob": "successfully listens"}


@asynccontextmanager
async def azurite_by_token(service: Literal["table", "blob"], folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """The address of its account, and the roots its certificate is checked by."""
    ports = Ports.free()
    port = ports.table if service == "table" else ports.blob
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "roots.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    command = [str(ROOT / "node_modules" / ".bin" / f"azurite-{service}"), f"--{service}Port", str(port)]
    command += ["--oauth", "basic", "--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]
    azurite = await spawn("azurite", [*command, "--skipApiVersionCheck", "--location", str(folder)], folder)

    async def listens(_: httpx.AsyncClient) -> bool:
        return _READY[service] in azurite.log.read_text()

    try:
        await azurite.wait_until(listens)
        yield f"https://127.0.0.1:{port}/devstoreaccount1", folder / "roots.pem"
    finally:
        await azurite.stop(signal.SIGKILL)  # asked to end, it waits two minutes for connections over TLS


@asynccontextmanager
async def managed_identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    """The site's, which gets its tokens where Azure would give them."""
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


def transport(roots: Path) -> AioHttpTransport:
    return AioHttpTransport(connection_verify=str(roots), use_env_settings=False)
