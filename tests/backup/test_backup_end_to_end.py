"""A night's backup by the app's timer, a restore by zapctl, and an app on the restored account that answers alike."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devhost.stack import Host, Ports, Stack
from simulator.shapes import InstallationView
from tests.api.inside import add_site
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("backup")


async def run_timer(host: Host, name: str) -> None:
    async with httpx.AsyncClient(headers={"x-functions-key": host.master_key}, timeout=120) as client:
        (await client.post(f"{host.url}/admin/functions/{name}", json={"input": ""})).raise_for_status()


async def everything(host: Host) -> dict[str, Any]:
    """The answers of the management API to every question about sessions, cards and settings."""
    found: dict[str, Any] = {}
    async with host.management() as management:

        async def ask(path: str) -> Any:
            response = await management.get(path)
            found[path] = (response.status_code, response.json())
            return response.json()

        await ask("/hook-credentials")
        await ask("/quarantine")
        for token in (await ask("/tokens"))["items"]:
            await ask(f"/tokens/{token['id']}")
        for place in (await ask("/installations"))["items"]:
            await ask(f"/installations/{place['id']}")
            await ask(f"/chargers?installation={place['id']}")
            await ask(f"/tokens/seen?installation={place['id']}")
            listed = await ask(f"/sessions?installation={place['id']}&from=2026-01-01T00:00:00Z")
            for session in listed["items"]:
                await ask(f"/sessions/{session['sessionId']}")
    return found


async def test_a_restored_account_gives_the_same_answers(
    stack: Stack, azurite_accounts: Iterator[str], tmp_path: Path
) -> None:
    kept, new = next(azurite_accounts), next(azurite_accounts)
    site = await add_site(stack, "Backed up", 4)
    await charge(stack, site)
    app = await stack.start_host("backing", Ports.free().host, {"ZAPBRIDGE_BACKUPS": kept})
    await run_timer(app, "backup")
    before = await everything(app)
    assert sum("/sessions/" in path for path in before) >= 3

    zapctl = Zapctl(
        tmp_path,
        {"ZAPBRIDGE_BACKUPS": kept, "ZAPBRIDGE_TABLES": new, "ZAPBRIDGE_IDENTITY_KEY": stack.identity_key},
    )
    listed = await zapctl("backup", "list", "--json")
    assert listed.code == 0, listed.err
    (backup,) = [one["backup"] for one in listed.json["items"]]
    restored = await zapctl("restore", backup, "--yes", "--json")
    assert (restored.code, restored.err) == (0, "")
    assert restored.json["equal"] is True
    assert restored.json["differences"] == []

    again = await stack.start_host("restored", Ports.free().host, {"ZAPBRIDGE_TABLES": new})
    assert await everything(again) == before

    other = Zapctl(tmp_path, zapctl.environment | {"ZAPBRIDGE_IDENTITY_KEY": "another key " * 4})
    refused = await other("restore", "latest", "--yes")
    assert refused.code == 17
    assert "another identity key" in refused.err
    once_more = await zapctl("restore", "latest", "--yes")
    assert once_more.code == 7
    assert "not empty" in once_more.err
    for ended in (listed, restored, refused, once_more):
        assert not re.search("AccountKey", ended.out + ended.err)


async def charge(stack: Stack, site: InstallationView) -> None:
    """Three drivers charge, one of whom is at it still, and a card nobody knows is refused."""
    cards = [f"04A1B2C3D4E5{number:02}" for number in range(4)]
    async with stack.host.management() as management:
        for number, card in enumerate(cards[:3]):
            answer = await management.put("/tokens", json={"token": card, "driver": f"Driver {number}"})
            answer.raise_for_status()
    for charger, card in zip(site.chargers, cards, strict=True):
        await stack.simulator.plug(charger.id)
        await stack.simulator.scan(charger.id, card)
        await stack.simulator.advance(60)
    await stack.simulator.advance(1800)
    for charger in site.chargers[:2]:
        await stack.simulator.unplug(charger.id)
    await stack.simulator.advance(120)
