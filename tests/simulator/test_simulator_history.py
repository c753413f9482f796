"""Charge history lists finished sessions in the form, and with the gaps, of ZapCloud's."""

import pytest

from simulator.faults import Fault
from simulator.visits import Plug, Visit

BY_START = {"SortProperty": "StartDateTime"}


async def history(rest, **query: str | int) -> list[dict]:
    return (await rest.get("/api/chargehistory", params={**BY_START, **query})).json()["Data"]


async def charge(simulator, charger: str, seconds: float = 3600, power_kw: float = 11.0) -> str:
    await simulator.plug(charger, power_kw=power_kw)
    await simulator.advance(seconds)
    return await simulator.unplug(charger)


@pytest.fixture
async def garage(simulator):
    """Two chargers that let everybody in."""
    return await simulator.add_installation("Garage", chargers=2)


async def test_energy_details_are_what_was_charged_since_the_instant_before(simulator, garage, rest):
    await simulator.advance(600)
    charger = garage.chargers[0].id
    await simulator.plug(charger, power_kw=12)
    await simulator.advance(1200)
    await simulator.finish(charger)
    await simulator.advance(900.5)
    await simulator.unplug(charger)
    (item,) = await history(rest, DetailLevel=1)
    assert item["EnergyDetails"] == [
        {"Timestamp": "2026-03-02T06:10:00.000+00:00", "Energy": 0.0},
        {"Timestamp": "2026-03-02T06:15:00.000+00:00", "Energy": 1.0},
        {"Timestamp": "2026-03-02T06:30:00.000+00:00", "Energy": 3.0},
        {"Timestamp": "2026-03-02T06:45:00.000+00:00", "Energy": 0.0},
        {"Timestamp": "2026-03-02T06:45:00.500+00:00", "Energy": 0.0},
    ]
    assert item["Energy"] == 4
    assert "EnergyDetails" not in (await history(rest))[0]


async def test_energy_details_sum_to_the_session_s_energy(simulator, garage, rest):
    await simulator.advance(401.3)
    await charge(simulator, garage.chargers[0].id, seconds=12_345.678, power_kw=7.3)
    (item,) = await history(rest, DetailLevel=1)
    assert sum(detail["Energy"] for detail in item["EnergyDetails"]) == pytest.approx(item["Energy"], abs=1e-9)
    assert len(item["EnergyDetails"]) == 16


async def test_the_envelope_says_how_many_there_are(simulator, garage, rest):
    for _ in range(3):
        await charge(simulator, garage.chargers[0].id)
    body = (await rest.get("/api/chargehistory", params={"PageSize": 2, "PageIndex": 1})).json()
    assert (body["Pages"], body["TotalCount"], body["Message"], len(body["Data"])) == (2, 3, None, 1)


async def test_it_is_sorted_by_what_is_asked_for(simulator, garage, rest):
    long, short = garage.chargers[0].id, garage.chargers[1].id
    await simulator.schedule(Visit(long, plugs=[Plug(charge_s=7200, power_kw=2)]))
    await simulator.schedule(Visit(short, after_s=60, plugs=[Plug(charge_s=600, power_kw=3)]))
    await simulator.run_until_idle()

    async def order(by: str, descending: str = "false") -> list[str]:
        query = {"SortProperty": by, "SortDescending": descending}
        return [item["ChargerId"] for item in await history(rest, **query)]

    assert await order("StartDateTime") == [long, short]
    assert await order("EndDateTime") == await order("commitEndDateTime") == [short, long]
    assert await order("Energy") == [short, long]
    assert await order("DeviceName", descending="True") == [short, long]


async def test_an_account_sees_the_sessions_of_its_installations_only(simulator, garage, rest):
    await charge(simulator, garage.chargers[0].id)
    await simulator.configure(garage.id, currentUserRoles=0)
    assert await history(rest) == []


async def test_a_session_may_come_into_the_list_late(simulator, garage, rest):
    await simulator.set_faults({"history-late": Fault(next=1, seconds=300, chargers=[garage.chargers[0].id])})
    await charge(simulator, garage.chargers[0].id)
    await simulator.advance(299)
    assert await history(rest) == []
    await simulator.advance(1)
    (item,) = await history(rest)
    assert item["EndDateTime"] == "2026-03-02T07:00:00"


async def test_the_list_may_change_between_two_pages(simulator, garage, rest):
    ids = [await charge(simulator, garage.chargers[0].id, seconds=60) for _ in range(5)]
    await simulator.set_faults({"history-shifts": Fault(next=1)})
    pages = [[item["Id"] for item in await history(rest, PageSize=2, PageIndex=page)] for page in range(3)]
    assert pages == [ids[1:3], ids[2:4], ids[4:]]
    assert [item["Id"] for item in await history(rest)] == ids


@pytest.mark.parametrize(("kind", "bits"), [(2, 1 | 4), (3, 1 | 4 | 128)])
async def test_sessions_of_ocpp_carry_its_transaction(simulator, garage, rest, kind, bits):
    await simulator.configure(garage.id, authenticationType=kind)
    await charge(simulator, garage.chargers[0].id)
    (item,) = await history(rest)
    assert item["CommitMetadata"] == bits
    assert item["ExternalId"].isdecimal()


@pytest.mark.parametrize("path", ["/api/chargehistory", "/api/sessions/archived"])
async def test_the_lists_have_the_faults_of_the_rest_of_the_api(simulator, garage, rest, path):
    span = {"From": "2026-03-01T00:00:00Z", "To": "2026-04-01T00:00:00Z", "InstallationId": garage.id}
    await simulator.set_faults({"rest-429": Fault(next=1)})
    assert (await rest.get(path, params=span)).status_code == 429
    await simulator.set_faults({"rest-5xx": Fault(next=1, status=503)})
    assert (await rest.get(path, params=span)).status_code == 503
    assert (await rest.get(path, params=span)).status_code == 200


