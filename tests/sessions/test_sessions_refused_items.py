"""An item of ZapCloud's lists that cannot be understood is kept in quarantine, once, and taken when it can be."""

import json
from typing import Any

import pytest

from shared.errors import Conflict
from shared.privacy.identity import driver_id
from shared.sessions.view import Source, Status
from shared.storage.drivers import Driver
from shared.zapcloud.client import ZapCloud
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING
from tests.sessions.cloudsite import HOUR, CloudSite

KINDS = [Source.CHARGE_HISTORY, Source.ARCHIVED_SESSIONS]


@pytest.fixture
def site(cloud_site: CloudSite) -> CloudSite:
    return cloud_site


@pytest.fixture
def unreadable(site: CloudSite, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ZapCloud says of every session in the place of its own words, until it is emptied."""
    changes: dict[str, Any] = {"energy": "eleven"}
    history, archived = ZapCloud.charge_history, ZapCloud.archived_sessions

    async def changed_history(*arguments: Any) -> tuple[list[dict[str, Any]], int]:
        items, pages = await history(*arguments)
        return [item | changes for item in items], pages

    async def changed_archive(*arguments: Any) -> tuple[list[dict[str, Any]], str | None]:
        items, cursor = await archived(*arguments)
        return [item | changes for item in items], cursor

    monkeypatch.setattr(ZapCloud, "charge_history", changed_history)
    monkeypatch.setattr(ZapCloud, "archived_sessions", changed_archive)
    return changes


async def kept(site: CloudSite) -> dict[str, Any]:
    """The items in quarantine by their kind, of which there is one each."""
    items = await site.services.quarantine.newest()
    assert len({item.kind for item in items}) == len(items)
    return {item.kind: item for item in items}


async def test_what_cannot_be_understood_is_kept_with_all_that_was_said(
    site: CloudSite, unreadable: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    session_id = await site.charge()
    await site.client.advance(60)
    await site.reconcile()
    items = await kept(site)
    assert set(items) == set(KINDS)
    for item in items.values():
        assert item.reason == "energy must be a number of kWh, not negative"
        assert item.installations == (site.installation,)
        body = json.loads(await site.services.quarantine.body(item.id) or b"")
        assert (body["id"], body["energy"], body["chargerid"]) == (session_id, "eleven", site.chargers[0])
        assert item.id in caplog.text
    assert await site.listed() == {}


async def test_the_same_item_is_kept_once_however_often_it_is_read(site: CloudSite, unreadable: dict[str, Any]) -> None:
    await site.charge()
    await site.client.advance(60)
    await site.reconcile()
    before = await kept(site)
    for _ in range(3):
        await site.read_deeply()
    assert await kept(site) == before


@pytest.mark.parametrize("kind", KINDS)
async def test_a_version_that_understands_it_takes_it_from_quarantine(site: CloudSite, kind: Source) -> None:
    """An item as a version kept it that could not read it."""
    session_id = await site.charge()
    await site.client.advance(60)
    zapcloud, now = site.services.zapcloud, site.services.clock()
    assert zapcloud
    if kind is Source.CHARGE_HISTORY:
        (item,), _ = await zapcloud.charge_history(site.installation, MONDAY_MORNING, 0)
    else:
        (item,), _ = await zapcloud.archived_sessions(site.installation, MONDAY_MORNING, now, None)
    quarantine = site.services.quarantine
    identity = await quarantine.keep(kind, "not understood then", json.dumps(item).encode(), now, (site.installation,))
    await site.services.replay.run(identity)
    view = await site.view(session_id)
    assert (view.status, view.energy_kwh, view.source, view.charger_id) == (Status.ENDED, 11.0, kind, site.chargers[0])
    assert await quarantine.newest() == []


async def test_what_is_still_not_understood_stays(site: CloudSite, unreadable: dict[str, Any]) -> None:
    await site.charge()
    await site.reconcile()
    before = await kept(site)
    with pytest.raises(Conflict, match="still not understood"):
        await site.services.replay.run(before[Source.CHARGE_HISTORY].id)
    assert await kept(site) == before


async def test_an_item_of_an_installation_that_is_not_ours_any_more_stays(site: CloudSite) -> None:
    elsewhere = "20000000-0000-4000-8000-000000000001"
    body = json.dumps({"id": elsewhere, "enddatetime": "2026-03-02T07:00:00", "energy": 1}).encode()
    now = site.services.clock()
    identity = await site.services.quarantine.keep(Source.CHARGE_HISTORY, "r", body, now, (elsewhere,))
    with pytest.raises(Conflict, match="not registered"):
        await site.services.replay.run(identity)
    assert await site.services.quarantine.item(identity)


async def test_an_item_that_names_an_erased_person_is_not_kept_again(
    site: CloudSite, unreadable: dict[str, Any]
) -> None:
    unreadable["userfullname"] = "Kari Nordmann"
    await site.charge()
    await site.client.advance(60)
    await site.reconcile()
    identity = driver_id(IDENTITY_KEY, "Kari Nordmann")
    await site.services.drivers.put(Driver(id=identity, driver="Kari Nordmann"))
    await site.services.erasures.erase(identity)
    await site.client.advance(HOUR)
    await site.services.erasures.run()
    for _ in range(2):
        await site.read_deeply()
        items = await kept(site)
        assert set(items) == set(KINDS)
        assert [await site.services.quarantine.body(item.id) for item in items.values()] == [b"", b""]
    with pytest.raises(Conflict, match="erased"):
        await site.services.replay.run(items[Source.CHARGE_HISTORY].id)
