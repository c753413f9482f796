"""A session loses its driver for good, whatever is written to it in the same moment and wherever a run is killed."""

import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.services import Services, build
from shared.errors import StorageUnavailable
from shared.privacy.identity import driver_id
from shared.privacy.retention import ANONYMOUS
from shared.sessions.view import Source
from shared.storage.table import Tables
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY, HandClock, settings_for
from tests.privacy.test_privacy_erasure import everything
from tests.privacy.test_privacy_resuming import Killed
from tests.secrecy import WatchedTransport

NAME = "Kari Nordmann"
KEPT_DAYS = 30
CHARGER = "10000000-0000-4000-9000-000000000001"
INSTALLATION = "10000000-0000-4000-8000-000000000001"
_numbers = itertools.count(1)

type Work = Callable[[], Awaitable[Any]]


class Interrupted(WatchedTransport):
    """Before its request of that number, something else happens; the requests are counted from `arm`."""

    def __init__(self) -> None:
        super().__init__([])
        self._left = -1
        self._work: Work | None = None

    def arm(self, number: int, work: Work) -> None:
        self._left, self._work = number, work

    @property
    def happened(self) -> bool:
        return self._work is None

    async def send(self, request: Any, **options: Any) -> Any:
        if self._work and self._left == 0:
            work, self._work = self._work, None
            await work()
        self._left -= 1
        return await super().send(request, **options)


@pytest.fixture
async def other(connection_string: str, clock: HandClock) -> Any:
    """Another instance of an app whose sessions lose their drivers."""
    services = instance(connection_string, clock, WatchedTransport([]))
    yield services
    await services.close()


def instance(connection_string: str, clock: HandClock, transport: WatchedTransport) -> Services:
    settings = settings_for(connection_string, clock, retention_sessions_days=KEPT_DAYS)
    return build(settings, Tables(connection_string, transport))


async def hear(services: Services, session_id: str, start: datetime, source: Source) -> None:
    """A source names the driver of a session."""
    report = EndReport(session_id, start, start + timedelta(hours=1), 5.0, None)
    said = {"chargerId": CHARGER, "userName": NAME}
    await services.end_hook.record(report, source, INSTALLATION, said)


async def an_old_session(services: Services, clock: HandClock) -> tuple[str, datetime]:
    """Listed under an instant that is older than drivers are kept."""
    session_id, start = f"20000000-0000-4000-8000-{next(_numbers):012x}", clock.now()
    await hear(services, session_id, start, Source.CHARGE_HISTORY)
    clock.advance((KEPT_DAYS + 1) * 86400)
    return session_id, start


async def assert_nameless(services: Services, session_id: str, connection_string: str, clock: HandClock) -> None:
    """The session at once; its entry in the index by the next day, too."""
    view = await services.ledger.view(session_id)
    assert view
    assert (view.driver, view.energy_kwh) == (ANONYMOUS, 5.0)
    assert NAME not in repr(view.timeline)
    clock.advance(86400)
    await services.retention.run()
    assert NAME not in await everything(connection_string)


async def test_a_fact_that_comes_while_a_session_loses_its_driver_brings_no_name_back(
    other: Services, connection_string: str, clock: HandClock
) -> None:
    for number in itertools.count():
        session_id, start = await an_old_session(other, clock)
        transport = Interrupted()
        slow = instance(connection_string, clock, transport)
        transport.arm(number, lambda: hear(other, session_id, start, Source.ARCHIVED_SESSIONS))  # noqa: B023
        await slow.retention.run()
        await slow.close()
        await assert_nameless(other, session_id, connection_string, clock)
        if not transport.happened:
            assert number > 8, "nothing came in between"
            break


async def test_a_session_that_loses_its_driver_while_a_fact_is_stored_gets_no_name_back(
    other: Services, connection_string: str, clock: HandClock
) -> None:
    for number in itertools.count():
        session_id, start = await an_old_session(other, clock)
        transport = Interrupted()
        slow = instance(connection_string, clock, transport)
        transport.arm(number, other.retention.run)
        await hear(slow, session_id, start, Source.ARCHIVED_SESSIONS)
        await slow.close()
        await other.retention.run()
        await assert_nameless(other, session_id, connection_string, clock)
        if not transport.happened:
            assert number > 4, "nothing came in between"
            break


async def test_killed_at_any_request_it_is_completed_by_the_next_run(
    other: Services, connection_string: str, clock: HandClock
) -> None:
    for requests in itertools.count():
        session_id, _ = await an_old_session(other, clock)
        dying = instance(connection_string, clock, Killed(requests))
        killed = False
        try:
            await dying.retention.run()
        except StorageUnavailable:
            killed = True
        await dying.close()
        await other.retention.run()
        await assert_nameless(other, session_id, connection_string, clock)
        if not killed:
            assert requests > 8, "nothing was killed"
            break


async def test_whoever_was_erased_keeps_the_pseudonym_when_the_session_gets_old(
    other: Services, clock: HandClock
) -> None:
    session_id, start = "20000000-0000-4000-8000-00000000ffff", clock.now()
    await hear(other, session_id, start, Source.CHARGE_HISTORY)
    clock.advance(60)
    erasure = await other.erasures.erase(driver_id(IDENTITY_KEY, NAME))
    clock.advance((KEPT_DAYS + 1) * 86400)
    await other.retention.run()
    view = await other.ledger.view(session_id)
    assert view
    assert view.driver == erasure.pseudonym


async def test_a_session_without_a_driver_is_left_alone_from_the_third_day_on(
    other: Services, connection_string: str, clock: HandClock
) -> None:
    await an_old_session(other, clock)
    requests = []
    for _ in range(4):
        transport = WatchedTransport([])
        tomorrow = instance(connection_string, clock, transport)
        await tomorrow.retention.run()
        await tomorrow.close()
        requests.append(transport.requests)
        clock.advance(86400)
    first, second, third, fourth = requests
    assert first > third, requests
    assert second > third == fourth, requests
