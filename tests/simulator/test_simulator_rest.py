"""The REST API has the forms, the limits and the temper of the real one."""

from datetime import UTC, datetime

import httpx
import pytest

from simulator.faults import Fault
from simulator.visits import Plug, Visit

LOGIN = {"username": "owner@example.test", "password": "simulated"}


async def test_a_password_is_granted_a_token(simulator, rest):
    answer = await rest.post("/oauth/token", data={"grant_type": "password", **LOGIN})
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 86399)
    assert "refresh_token" not in body


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password", **LOGIN, "password": "wrong"},
        {"grant_type": "password", "username": "nobody", "password": "simulated"},
        {"grant_type": "refresh_token", "refresh_token": "unknown"},
        {"grant_type": "client_credentials"},
        {},
    ],
)
async def test_bad_credentials_are_an_invalid_grant(rest, form):
    answer = await rest.post("/oauth/token", data=form)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
    assert answer.json()["error_description"]


async def test_a_refresh_token_works_once(rest):
    form = {"grant_type": "password", **LOGIN, "scope": "openid offline_access"}
    first = (await rest.post("/oauth/token", data=form)).json()
    renew = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await rest.post("/oauth/token", data=renew)).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await rest.post("/oauth/token", data=renew)).status_code == 400
    rest.headers["Authorization"] = f"bearer {second['access_token']}"
    assert (await rest.get("/api/chargers")).status_code == 200


async def test_a_refresh_token_used_again_makes_its_whole_family_bad(simulator, rest):
    async def renew(token: str) -> httpx.Response:
        return await rest.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token})

    form = {"grant_type": "password", **LOGIN, "scope": "offline_access"}
    first, other = [(await rest.post("/oauth/token", data=form)).json()["refresh_token"] for _ in "12"]
    second = (await renew(first)).json()["refresh_token"]
    again = await renew(first)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert "re-use was detected" in again.json()["error_description"]
    assert (await renew(second)).status_code == 400
    assert (await renew(other)).status_code == 200
    told = [(request.grant_type, request.status) for request in (await simulator.token_requests())[-4:]]
    assert told == [("refresh_token", status) for status in (200, 400, 400, 200)]


async def test_a_refresh_token_lives_in_simulated_time(simulator, rest):
    await simulator.change_settings(oauth_refresh_life_s=3600)
    form = {"grant_type": "password", **LOGIN, "scope": "offline_access"}
    token = (await rest.post("/oauth/token", data=form)).json()["refresh_token"]
    await simulator.advance(3600)
    answer = await rest.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    asked = (await simulator.token_requests())[-1]
    assert (asked.at, asked.grant_type) == (datetime(2026, 3, 2, 7, tzinfo=UTC), "refresh_token")


async def test_constants_need_no_login(simulator):
    async with httpx.AsyncClient(base_url=simulator.url) as stranger:
        found = (await stranger.get("/api/constants")).json()
    assert found["Observations"]["ChargerOperationMode"] == 710


async def test_states_may_lag_behind(simulator, site, rest):
    charger = site.chargers[0].id
    await simulator.change_settings(state_cache_s=15)

    async def mode() -> str:
        states = (await rest.get(f"/api/chargers/{charger}/state")).json()
        return next(state["ValueAsString"] for state in states if state["StateId"] == 710)

    assert await mode() == "1"
    await simulator.plug(charger)
    await simulator.advance(14)
    assert await mode() == "1"
    await simulator.advance(1)
    assert await mode() == "2"


async def test_a_state_may_be_there_twice(simulator, site, rest):
    charger = site.chargers[0].id
    await simulator.advance(60)
    await simulator.plug(charger)
    await simulator.set_faults({"state-duplicated": Fault(next=1, chargers=[charger])})
    states = [state for state in (await rest.get(f"/api/chargers/{charger}/state")).json() if state["StateId"] == 710]
    assert [(state["Timestamp"][11:16], state["ValueAsString"]) for state in states] == [("06:01", "2"), ("06:00", "1")]


