"""Sessions whose end nobody told us are read from ZapCloud's lists, once each, whatever happens on the way."""

import logging
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.billing.local_clock import Interval
from shared.sessions.energy import intervals_of
from shared.sessions.flags import Flag
from shared.sessions.view import Source, Status
from shared.storage.installations import Installation
from shared.storage.reconciliation import Mark, Reconciliation
from shared.zapcloud.client import ZapCloud, ZapCloudRefused
from shared.zapcloud.hooks import EndReport
from simulator.faults import Fault, FaultName
from simulator.models import UserRole
from tests.conftest import MONDAY_MORNING
from tests.sessions.cloudsite import HOUR, CloudSite


@pytest.fixture
def site(cloud_site: CloudSite) -> CloudSite:
    return cloud_site


async def test_a_session_nobody_told_us_of_is_read_from_charge_history(site: CloudSite) -> None:
    session_id = await site.charge(hours=2)
    await site.reconcile()
    view = await site.view(session_id)
    truth = site.world.sessions[session_id]
    assert (view.status, view.energy_kwh, view.start, view.end) == (
        Status.ENDED,
        truth.energy_kwh,
        truth.start,
        truth.end,
    )
    assert (view.charger_id, view.installation_id, view.source) == (
        site.chargers[0],
        site.installation,
        Source.CHARGE_HISTORY,
    )
    assert view.billable
    assert Flag.NOT_OURS in view.flags
    assert set(await site.listed()) == {session_id}


