"""Credentials stay fresh, and a change is followed to its end, whatever fails or dies on the way."""

import asyncio
import itertools
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from shared.errors import HostControlFailed, ZapCloudUnavailable
from shared.storage.streams import Step
from shared.streams.host_control import LocalHost
from shared.zapcloud.login import SECRET, Tokens
from simulator.app import Simulator
from simulator.client import SimulatorClient
from simulator.faults import Fault
from tests.streams.refreshing import KilledError, Refreshing, refreshing

MINUTE = timedelta(minutes=1)
ALL_STEPS = [Step.FETCHED, Step.STORED, Step.REFRESHED, Step.RESOLVED, Step.RESTARTED]
type Grant = Literal["password", "refresh"]


@pytest.fixture(params=["password", "refresh"])
def grant(request: pytest.FixtureRequest) -> Grant:
    found: Grant = request.param
    return found


@pytest.fixture(params=["file", "azure"])
async def site(
    simulator: SimulatorClient,
    running: Simulator,
    connection_string: str,
    tmp_path: Path,
    grant: Grant,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Refreshing]:
    in_azure = request.param == "azure"
    async with refreshing(simulator, running, connection_string, tmp_path, grant, in_azure=in_azure) as found:
        yield found


async def settle(site: Refreshing) -> None:
    """The first credentials have arrived and messages come; every run from now on must renew its token."""
    await site.simulator.change_settings(access_token_s=400)
    await site.refresher.run()
    await site.messages_come()
    await site.refresher.watch()
    rotations = await site.records.rotations()
    assert rotations["harbour"].step is Step.MOVING


async def complete(site: Refreshing) -> None:
    """What must hold once a run could do all its work."""
    assert (await site.records.rotations())["harbour"].step is Step.RESTARTED
    assert site.host.listens_with == await site.address()
    await site.messages_come()
    await site.refresher.watch()
    assert (await site.records.rotations())["harbour"].step is Step.MOVING
    turns = await site.token_turns()
    assert all(later - earlier >= MINUTE for earlier, later in itertools.pairwise(turns)), turns
    logins = await site.logins()
    assert all(later - earlier >= MINUTE for earlier, later in itertools.pairwise(logins)), logins


async def test_the_first_run_of_all_fetches_stores_and_restarts(site: Refreshing) -> None:
    await site.refresher.run()
    assert await site.steps() == ALL_STEPS
    assert site.host.restarts == 1
    await complete(site)
    connection, topic, subscription = [await site.store.get(name) for name in site.stream.secrets]
    assert connection is not None
    assert "EntityPath" not in connection
    assert (topic, subscription) == (f"installation_{site.stream.installation_id}", "default")


async def test_a_user_groups_subscription_is_followed_alike(
    simulator: SimulatorClient, running: Simulator, connection_string: str, tmp_path: Path
) -> None:
    async with refreshing(simulator, running, connection_string, tmp_path, of_group=True) as site:
        await site.refresher.run()
        assert (await site.store.get(site.stream.secrets[1])) == f"usergroup_{site.stream.user_group_id}"
        await complete(site)


async def test_where_nothing_changed_nothing_is_restarted_and_asking_goes_on(site: Refreshing) -> None:
    await settle(site)
    for _ in range(3):
        await site.pass_minutes(5)
        await site.refresher.run()
    assert site.host.restarts == 1
    assert (await site.records.rotations())["harbour"].step is Step.MOVING


@pytest.mark.parametrize("topic", [False, True])
async def test_a_rotation_is_followed_to_the_end(site: Refreshing, topic: bool) -> None:
    await settle(site)
    await site.simulator.rotate_messaging(site.stream.installation_id or "", topic=topic)
    await site.pass_minutes(5)
    await site.refresher.run()
    assert (await site.steps())[-5:] == ALL_STEPS
    await complete(site)


async def test_a_subscription_disabled_after_disuse_is_enabled_by_the_next_run(site: Refreshing) -> None:
    await settle(site)
    await site.simulator.disable_messaging(site.stream.installation_id or "")
    await site.pass_minutes(5)
    await site.refresher.run()
    (view,) = (await site.simulator.service_bus()).items
    assert view.enabled
    await complete(site)


