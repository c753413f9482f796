"""Who we are to Azure: tokens by the real msal, from endpoints that are strict about how they are asked."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError

from devhost.azure.app import Azure
from devhost.azure.shapes import Fault, Principal, World
from shared.security.identity import Identity, ServicePrincipal

CLIENT_ID = "6d3c1c52-0000-4000-8000-000000000001"
HEADER = "header of the tests"
VAULT = "https://vault.azure.net/.default"
TENANT = "6d3c1c52-0000-4000-8000-00000000000f"


@asynccontextmanager
async def served(app: web.Application, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def azure(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Azure]:
    stand_in = Azure(World(identity_header=HEADER, principals=[Principal(client_id=CLIENT_ID)], sites=[]))
    async with served(stand_in.application()) as port:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", HEADER)
        yield stand_in


async def test_a_managed_identity_gets_a_token_for_the_resource_behind_the_scope(azure: Azure) -> None:
    async with Identity.managed(CLIENT_ID) as identity:
        token = await identity.get_token(VAULT)
    assert token.token.count(".") == 2
    assert token.expires_on > time.time() + 3600
    assert not azure.book.violations


async def test_a_token_is_kept_until_it_nears_its_end_and_many_callers_ask_once(azure: Azure) -> None:
    async with Identity.managed(CLIENT_ID) as identity:
        first = await asyncio.gather(*(identity.get_token(VAULT) for _ in range(10)))
        azure.book.arm([Fault(operation="token", status=500, times=100)])
        assert {token.token for token in [*first, await identity.get_token(VAULT)]} == {first[0].token}


async def test_a_token_that_is_still_good_is_used_while_the_endpoint_fails_which_is_said(
    azure: Azure, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Identity.managed(CLIENT_ID) as identity:
        first = await identity.get_token(VAULT)
        monkeypatch.setattr(time, "time", lambda: first.expires_on - 120.0)
        azure.book.arm([Fault(operation="token", status=500, times=100)])
        assert await identity.get_token(VAULT) == first
    assert "identity.not_renewed" in caplog.text


async def test_an_identity_the_site_does_not_have_is_refused_with_a_reason(azure: Azure) -> None:
    async with Identity.managed("6d3c1c52-0000-4000-8000-0000000000ff") as identity:
        with pytest.raises(ClientAuthenticationError, match=r"no token for https://vault\.azure\.net"):
            await identity.get_token(VAULT)
    assert azure.book.violations


async def test_an_endpoint_that_does_not_answer_is_an_error_of_the_credential(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
    async with Identity.managed(CLIENT_ID) as identity:
        with pytest.raises(ClientAuthenticationError, match="identity endpoint failed"):
            await identity.get_token(VAULT)


class Entra:
    """A tenant's login, as far as the client credentials grant needs it (Microsoft identity platform, v2.0)."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.secret = "the application's secret"

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get(f"/{TENANT}/v2.0/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/common/discovery/instance", self._instances)
        app.router.add_post(f"/{TENANT}/oauth2/v2.0/token", self._token)
        return app

    async def _configuration(self, _: web.Request) -> web.Response:
        base = f"https://login.microsoftonline.com/{TENANT}"
        endpoints = {"token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/authorize"}
        return web.json_response({"issuer": f"{base}/v2.0"} | endpoints)

    async def _instances(self, _: web.Request) -> web.Response:
        return web.json_response({"tenant_discovery_endpoint": "", "metadata": []})

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        if form.get("client_secret") != self.secret:
            return web.json_response({"error": "invalid_client", "error_description": "wrong"}, status=401)
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": "a.developer.token"})


@pytest.fixture
async def entra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Entra]:
    """Microsoft's login host is this machine; all else, TLS included, is as it is there."""
    authority = trustme.CA()
    certificate, roots = authority.issue_cert("login.microsoftonline.com"), tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(roots)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    tenant, real = Entra(), socket.getaddrinfo
    async with served(tenant.application(), context) as port:

        def here(host: Any, asked: Any, *rest: Any, **options: Any) -> Any:
            if host == "login.microsoftonline.com":
                return real("127.0.0.1", port, *rest, **options)
            return real(host, asked, *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", here)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(roots))
        yield tenant


async def test_a_service_principal_gets_a_token_by_client_credentials(entra: Entra) -> None:
    async with Identity.of_principal(ServicePrincipal(TENANT, CLIENT_ID, entra.secret)) as identity:
        assert (await identity.get_token(VAULT)).token == "a.developer.token"
    (form,) = entra.forms
    assert (form["grant_type"], form["scope"], form["client_id"]) == ("client_credentials", VAULT, CLIENT_ID)


async def test_a_service_principals_wrong_secret_is_refused_and_not_repeated(entra: Entra) -> None:
    async with Identity.of_principal(ServicePrincipal(TENANT, CLIENT_ID, "a wrong secret")) as identity:
        with pytest.raises(ClientAuthenticationError) as refused:
            await identity.get_token(VAULT)
    assert "invalid_client" in str(refused.value)
    assert "a wrong secret" not in str(refused.value)
