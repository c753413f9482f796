"""The stand-ins for Azure take what the published APIs take, and nothing else."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from devhost.azure.app import Azure
from devhost.azure.shapes import ACTIONS, Fault, Principal, Site, World

SITE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Web/sites/streams"
WRITER, READER = "6d3c1c52-0000-4000-8000-000000000001", "6d3c1c52-0000-4000-8000-000000000002"
HEADER = "the identity header"
ARM, VAULT = "https://management.azure.com", "https://vault.azure.net"
REFERENCES = f"{SITE}/config/configreferences/appsettings"


class Caller:
    """Somebody with an identity, at the stand-ins."""

    def __init__(self, azure: Azure, http: httpx.AsyncClient) -> None:
        self.azure = azure
        self.http = http

    async def token(
        self, resource: str, client_id: str = WRITER, header: str = HEADER, version: str = "2019-08-01"
    ) -> str:
        query = {"api-version": version, "resource": resource, "client_id": client_id}
        answer = await self.http.get("/msi/token", params=query, headers={"X-IDENTITY-HEADER": header})
        return str(answer.json().get("access_token", ""))

    async def ask(
        self,
        method: str,
        path: str,
        resource: str,
        *,
        version: str = "",
        client_id: str = WRITER,
        content: object = None,
    ) -> httpx.Response:
        known = "7.4" if resource == VAULT else "2022-03-01"
        headers = {"Authorization": f"Bearer {await self.token(resource, client_id)}"}
        params = {"api-version": version or known}
        return await self.http.request(method, path, params=params, headers=headers, json=content)


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    site = Site(
        id=SITE,
        url="http://127.0.0.1:1",
        function_key="the function key",
        master_key="the master key",
        secrets_file=str(tmp_path / "resolved.json"),
        references={"ZAPBRIDGE_STREAM_HARBOUR_TOPIC": "stream-harbour-topic"},
    )
    principals = [
        Principal(client_id=WRITER, vault=("get", "set"), sites={SITE: ACTIONS}),
        Principal(client_id=READER, vault=("get",)),
    ]
    azure = Azure(World(identity_header=HEADER, principals=principals, sites=[site]))
    runner = web.AppRunner(azure.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
            yield Caller(azure, http)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "asked",
    [
        {"resource": VAULT, "header": "guessed"},
        {"resource": VAULT, "version": "2017-09-01"},
        {"resource": VAULT, "client_id": "6d3c1c52-0000-4000-8000-0000000000ff"},
        {"resource": "https://graph.microsoft.com"},
        {"resource": f"{VAULT}/.default"},
    ],
)
async def test_the_identity_endpoint_gives_no_token_to_whoever_asks_wrongly(
    caller: Caller, asked: dict[str, str]
) -> None:
    assert await caller.token(**asked) == ""
    assert len(caller.azure.book.violations) == 1


@pytest.mark.parametrize(
    ("method", "path", "resource", "changes", "status"),
    [
        ("GET", "/vault/secrets/name", ARM, {"version": "7.4"}, 401),
        ("GET", "/vault/secrets/name", VAULT, {"version": "7.0"}, 400),
        ("GET", "/vault/secrets/na_me", VAULT, {}, 400),
        ("PUT", "/vault/secrets/name", VAULT, {"content": {"secret": "x"}}, 400),
        ("PUT", "/vault/secrets/name", VAULT, {"content": {"value": 7}}, 400),
        ("PUT", "/vault/secrets/name", VAULT, {"content": {"value": "x"}, "client_id": READER}, 403),
        ("GET", "/vault/keys/name", VAULT, {}, 404),
        ("POST", f"{SITE}/restart", VAULT, {"version": "2022-03-01"}, 401),
        ("POST", f"{SITE}/restart", ARM, {"version": "2099-01-01"}, 400),
        ("GET", f"{SITE}/restart", ARM, {}, 404),
        ("POST", REFERENCES, ARM, {}, 404),
        ("POST", f"{SITE}-other/restart", ARM, {}, 404),
        ("POST", f"{SITE}/restart", ARM, {"client_id": READER}, 403),
    ],
)
async def test_a_request_the_published_api_does_not_know_is_refused_and_noted(
    caller: Caller, method: str, path: str, resource: str, changes: dict[str, object], status: int
) -> None:
    answer = await caller.ask(method, path, resource, **changes)
    assert answer.status_code == status
    assert "error" in answer.json()
    assert len(caller.azure.book.violations) == 1


async def test_a_secret_takes_effect_at_the_site_only_when_references_are_refreshed(
    caller: Caller, tmp_path: Path
) -> None:
    def resolved() -> dict[str, str]:
        found: dict[str, str] = json.loads((tmp_path / "resolved.json").read_text())
        return found

    async def status() -> dict[str, object]:
        (item,) = (await caller.ask("GET", REFERENCES, ARM)).json()["value"]
        found: dict[str, object] = item["properties"]
        return found

    assert ((await status())["status"], resolved()) == ("SecretNotFound", {})
    stored = await caller.ask("PUT", "/vault/secrets/stream-harbour-topic", VAULT, content={"value": "first"})
    assert ((await status())["status"], resolved()) == ("SecretNotFound", {})
    assert (await caller.ask("POST", f"{REFERENCES}/refresh", ARM)).status_code == 200
    assert resolved() == {"stream-harbour-topic": "first"}
    assert stored.json()["id"].endswith(f"/{(await status())['activeVersion']}")
    assert not caller.azure.book.violations


async def test_the_sites_keys_are_told_to_whoever_may_have_them(caller: Caller) -> None:
    answer = await caller.ask("POST", f"{SITE}/host/default/listKeys", ARM, version="2024-04-01")
    assert answer.json()["functionKeys"] == {"default": "the function key"}


async def test_an_ordered_fault_comes_as_often_as_it_was_ordered_and_is_no_violation(caller: Caller) -> None:
    caller.azure.book.arm([Fault(operation="get", status=429, times=2, after=1)])
    answers = [(await caller.ask("GET", "/vault/secrets/name", VAULT)).status_code for _ in range(4)]
    assert answers == [404, 429, 429, 404]
    assert not caller.azure.book.violations
    assert [call.status for call in caller.azure.book.calls] == answers


async def test_the_control_api_is_for_whoever_has_the_identity_header(caller: Caller) -> None:
    assert (await caller.http.get("/control/book")).status_code == 401
    assert (await caller.http.get("/control/book", headers={"X-IDENTITY-HEADER": HEADER})).status_code == 200
