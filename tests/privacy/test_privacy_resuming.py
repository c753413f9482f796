"""An erasure that is killed anywhere is completed by the next run, and two instances at it do no harm."""

import json
import logging
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from functions.services import build
from shared.errors import StorageUnavailable
from shared.storage.table import Tables
from tests.conftest import HandClock, settings_for
from tests.privacy.test_privacy_erasure import ID, assert_forgotten, everything, finish, history, known, see_through
from tests.secrecy import WatchedTransport
from tests.sessions.site import Site


class Killed(WatchedTransport):
    """Storage that answers a number of requests and then none any more."""

    def __init__(self, requests: int) -> None:
        super().__init__([])
        self._left = requests

    async def send(self, request: Any, **options: Any) -> Any:
        if self._left <= 0:
            raise ServiceRequestError("killed")
        self._left -= 1
        return await super().send(request, **options)


async def test_killed_at_any_request_it_is_completed_by_the_next_run(
    site: Site, card: str, connection_string: str, clock: HandClock
) -> None:
    sessions = await known(site, card)
    figures = {one: (entry.energy_kwh, entry.status) for one, entry in (await site.listed()).items()}
    killed = 0
    for requests in range(2, 200, 9):
        dying = build(settings_for(connection_string, clock), Tables(connection_string, Killed(requests)))
        try:
            await dying.erasures.erase(ID)
        except StorageUnavailable:
            killed += 1
        await dying.close()
    assert killed > 3, "nothing was killed"
    erasure = await see_through(site.services, clock)
    assert_forgotten(await everything(connection_string), card)
    after = await site.listed()
    assert {one: (entry.energy_kwh, entry.status) for one, entry in after.items()} == figures
    assert {after[one].driver for one in sessions.values()} == {erasure.pseudonym}


async def test_a_name_that_another_instance_stored_meanwhile_is_found_by_the_second_round(
    site: Site, card: str, connection_string: str, clock: HandClock
) -> None:
    await known(site, card)
    other = build(settings_for(connection_string, clock))
    slow = Site(other, clock)
    slow.id, slow.charger = site.id, site.charger
    session = "20000000-0000-4000-8000-000000000009"
    await slow.end(session)  # has looked at the erasures: there is none
    await site.services.erasures.erase(ID)
    await other.end_hook.record(*history(session, site, clock.now(), 1.0))
    await other.close()
    await see_through(site.services, clock)
    assert_forgotten(await everything(connection_string), card)


async def test_it_is_not_done_before_every_instance_knows(site: Site, card: str) -> None:
    await known(site, card)
    assert (await site.services.erasures.erase(ID)).done_at is None
    site.clock.advance(59)
    assert (await site.services.erasures.erase(ID)).done_at is None
    site.clock.advance(2)
    assert (await site.services.erasures.erase(ID)).done_at is not None
    assert (await finish(site)).done_at is not None


async def test_its_beginning_and_its_end_are_told_by_the_id_alone(
    site: Site, card: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Should the tables be lost, the ids in the events are what is left of the newest erasures."""
    await known(site, card)
    with caplog.at_level(logging.INFO, "zapbridge"):
        await site.services.erasures.erase(ID)
        await finish(site)
    said = [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]
    told = [event for event in said if event["event"].startswith("driver.")]
    assert told == [
        {"event": "driver.erasure_begun", "driverId": ID},
        {"event": "driver.erased", "driverId": ID, "sessions": 3, "tokens": 1},
    ]
