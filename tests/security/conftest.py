"""A tenant of Microsoft Entra ID on loopback: signing keys, and the page that publishes them."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.security.entra import EntraTokens
from shared.security.hook_credentials import HookCredentials
from shared.storage.credentials import Credentials
from shared.storage.table import Tables
from tests.conftest import HandClock

TENANT = "https://login.microsoftonline.com/9c1f1e60-0000-4000-8000-000000000001/v2.0"
AUDIENCE = "api://zapbridge"


@pytest.fixture(scope="session")
def signing_keys() -> dict[str, rsa.RSAPrivateKey]:
    return {name: rsa.generate_private_key(65537, 2048) for name in ("first", "second", "strangers")}


class Tenant:
    """Publishes the keys named in `published`; `answer` stands in for the page where it is set."""

    def __init__(self, keys: dict[str, rsa.RSAPrivateKey]) -> None:
        self.keys = keys
        self.published = ["first"]
        self.answer: tuple[int, str] | None = None
        self.asked = 0
        self.url = ""

    async def page(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.answer:
            return web.Response(status=self.answer[0], text=self.answer[1], content_type="application/json")
        return web.json_response({"keys": [self.jwk(name) for name in self.published]})

    def jwk(self, name: str) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        return {**public, "kid": name, "use": "sig"}

    def sign(self, claims: dict[str, Any], key: str = "first", **header: Any) -> str:
        return jwt.encode(claims, self.keys[key], algorithm="RS256", headers={"kid": key, **header})

    def unsigned(self, claims: dict[str, Any], **header: Any) -> str:
        parts = [json.dumps({"kid": "first", "typ": "JWT", **header}), json.dumps(claims)]
        return ".".join([*(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts), ""])


@pytest.fixture
async def tenant(signing_keys: dict[str, rsa.RSAPrivateKey]) -> AsyncIterator[Tenant]:
    tenant = Tenant(signing_keys)
    server = web.Application()
    server.add_routes([web.get("/keys", tenant.page)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tenant.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield tenant
    await runner.cleanup()


@pytest.fixture
def claims(clock: HandClock) -> dict[str, Any]:
    """What a v2.0 token says that an application got for itself."""
    now = int(clock.now().timestamp())
    return {
        "iss": TENANT,
        "aud": AUDIENCE,
        "azp": "5d3f1c5e-0000-4000-8000-00000000000a",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "roles": ["Zapbridge.Operator"],
    }


@pytest.fixture
def entra(clock: HandClock, tenant: Tenant) -> EntraTokens:
    return EntraTokens(clock.now, TENANT, AUDIENCE, tenant.url)


@pytest.fixture
def credentials(clock: HandClock, tables: Tables) -> HookCredentials:
    return HookCredentials(clock.now, Credentials(tables), ())


@pytest.fixture
async def other_instance(clock: HandClock, connection_string: str) -> AsyncIterator[HookCredentials]:
    """The same credentials as another process knows them."""
    async with Tables(connection_string) as opened:
        yield HookCredentials(clock.now, Credentials(opened), ())


@pytest.fixture
async def down() -> AsyncIterator[Tables]:
    """An account where nothing listens."""
    async with Tables(
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=AAAA;TableEndpoint=http://127.0.0.1:1/a;"
    ) as opened:
        yield opened
