"""Sessions end in many ways, and ZapCloud's lists say which it was."""

import json
from datetime import timedelta

import pytest

from simulator.client import RefusedError
from simulator.sessions import CommitMetadata
from tests.simulator.conftest import START

CARD = "04A3"
DAY = 86_400


@pytest.fixture
async def simulator(simulator):
    """One whose access tokens outlive the test."""
    await simulator.change_settings(access_token_s=365 * DAY)
    return simulator


@pytest.fixture
async def garage(simulator):
    """Two chargers that let everybody in."""
    return await simulator.add_installation("Garage", chargers=2)


@pytest.fixture
def charger(garage) -> str:
    return garage.chargers[0].id


async def listed(rest, garage, session_id: str) -> tuple[dict, dict]:
    """What charge history and the archive say of a session."""
    history = (await rest.get("/api/chargehistory", params={"DetailLevel": 1})).json()["Data"]
    span = {"InstallationId": garage.id, "From": "2026-01-01T00:00:00Z", "To": "2027-01-01T00:00:00Z"}
    archived = (await rest.get("/api/sessions/archived", params=span)).json()["sessions"]
    (item,) = [one for one in history if one["Id"] == session_id]
    (other,) = [one for one in archived if one["id"] == session_id]
    return item, other


async def completed(rest, charger: str) -> dict:
    states = (await rest.get(f"/api/chargers/{charger}/state")).json()
    return json.loads(next(state["ValueAsString"] for state in states if state["StateId"] == 723))


async def charge(simulator, charger: str, seconds: float = 3600) -> str:
    await simulator.plug(charger)
    await simulator.advance(seconds)
    return await simulator.unplug(charger)


async def test_a_driver_may_end_a_session_with_the_card(simulator, site, app, rest):
    charger = site.chargers[0].id
    with pytest.raises(RefusedError, match="no session that began with a card"):
        await simulator.stop(charger)
    await simulator.plug(charger)
    await simulator.scan(charger, CARD)
    await simulator.advance(1800)
    session_id = await simulator.stop(charger)
    await simulator.advance(600)
    assert await simulator.unplug(charger) is None
    item, archived = await listed(rest, site, session_id)
    assert (item["CommitMetadata"], item["Energy"], item["CommitEndDateTime"]) == (13, 5.5, "2026-03-02T06:30:00")
    assert archived["stoppedByRfid"]
    assert (await completed(rest, charger))["StoppedByRFID"] is True
    assert [end["SessionId"] for end in app.ends] == [session_id]


@pytest.mark.parametrize(("seconds", "energy"), [(1800, 5.5), (0, 0)])
async def test_a_fault_may_end_a_session(simulator, garage, charger, rest, seconds, energy):
    await simulator.plug(charger)
    await simulator.advance(seconds)
    session_id = await simulator.abort(charger)
    await simulator.unplug(charger)
    item, archived = await listed(rest, garage, session_id)
    assert (item["CommitMetadata"], item["Energy"]) == (1 | 4 | 64, energy)
    assert (archived["aborted"], archived["energy"]) == (True, energy)


async def test_a_session_may_be_taken_back(simulator, garage, charger, rest):
    await simulator.plug(charger)
    (running,) = await simulator.sessions()
    with pytest.raises(RefusedError, match="only a session that has ended"):
        await simulator.void_session(running.id)
    await simulator.advance(3600)
    await simulator.unplug(charger)
    await simulator.void_session(running.id)
    item, archived = await listed(rest, garage, running.id)
    assert (item["CommitMetadata"], item["Energy"], archived["voided"]) == (1 | 4 | 32, 11, True)


async def test_a_replaced_session_has_nothing_and_its_replacement_has_all(simulator, garage, charger, rest):
    old = await charge(simulator, charger)
    new = await simulator.replace_session(old)
    item, archived = await listed(rest, garage, old)
    assert (item["Energy"], item["ReplacedBySessionId"], archived["replacedBySessionId"]) == (0, new, new)
    assert item["StartDateTime"] == item["CommitEndDateTime"]
    assert sum(one["Energy"] for one in item["EnergyDetails"]) == 0
    item, archived = await listed(rest, garage, new)
    assert (item["Energy"], item["CommitMetadata"], archived["voided"]) == (11, 5, False)
    assert sum(one["Energy"] for one in item["EnergyDetails"]) == 11
    truth = {session.id: session for session in await simulator.sessions()}
    assert (truth[old].replaced_by, truth[old].commit_metadata) == (new, 1 | 4 | 32)