async def test_a_charger_whose_clock_is_wrong_says_so_in_its_states(simulator, site, rest):
    charger = site.chargers[0].id
    await simulator.set_clock_ahead(charger, 86400)
    states = (await rest.get(f"/api/chargers/{charger}/state")).json()
    by_id = {state["StateId"]: state["Timestamp"] for state in states}
    assert (by_id[710], by_id[-2]) == ("2026-03-03T06:00:00", "2026-03-02T06:00:00")


async def test_a_token_is_needed_and_expires_in_simulated_time(simulator, rest):
    assert (await rest.get("/api/chargers")).status_code == 200
    await simulator.advance(86399)
    assert (await rest.get("/api/chargers")).status_code == 401
    async with httpx.AsyncClient(base_url=simulator.url) as stranger:
        assert (await stranger.get("/api/chargers")).status_code == 401
        basic = httpx.BasicAuth("owner@example.test", "simulated")
        assert (await stranger.get("/api/chargers", auth=basic)).status_code == 401


async def test_revoked_tokens_are_bad_at_once(simulator, rest):
    await simulator.revoke_tokens()
    assert (await rest.get("/api/chargers")).status_code == 401


async def test_ten_requests_a_second_with_a_burst_of_fifteen(simulator, rest):
    async def burst(count: int) -> list[int]:
        return [(await rest.get("/api/installation")).status_code for _ in range(count)]

    assert await burst(15) == [200] * 15
    refused = await rest.get("/api/installation")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert await burst(11) == [200] * 10 + [429]
    await simulator.advance(10)
    assert await burst(16) == [200] * 15 + [429]


async def test_lists_are_paged_fifty_at_a_time_and_a_hundred_at_most(simulator, rest):
    site = await simulator.add_installation("Large", chargers=120)
    await simulator.add_installation("Small", chargers=1)

    async def page(**query: int | str) -> tuple[int, list[str]]:
        body = (await rest.get("/api/chargers", params=query)).json()
        assert body["Message"] is None
        return body["Pages"], [item["Id"] for item in body["Data"]]

    ids = [charger.id for charger in site.chargers]
    assert await page(InstallationId=site.id) == (3, ids[:50])
    assert await page(InstallationId=site.id, PageIndex=2) == (3, ids[100:])
    assert await page(installationId=site.id, pageSize=5000, pageIndex=1) == (2, ids[100:])
    assert await page(InstallationId=site.id, PageIndex=9) == (3, [])
    assert (await page())[0] == 3


async def test_a_charger_looks_like_the_real_ones(simulator, rest):
    site = await simulator.add_installation("Harbour")
    (item,) = (await rest.get("/api/chargers")).json()["Data"]
    assert (item["DeviceId"], item["SerialNo"], item["Name"]) == ("ZAP000001", "Harbour 1", "Harbour 1")
    assert (item["DeviceType"], item["OperatingMode"], item["IsOnline"]) == (4, 1, True)
    assert item["CreatedOnDate"] == "2026-03-02T06:00:00"
    assert (await rest.get(f"/api/chargers/{site.chargers[0].id.upper()}")).json() == item
    found = (await rest.get(f"/api/chargers/{item['Id']}/state")).json()
    assert isinstance(found, list)
    assert {"ChargerId": item["Id"], "StateId": 710, "Timestamp": "2026-03-02T06:00:00", "ValueAsString": "1"} in found


async def test_installations_and_their_hierarchy(simulator, rest):
    site = await simulator.add_installation("Harbour", chargers=2)
    await simulator.configure(site.id, webhooksAuthPayload="username=a&password=b")
    one = (await rest.get(f"/api/installation/{site.id}")).json()
    assert (one["Id"], one["Name"], one["WebhooksAuthPayload"]) == (site.id, "Harbour", "username=a&password=b")
    listed = {"Pages": 1, "Data": [one], "Message": None, "TotalCount": 1}
    assert (await rest.get("/api/installation")).json() == listed
    tree = (await rest.get(f"/api/installation/{site.id}/hierarchy")).json()
    assert tree["NetworkType"] == 4
    (circuit,) = tree["Circuits"]
    assert [charger["Id"] for charger in circuit["Chargers"]] == [charger.id for charger in site.chargers]