async def test_a_restart_that_brings_no_messages_is_said(site: Refreshing, caplog: pytest.LogCaptureFixture) -> None:
    await site.refresher.run()
    await site.pass_minutes(14)
    await site.refresher.watch()
    assert "rotation.not_moving" not in caplog.text
    await site.pass_minutes(2)
    await site.refresher.watch()
    assert "rotation.not_moving" in caplog.text


FAULTS: dict[str, dict[str, Fault]] = {
    "token endpoint answers 400": {"oauth-refused": Fault(next=1)},
    "token endpoint answers 503": {"oauth-unavailable": Fault(next=1)},
    "details answer 403": {"details-403": Fault(next=1)},
    "details answer 204": {"details-204": Fault(next=1)},
    "details answer 500": {"details-500": Fault(next=1)},
    "API answers 429": {"rest-429": Fault(next=1)},
    "API answers 502": {"rest-5xx": Fault(next=1, status=502)},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_any_fault_of_zapcloud_the_next_run_completes_it(site: Refreshing, fault: str) -> None:
    await settle(site)
    await site.simulator.rotate_messaging(site.stream.installation_id or "")
    await site.simulator.set_faults(FAULTS[fault])
    await site.pass_minutes(5)
    await site.refresher.run()
    await site.pass_minutes(5)
    await site.refresher.run()
    await complete(site)


async def test_zapcloud_that_could_not_be_asked_is_asked_again_within_a_minute(site: Refreshing) -> None:
    await settle(site)
    await site.simulator.rotate_messaging(site.stream.installation_id or "")
    await site.simulator.set_faults({"details-403": Fault(next=1)})
    await site.pass_minutes(4.6)
    await site.refresher.run()
    assert site.host.listens_with != await site.address()
    await site.pass_minutes(1)
    await site.refresher.watch()
    await complete(site)


@pytest.mark.parametrize("restarting", [False, True])
async def test_whenever_the_secret_store_fails_the_next_run_completes_it_and_no_refresh_token_is_lost(
    site: Refreshing, grant: Grant, restarting: bool
) -> None:
    await settle(site)
    runs = 0
    for failing_call in itertools.count(1):
        runs += 1
        await site.simulator.rotate_messaging(site.stream.installation_id or "")
        await site.pass_minutes(5)
        site.store.calls, site.store.fails_at = 0, failing_call
        await site.refresher.run()
        was_reached = site.store.calls >= failing_call
        site.store.fails_at = None
        if restarting:
            site.boot()
        await site.pass_minutes(5)
        await site.refresher.run()
        await complete(site)
        if not was_reached:
            break
    assert runs > 5
    requests = await site.simulator.token_requests()
    assert {one.status for one in requests} == {200}, "a refresh token was used twice"
    if grant == "refresh" and not restarting:
        assert len(await site.logins()) == 1, "a refresh token was lost"


@pytest.mark.parametrize("what", ["restart refused", "references unresolved", "refresh refused"])
async def test_whatever_the_host_refuses_the_next_run_completes_it(site: Refreshing, what: str) -> None:
    await settle(site)
    await site.simulator.rotate_messaging(site.stream.installation_id or "")
    site.host.refusals = int(what == "restart refused")
    site.control.unresolved_for = int(what == "references unresolved")
    site.control.refresh_fails = int(what == "refresh refused")
    await site.pass_minutes(5)
    await site.refresher.run()
    assert site.host.restarts == 1
    assert "failed" in await site.steps()
    await site.pass_minutes(5)
    await site.refresher.run()
    assert site.host.restarts == 2
    await complete(site)


async def test_wherever_the_process_is_killed_the_next_run_completes_it(site: Refreshing, grant: Grant) -> None:
    await settle(site)
    runs = 0
    for fatal in itertools.count(1):
        await site.simulator.rotate_messaging(site.stream.installation_id or "")
        await site.pass_minutes(5)
        site.boot()
        site.points.fatal = fatal
        try:
            await site.refresher.run()
        except KilledError:
            runs += 1
        else:
            break
        site.boot()
        await site.pass_minutes(5)
        await site.refresher.run()
        await complete(site)
    assert runs >= 50
    site.boot()
    requests = await site.simulator.token_requests()
    assert {one.status for one in requests} == {200}, "a refresh token was used twice"
    if grant == "refresh":
        stored = msgspec.json.decode(await site.store.get(SECRET) or "", type=Tokens)
        assert stored.refresh
        assert not stored.spent
        in_doubt = 4  # instants between noting that the token is spent and having stored the next one
        assert len(await site.logins()) == 1 + in_doubt, "the password took the place of a token that was not in doubt"


async def test_a_change_whose_details_are_stored_is_completed_while_zapcloud_is_down(site: Refreshing) -> None:
    await settle(site)
    await site.simulator.rotate_messaging(site.stream.installation_id or "")
    site.host.refusals = 1
    await site.pass_minutes(5)
    await site.refresher.run()
    assert (await site.records.rotations())["harbour"].step is Step.RESOLVED
    await site.simulator.set_faults({"details-403": Fault(probability=1)})
    await site.pass_minutes(5)
    await site.refresher.run()
    await complete(site)


async def test_a_secret_that_was_changed_by_hand_is_put_right(site: Refreshing) -> None:
    await settle(site)
    await site.store.set(site.stream.secrets[0], "Endpoint=sb://wrong/")
    await site.pass_minutes(5)
    await site.refresher.run()
    assert await site.store.get(site.stream.secrets[0]) == (await site.address()).connection
    await complete(site)


async def test_of_two_instances_one_does_it(site: Refreshing) -> None:
    await site.refresher.run()
    await site.simulator.rotate_messaging(site.stream.installation_id or "")
    await site.pass_minutes(5)
    others = [site.another() for _ in range(4)]
    await asyncio.gather(*(other.run() for other in others))
    assert site.host.restarts == 2
    assert (await site.steps()).count(Step.FETCHED) == 2
    await complete(site)


async def test_instances_that_need_a_token_at_once_share_one_login(site: Refreshing) -> None:
    results = await asyncio.gather(*(site.zapcloud.login.access_token() for _ in range(3)), return_exceptions=True)
    assert len({str(result) for result in results}) == 1
    site.boot()
    assert await site.zapcloud.login.access_token() == results[0]
    assert len(await site.logins()) == 1


async def test_of_processes_that_need_a_token_at_once_one_asks_and_the_others_wait_for_it(site: Refreshing) -> None:
    accounts = [site.zapcloud]
    for _ in range(3):
        site.boot()
        accounts.append(site.zapcloud)
    results = await asyncio.gather(*(one.login.access_token() for one in accounts), return_exceptions=True)
    tokens = {result for result in results if isinstance(result, str)}
    assert len(tokens) == 1
    assert all(isinstance(result, (str, ZapCloudUnavailable)) for result in results)
    assert len(await site.logins()) == 1
    assert {await one.login.access_token() for one in accounts} == tokens


async def test_a_process_that_died_while_it_logged_in_is_not_followed_within_the_minute(site: Refreshing) -> None:
    for fatal in itertools.count(1):
        site.boot()
        site.points.fatal = fatal
        with pytest.raises(KilledError):
            await site.zapcloud.login.access_token()
        if await site.logins():
            break
        await site.pass_minutes(1)
    site.boot()
    with pytest.raises(ZapCloudUnavailable, match="less than a minute ago"):
        await site.zapcloud.login.access_token()
    assert len(await site.logins()) == 1
    await site.pass_minutes(1)
    assert await site.zapcloud.login.access_token()


async def test_the_secrets_file_can_be_read_by_its_owner_alone(site: Refreshing, tmp_path: Path) -> None:
    await site.refresher.run()
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


async def test_no_record_holds_a_secret(site: Refreshing) -> None:
    await site.refresher.run()
    address = await site.address()
    key = address.connection.partition("SharedAccessKey=")[2].partition(";")[0]
    rows = await site.tables["Credentials"].scan()
    assert rows
    assert not [row for row in rows if key in str(row.properties)]


async def test_an_unreachable_streams_host_is_a_failure_that_says_so(site: Refreshing) -> None:
    with pytest.raises(HostControlFailed, match="did not answer"):
        await LocalHost("http://127.0.0.1:1", "key", site.store).restart()
