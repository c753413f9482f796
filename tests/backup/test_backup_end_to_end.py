"""A night's backup by the app's timer, a restore by zapctl, and an app on the restored account that answers alike."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devhost.stack import HOOK_CREDENTIAL, Ports, Stack, running_stack
from simulator.shapes import InstallationView
from tests.answers import differences, every_answer
from tests.api.inside import add_site
from tests.cli.zapctl import Zapctl
from tests.conftest import MONDAY_MORNING

pytestmark = pytest.mark.xdist_group("backup")


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack of its own: all there is in it is asked for, twice."""
    async with running_stack(tmp_path / "stack", ports=Ports.free(), start=MONDAY_MORNING) as running:
        yield running


async def test_a_restored_account_gives_the_same_answers(
    stack: Stack, azurite_accounts: Iterator[str], tmp_path: Path
) -> None:
    kept, new = next(azurite_accounts), next(azurite_accounts)
    site = await add_site(stack, "Backed up", 4)
    await charge(stack, site)
    app = await stack.start_host("backing", Ports.free().host, {"ZAPBRIDGE_BACKUPS": kept})
    await app.run_timer("backup")
    before = await every_answer(app)
    assert sum("/sessions/" in path for path in before) >= 6

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
    assert differences(before, await every_answer(again)) == []

    other = Zapctl(tmp_path, zapctl.environment | {"ZAPBRIDGE_IDENTITY_KEY": "another key " * 4})
    refused = await other("restore", "latest", "--yes")
    assert refused.code == 17
    assert "another identity key" in refused.err
    once_more = await zapctl("restore", "latest")  # is refused before anybody is asked
    assert once_more.code == 7
    assert "not empty" in once_more.err
    for ended in (listed, restored, refused, once_more):
        assert not re.search("AccountKey", ended.out + ended.err)


async def charge(stack: Stack, site: InstallationView) -> None:
    """Three drivers charge, one of whom is at it still, a card nobody knows is refused, and an end makes no sense."""
    cards = [f"04A1B2C3D4E5{number:02}" for number in range(4)]
    async with stack.host.management() as management:
        for number, card in enumerate(cards[:3]):
            answer = await management.put("/tokens", json={"token": card, "driver": f"Driver {number}"})
            answer.raise_for_status()
        person = {"driver": "Driver 0", "name": "Ada", "email": "ada@example.com"}
        (await management.put("/drivers", json=person)).raise_for_status()
    async with stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as zapcloud:
        assert (await zapcloud.post("/hooks/session-end", json={"session": "?"})).status_code == 400
    for charger, card in zip(site.chargers, cards, strict=True):
        await stack.simulator.plug(charger.id)
        await stack.simulator.scan(charger.id, card)
        await stack.simulator.advance(60)
    await stack.simulator.advance(1800)
    for charger in site.chargers[:2]:
        await stack.simulator.unplug(charger.id)
    await stack.simulator.advance(120)