async def test_reading_again_changes_nothing_and_writes_nothing(
    site: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        await site.charge()
    await site.client.advance(60)
    await site.reconcile()
    before = await site.listed()
    timelines = [(await site.view(one)).timeline for one in before]
    await site.client.advance(HOUR)
    caplog.clear()
    await site.reconcile()
    assert "session.ended" not in caplog.text
    assert await site.listed() == before
    assert [(await site.view(one)).timeline for one in before] == timelines


async def test_many_pages_are_read_and_every_session_is_there_once(site: CloudSite) -> None:
    ids = {await site.charge(number % 3, hours=0.1) for number in range(130)}
    await site.reconcile()
    assert set(await site.listed()) == ids


async def test_an_offline_session_that_is_told_of_days_later_is_read_by_the_deep_reading(site: CloudSite) -> None:
    await site.reconcile()
    await site.client.go_offline(site.chargers[0])
    late = await site.charge(hours=2)
    for _ in range(4):
        await site.client.advance(24 * HOUR)
        await site.reconcile()
    await site.client.go_online(site.chargers[0])
    await site.reconcile()
    assert late not in await site.listed(), "it began before what is read again each time"
    await site.client.advance(24 * HOUR)
    await site.reconcile()
    view = await site.view(late)
    assert (view.status, view.energy_kwh, view.billable) == (Status.ENDED, 22.0, True)
    assert Flag.OFFLINE in view.flags


async def test_a_replaced_session_is_not_billable_and_its_driver_is_that_of_the_other(site: CloudSite) -> None:
    claimed = await site.charge()
    await site.let_in(claimed, "Kari")
    replacement = await site.client.replace_session(claimed) or ""
    await site.reconcile()
    old, new = await site.view(claimed), await site.view(replacement)
    assert (old.energy_kwh, old.billable, old.replaced_by) == (0.0, False, replacement)
    assert (new.energy_kwh, new.billable, new.driver, new.replaces) == (11.0, True, "Kari", claimed)
    entries = await site.listed()
    assert {one: entries[one].driver for one in entries} == {claimed: "Kari", replacement: "Kari"}


async def test_what_was_read_as_recent_is_not_read_again_by_the_daily_and_the_monthly_reading(site: CloudSite) -> None:
    ids = {await site.charge(hours=0.1) for _ in range(110)}
    before = len(await site.client.requests())
    await site.reconcile()
    asked = [one.path for one in (await site.client.requests())[before:]]
    assert set(await site.listed()) == ids
    assert sum(path.startswith("/api/chargehistory") for path in asked) == 4, "two pages, and one of each longer time"


@pytest.mark.parametrize("fault", ["rest-429", "rest-5xx"])
async def test_a_reading_that_zapcloud_breaks_off_is_done_by_a_later_one(site: CloudSite, fault: FaultName) -> None:
    ids = {await site.charge(hours=0.1) for _ in range(110)}
    await site.client.set_faults({fault: Fault(probability=0.5)})
    for _ in range(12):
        await site.client.advance(600)
        await site.reconcile()
    assert set(await site.listed()) == ids


async def test_an_installation_that_zapcloud_refuses_does_not_keep_the_others_waiting(site: CloudSite) -> None:
    for number in range(5):
        unknown = f"20000000-0000-4000-8000-{number:012x}"
        await site.services.installations.put(Installation(id=unknown))
    site.world.installations[site.installation].current_user_roles = UserRole.USER
    session_id = await site.charge()
    await site.reconcile()
    assert session_id in await site.listed()


async def test_an_archive_that_is_refused_does_not_keep_the_daily_reading_from_being_done(
    site: CloudSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise ZapCloudRefused(403)

    monkeypatch.setattr(ZapCloud, "archived_sessions", refused)
    await site.client.go_offline(site.chargers[0])
    late = await site.charge()
    for _ in range(4):
        await site.client.advance(24 * HOUR)
        await site.reconcile()
    await site.client.go_online(site.chargers[0])
    await site.client.advance(24 * HOUR)
    await site.reconcile()
    assert late in await site.listed()


async def test_a_car_that_was_plugged_in_for_months_is_read_within_a_month(site: CloudSite) -> None:
    await site.reconcile()
    session_id = await site.charge(hours=24 * 50)
    await site.reconcile()
    assert (await site.view(session_id)).status is Status.ENDED


async def test_an_open_session_whose_minute_a_long_sweep_missed_is_asked_after_by_the_next_one(site: CloudSite) -> None:
    sessions = [await site.charge(number % 3, hours=4) for number in range(6)]
    for session_id in sessions:
        await site.let_in(session_id, "Kari", site.services.clock() - timedelta(hours=4))
    for _ in range(31):
        await site.services.sweep.run()
        await site.client.advance(120)
    assert {(await site.view(session_id)).status for session_id in sessions} == {Status.ENDED}


async def test_a_session_that_is_open_for_long_is_asked_after_within_the_hour(site: CloudSite) -> None:
    session_id = await site.charge(hours=4)
    await site.let_in(session_id, "Kari", site.services.clock() - timedelta(hours=4))
    for _ in range(60):
        await site.services.sweep.run()
        await site.client.advance(60)
    view = await site.view(session_id)
    assert (view.status, view.energy_kwh, view.driver, view.source) == (
        Status.ENDED,
        44.0,
        "Kari",
        Source.SESSION_API,
    )


async def test_a_session_that_zapcloud_does_not_know_a_day_later_never_began(site: CloudSite) -> None:
    unknown = "30000000-0000-4000-8000-000000000001"
    await site.let_in(unknown, None, site.services.clock())
    await site.client.advance(23 * HOUR)
    for hour in range(2):
        for _ in range(60):
            await site.services.sweep.run()
            await site.client.advance(60)
        assert (await site.view(unknown)).status is (Status.AUTHORIZED, Status.NEVER_BEGAN)[hour]


async def test_a_session_charged_over_the_hour_is_told_by_the_hour_of_the_installations_clock(site: CloudSite) -> None:
    await site.client.advance(1800)
    session_id = await site.charge(hours=2)
    await site.reconcile()
    parts = intervals_of(await site.view(session_id), "Europe/Oslo", Interval.HOUR)
    assert sum(part.energy_kwh for part in parts) == Decimal(22)
    assert [str(part.start) for part in parts] == [f"2026-03-02 0{hour}:00:00+00:00" for hour in (6, 7, 8)]


async def test_a_native_installation_has_a_log_of_whom_zapcloud_let_in(site: CloudSite) -> None:
    await site.client.add_user(site.installation, "Kari Nordmann", "kari@example.com", Blue="04A1B2C3000001")
    await site.client.add_token(site.installation, "04A1B2C3000002", "Guest card")
    await site.client.configure(site.installation, isRequiredAuthentication=True)
    views = []
    for card in ("04A1B2C3000001", "04A1B2C3000002"):
        await site.client.plug(site.chargers[0])
        await site.client.scan(site.chargers[0], card)
        await site.client.advance(HOUR)
        session_id = await site.client.unplug(site.chargers[0]) or ""
        await site.reconcile()
        views.append(await site.view(session_id))
    assert [(view.driver, view.token_name) for view in views] == [
        ("Kari Nordmann", "Blue"),
        ("Guest card", "Guest card"),
    ]
    assert all(view.energy_kwh == 11.0 and view.billable for view in views)


async def test_a_session_that_zapcloud_takes_back_is_not_billable_any_more(site: CloudSite) -> None:
    session_id = await site.charge()
    await site.reconcile()
    assert (await site.view(session_id)).billable
    await site.client.void_session(session_id)
    await site.client.advance(600)
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.billable, Flag.VOID in view.flags) == (False, True)
    assert not (await site.listed())[session_id].billable


async def test_what_only_the_archive_tells_is_in_the_log(site: CloudSite) -> None:
    session_id = await site.charge()
    await site.client.set_faults({"history-shifts": Fault(probability=1.0)})
    await site.client.advance(60)
    await site.reconcile()
    assert (await site.view(session_id)).source == Source.ARCHIVED_SESSIONS


async def test_however_long_nothing_was_read_nothing_is_left_out(site: CloudSite) -> None:
    await site.reconcile()
    session_id = await site.charge()
    await site.client.advance(60 * 24 * HOUR)
    await site.reconcile()
    assert (await site.view(session_id)).energy_kwh == 11.0


async def test_a_log_restored_from_an_old_backup_gets_what_was_charged_since(site: CloudSite) -> None:
    """Of how far one had read nothing is known any more."""
    await site.services.installations.put(Installation(id=site.installation, since=site.services.clock()))
    session_id = await site.charge()
    await site.client.advance(300 * 24 * HOUR)
    await site.reconcile()
    assert (await site.view(session_id)).energy_kwh == 11.0


async def test_a_cursor_that_zapcloud_does_not_take_any_more_is_dropped(site: CloudSite) -> None:
    session_id = await site.charge()
    await site.client.advance(60)
    marks = Reconciliation(site.services.tables)
    await marks.set_mark(site.installation, Mark(archive_cursor="of another time", archive_to=site.services.clock()))
    for _ in range(2):
        await site.reconcile()
        await site.client.advance(600)
    assert "archived-sessions" in [fact.source for fact in (await site.view(session_id)).timeline]


async def test_a_session_is_listed_only_where_it_was_in_the_end(site: CloudSite) -> None:
    """An end that came by the credential of another installation, and then ZapCloud's own word."""
    elsewhere = "20000000-0000-4000-8000-000000000001"
    await site.services.installations.put(Installation(id=elsewhere))
    session_id = await site.charge()
    truth = site.world.sessions[session_id]
    report = EndReport(session_id, truth.start, truth.end, truth.energy_kwh, None)
    await site.services.end_hook.record(report, Source.END_HOOK, elsewhere)
    await site.reconcile()
    now = site.services.clock()
    page = await site.services.listing.page(
        [site.installation, elsewhere, None], now - timedelta(days=60), now + timedelta(days=1), None, 1000
    )
    assert [(one.session_id, one.installation_id) for one in page.items] == [(session_id, site.installation)]


async def test_a_session_that_stands_for_two_is_listed_as_it_is_shown(site: CloudSite) -> None:
    ids = [await site.charge() for _ in range(3)]
    for number, driver in ((0, "Anna"), (1, "Bo")):
        await site.let_in(ids[number], driver)
    await site.reconcile()
    for old in ids[:2]:
        await site.services.ledger.replaced(old, ids[2], MONDAY_MORNING)
        await site.services.ledger.project(ids[2])
        assert (await site.listed())[ids[2]].driver == (await site.view(ids[2])).driver


async def test_a_session_by_a_clock_that_was_never_set_is_logged_all_the_same(site: CloudSite) -> None:
    await site.services.installations.put(Installation(id=site.installation, since=MONDAY_MORNING))
    await site.client.go_offline(site.chargers[0])
    await site.client.set_clock_ahead(site.chargers[0], -20 * 365 * 86400)
    session_id = await site.charge()
    await site.client.go_online(site.chargers[0])
    await site.client.advance(60)
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.energy_kwh, view.billable) == (11.0, True)
    assert Flag.TIMES_UNRELIABLE in view.flags