async def test_zapcloud_gives_up_a_session_that_its_charger_never_commits(simulator, garage, charger, rest):
    await simulator.plug(charger)
    await simulator.advance(3600)
    await simulator.go_offline(charger)
    await simulator.advance(3600)
    await simulator.unplug(charger)
    (session,) = await simulator.sessions()
    await simulator.advance(7 * DAY)
    await simulator.abandon_session(session.id)
    await simulator.go_online(charger)
    item, archived = await listed(rest, garage, session.id)
    assert (item["EndDateTime"], item["CommitMetadata"], item["Energy"]) == ("2026-03-09T08:00:00", 0, 11)
    assert not {"CommitEndDateTime", "EnergyDetails", "SignedSession"} & set(item)
    assert archived["externallyAbandoned"]
    assert archived["endDateTime"] == "2026-03-09T08:00:00Z"
    assert not any(archived[name] for name in ("offline", "reliableClock", "signed"))
    states = (await rest.get(f"/api/chargers/{charger}/state")).json()
    assert 723 not in [state["StateId"] for state in states]


async def test_a_running_session_may_be_given_up_and_the_charger_goes_on(simulator, garage, charger, rest):
    await simulator.plug(charger)
    await simulator.advance(3600)
    (session,) = await simulator.sessions()
    await simulator.abandon_session(session.id)
    with pytest.raises(RefusedError, match="holds to be running"):
        await simulator.abandon_session(session.id)
    assert await simulator.unplug(charger) is None
    (await listed(rest, garage, session.id))[0].pop("EndDateTime")
    following = await charge(simulator, charger)
    first, second = await simulator.sessions()
    assert (second.id, second.commit_metadata) == (following, 5)
    assert second.meter_start_kwh == pytest.approx(first.meter_start_kwh + 11)


async def test_an_offline_session_is_committed_days_later(simulator, site, app, rest):
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.scan(charger, CARD)
    await simulator.go_offline(charger)
    await simulator.advance(3600)
    session_id = await simulator.unplug(charger)
    await simulator.advance(3 * DAY)
    assert app.ends == []
    await simulator.go_online(charger)
    item, archived = await listed(rest, site, session_id)
    assert (item["CommitMetadata"], item["Energy"], item["ExternallyEnded"]) == (2 | 4, 11, True)
    assert (item["EndDateTime"], item["CommitEndDateTime"]) == ("2026-03-05T07:00:00", "2026-03-02T07:00:00")
    assert (archived["endDateTime"], archived["recognizedDateTime"]) == ("2026-03-02T07:00:00Z", "2026-03-05T07:00:00Z")
    told = await completed(rest, charger)
    assert (told["SessionId"], told["AuthenticationCode"]) == (session_id, "nfc-04A3")
    assert (told["EndDateTime"], told["ReliableClock"]) == ("2026-03-02T07:00:00.000000Z", True)
    assert app.ends[0]["SessionEnd"] == "2026-03-02T07:00:00Z"


async def test_an_offline_charger_notes_the_card_of_whoever_it_let_in(simulator, site, app, rest):
    charger = site.chargers[0].id
    await simulator.go_offline(charger)
    await simulator.plug(charger)
    await simulator.scan(charger, CARD)
    with pytest.raises(RefusedError, match="session is running"):
        await simulator.scan(charger, CARD)
    await simulator.advance(3600)
    await simulator.unplug(charger)
    await simulator.go_online(charger)
    assert (await completed(rest, charger))["AuthenticationCode"] == "nfc-04A3"


async def test_a_charger_whose_clock_is_wrong_gives_right_energy_at_wrong_times(simulator, site, app, rest):
    charger = site.chargers[0].id
    await simulator.go_offline(charger)
    await simulator.set_clock_ahead(charger, 30 * DAY)
    await simulator.plug(charger)
    await simulator.advance(3600)
    session_id = await simulator.unplug(charger)
    await simulator.advance(DAY)
    await simulator.go_online(charger)
    item, archived = await listed(rest, site, session_id)
    assert (item["CommitMetadata"], item["Energy"]) == (int(CommitMetadata.OFFLINE), 11)
    assert (item["StartDateTime"], item["EndDateTime"]) == ("2026-04-01T06:00:00", "2026-03-03T07:00:00")
    assert "CommitEndDateTime" not in item
    assert item["EnergyDetails"][0]["Timestamp"] == "2026-04-01T06:00:00.000+00:00"
    assert sum(one["Energy"] for one in item["EnergyDetails"]) == 11
    assert (archived["offline"], archived["reliableClock"], archived["externallyAbandoned"]) == (True, False, False)
    told = await completed(rest, charger)
    assert (told["StartDateTime"], told["ReliableClock"]) == ("2026-04-01T06:00:00.000000Z", False)
    assert told["Energy"] == 11
    assert "EndDateTime" not in told
    assert app.ends[0]["SessionEnd"] == "2026-03-03T07:00:00Z"
    (truth,) = await simulator.sessions()
    assert (truth.start, truth.end) == (START, START + timedelta(hours=1))
