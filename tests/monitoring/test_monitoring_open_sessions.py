"""Sessions nobody can be billed for, since their end never came, are said once an hour."""

import json
import logging
from typing import Any

import pytest

from functions.services import Services
from tests.conftest import HandClock
from tests.sessions.site import Site

HOUR, DAY = 3600, 86400


@pytest.fixture
async def site(services: Services, clock: HandClock) -> Site:
    site = Site(services, clock)
    await site.set_up(mode="open")
    return site


async def told(services: Services, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="zapbridge"):
        await services.sweep.run()
    await services.behind.settled()
    events = [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]
    return [event for event in events if event["event"] == "sessions.open_too_long"]


async def test_a_session_without_an_end_is_said_after_two_days_with_the_oldest(
    site: Site, services: Services, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    began = clock.now()
    await site.start()
    clock.advance(HOUR)
    await site.start(charger=site.other_charger)
    clock.advance(2 * DAY - HOUR - 1)
    assert await told(services, caplog) == []
    clock.advance(2 * HOUR)
    (said,) = await told(services, caplog)
    assert said == {
        "event": "sessions.open_too_long",
        "installationId": site.id,
        "sessions": 2,
        "oldest": began.isoformat().replace("+00:00", "Z"),
    }


async def test_it_is_said_once_an_hour_though_the_sweep_runs_each_minute(
    site: Site, services: Services, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    await site.start()
    clock.advance(3 * DAY)
    assert len(await told(services, caplog)) == 1
    clock.advance(HOUR - 60)
    assert await told(services, caplog) == []
    clock.advance(60)
    assert len(await told(services, caplog)) == 1


async def test_a_session_that_has_ended_is_not_among_them(
    site: Site, services: Services, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    session = await site.start()
    await site.end(session)
    clock.advance(3 * DAY)
    assert await told(services, caplog) == []


async def test_a_car_that_left_without_figures_is(
    site: Site, services: Services, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    await site.start()
    clock.advance(HOUR)
    second = await site.start()  # another car: the first session is superseded
    await site.end(second)
    clock.advance(3 * DAY)
    (said,) = await told(services, caplog)
    assert said["sessions"] == 1