class Archive:
    """Reads the archive of an installation."""

    def __init__(self, rest, installation: str) -> None:
        self._rest = rest
        self._span = {"InstallationId": installation, "From": "2026-03-02T00:00:00Z", "To": "2026-03-20T00:00:00Z"}

    async def page(self, **query: str | int) -> dict:
        answer = await self._rest.get("/api/sessions/archived", params={**self._span, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ids(self, **query: str | int) -> list[str]:
        return [one["id"] for one in (await self.page(**query))["sessions"]]


async def test_the_archive_says_all_there_is_of_a_session(simulator, garage, rest):
    session_id = await charge(simulator, garage.chargers[0].id, seconds=1200.25, power_kw=12)
    body = await Archive(rest, garage.id).page()
    assert (body["cursor"], body["hasMore"]) == (None, False)
    (item,) = body["sessions"]
    assert item.pop("sessionSignature").startswith("OCMF|")
    assert item == {
        "id": session_id,
        "externalId": None,
        "chargerId": garage.chargers[0].id,
        "deviceId": "ZAP000001",
        "deviceName": "Garage 1",
        "chargerFirmwareVersion": "2.4.2.4",
        "startDateTime": "2026-03-02T06:00:00Z",
        "endDateTime": "2026-03-02T06:20:00.25Z",
        "recognizedDateTime": "2026-03-02T06:20:00.25Z",
        "energy": 4.001,
        "tokenName": None,
        "offline": False,
        "reliableClock": True,
        "stoppedByRfid": False,
        "signed": False,
        "voided": False,
        "aborted": False,
        "ocppNative": False,
        "externallyAbandoned": False,
        "replacedBySessionId": None,
        "sessionSignatureEichreicht": None,
        "authorizedUser": None,
        "energyDetails": [
            {"timestamp": "2026-03-02T06:00:00Z", "energy": 0.0},
            {"timestamp": "2026-03-02T06:15:00Z", "energy": 3.0},
            {"timestamp": "2026-03-02T06:20:00.25Z", "energy": 1.001},
        ],
    }


async def test_the_archive_is_filtered_by_the_end(simulator, garage, rest):
    one, two = [await charge(simulator, charger.id) for charger in garage.chargers]
    archive = Archive(rest, garage.id)
    assert await archive.ids(From="2026-03-02T06:30:00Z") == [one, two]
    assert await archive.ids(From="2026-03-02T07:00:00Z", To="2026-03-02T08:00:00Z") == [one]
    assert await archive.ids(From="2026-03-02T07:00:01Z") == [two]
    by_charger = {"ChargerId": garage.chargers[1].id, "From": "2026-03-02T00:00:00Z", "To": "2026-03-03T00:00:00Z"}
    found = (await rest.get("/api/sessions/archived", params=by_charger)).json()["sessions"]
    assert [item["id"] for item in found] == [two]


async def test_the_archive_s_pages_hold_each_session_once_though_others_come_between(simulator, garage, rest):
    online, offline = (charger.id for charger in garage.chargers)
    archive = Archive(rest, garage.id)
    await simulator.go_offline(offline)
    late = await charge(simulator, offline)
    ids = [await charge(simulator, online) for _ in range(5)]
    first = await archive.page(PageSize=2)
    await simulator.go_online(offline)
    second = await archive.page(PageSize=2, Cursor=first["cursor"])
    ids.append(await charge(simulator, online))
    third = await archive.page(PageSize=50, Cursor=second["cursor"])
    found = [item["id"] for body in (first, second, third) for item in body["sessions"]]
    assert found == [*ids[:5], late, ids[5]]
    assert [body["hasMore"] for body in (first, second, third)] == [True, True, False]
    assert third["cursor"] is None


async def test_the_archive_s_pages_are_of_two_hundred_at_most(simulator, garage, rest):
    for _ in range(51):
        await charge(simulator, garage.chargers[0].id, seconds=60)
    archive = Archive(rest, garage.id)
    assert len(await archive.ids()) == 50
    assert len(await archive.ids(PageSize=201)) == 51


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"From": ""}, 500, 503),
        ({"To": ""}, 500, 503),
        ({"InstallationId": ""}, 500, 503),
        ({"ChargerId": "20000000-0000-4000-8000-000000000000"}, 500, 503),
        ({"InstallationId": "20000000-0000-4000-8000-000000000000"}, 500, 540),
        ({"InstallationId": "", "ChargerId": "20000000-0000-4000-8000-000000000000"}, 404, 512),
        ({"To": "soon"}, 500, 529),
        ({"Cursor": "made-up"}, 500, 529),
    ],
)
async def test_the_archive_refuses_what_it_cannot_answer(garage, rest, changes, status, code):
    query = {"InstallationId": garage.id, "From": "2026-03-01T00:00:00Z", "To": "2026-04-01T00:00:00Z", **changes}
    answer = await rest.get("/api/sessions/archived", params={name: value for name, value in query.items() if value})
    body = answer.json()
    assert (answer.status_code, body.get("Code", body.get("errorCode"))) == (status, code)


async def test_an_installation_that_is_hidden_has_no_archive(simulator, garage, rest):
    await charge(simulator, garage.chargers[0].id)
    await simulator.configure(garage.id, currentUserRoles=0)
    assert await Archive(rest, garage.id).ids() == []