async def test_what_is_not_there(rest):
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await rest.get(f"/api/session/{unknown}")).status_code == 404
    charger = await rest.get(f"/api/chargers/{unknown}/state")
    assert (charger.status_code, charger.json()["errorCode"]) == (404, 512)
    assert (await rest.get(f"/api/chargers/{unknown}")).status_code == 404
    assert (await rest.get(f"/api/installation/{unknown}/hierarchy")).status_code == 204
    installation = await rest.get(f"/api/installation/{unknown}")
    assert installation.status_code == 500
    assert installation.json() == {"Code": 540, "Details": "Unknown installation", "StackTrace": None}
    assert (await rest.get("/api/chargehistory", params={"From": "yesterday"})).json()["Code"] == 529
    assert (await rest.get("/api/chargers", params={"PageSize": "all"})).json()["Code"] == 529


async def test_a_session_while_it_runs_and_after(simulator, site, app, rest):
    app.on_start = app.admit
    charger = site.chargers[0].id
    await simulator.plug(charger)
    await simulator.advance(1800.25)
    (session,) = await simulator.sessions()
    running = (await rest.get(f"/api/session/{session.id}")).json()
    assert running == {
        "SessionId": session.id,
        "SessionStart": "2026-03-02T06:00:00",
        "SessionEnd": None,
        "Energy": 5.501,
        "SignedSession": None,
    }
    await simulator.unplug(charger)
    ended = (await rest.get(f"/api/session/{session.id.upper()}")).json()
    assert ended["SessionEnd"] == "2026-03-02T06:30:00.25"
    assert ended["SignedSession"].startswith("OCMF|")
    assert app.ends[0]["SessionEnd"] == "2026-03-02T06:30:00.250000Z"


async def test_the_charge_history_is_filtered_sorted_and_paged(simulator, site, app, rest):
    visits = [Visit(site.chargers[n % 2].id, after_s=n * 7200, plugs=[Plug("04A3")]) for n in range(4)]
    await simulator.schedule(*visits)
    await simulator.run_until_idle()
    await simulator.plug(site.chargers[2].id)

    async def starts(**query: str | int) -> list[str]:
        body = (await rest.get("/api/chargehistory", params=query)).json()
        return [item["StartDateTime"][11:16] for item in body["Data"]]

    by_start = {"SortProperty": "StartDateTime"}
    assert sorted(await starts()) == ["06:00", "08:00", "10:00", "12:00"]
    assert await starts(**by_start, SortDescending="true") == ["12:00", "10:00", "08:00", "06:00"]
    assert await starts(**by_start, ChargerId=site.chargers[1].id) == ["08:00", "12:00"]
    assert await starts(**by_start, InstallationId=site.id, PageSize=3, PageIndex=1) == ["12:00"]
    assert await starts(**by_start, From="2026-03-02T08:00:00Z", To="2026-03-02T12:00:00") == ["08:00", "10:00"]
    item = (await rest.get("/api/chargehistory", params=by_start)).json()["Data"][0]
    assert (item["DeviceId"], item["TokenName"], item["Energy"]) == ("ZAP000001", "nfc-04A3", 11)
    assert (item["CommitMetadata"], item["ExternallyEnded"]) == (5, True)
    assert "UserFullName" not in item


async def test_rest_faults(simulator, rest):
    await simulator.set_faults({"rest-429": Fault(next=1)})
    assert (await rest.get("/api/chargers")).status_code == 429
    await simulator.set_faults({"rest-5xx": Fault(next=1, status=524)})
    assert (await rest.get("/api/chargers")).status_code == 524
    await simulator.set_faults({"rest-slow": Fault(next=1, seconds=0.05)})
    assert (await rest.get("/api/chargers")).elapsed.total_seconds() > 0.04
    assert (await rest.get("/api/chargers")).status_code == 200
    await simulator.set_faults({"oauth-refused": Fault(next=1), "oauth-unavailable": Fault(next=1)})
    statuses = [(await rest.post("/oauth/token", data={"grant_type": "password", **LOGIN})).status_code for _ in "123"]
    assert statuses == [503, 400, 200]
    recorded = [(request.path, request.status) for request in await simulator.requests()]
    assert recorded[1:3] == [("/api/chargers", 429), ("/api/chargers", 524)]
