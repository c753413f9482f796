"""Over HTTP: which chargers there are, what they observe now, and what they metered, from the messages that came."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from devhost.stack import Stack
from functions.services import Services
from simulator.shapes import ChargerView, InstallationView
from tests.api.inside import DEVICE_TYPE, STREAM, add_site, message, services_of

ONLINE, CURRENT_1, POWER, ENERGY, MODE, SESSION, CARD, COMPLETED, SIGNAL = -2, 507, 513, 553, 710, 721, 722, 723, 809
UNHEARD_OF = 987654
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


async def bring(inside: Services, at: datetime, *messages: bytes) -> None:
    """As if the trigger had been handed them, all enqueued at one instant."""
    await inside.streams.intake.take(STREAM, [(body, at) for body in messages])


async def state_of(management: httpx.AsyncClient, charger: str) -> dict[str, Any]:
    answer = await management.get(f"/chargers/{charger}/state")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


async def test_the_state_gives_each_observation_its_name_unit_and_meaning(
    management: httpx.AsyncClient, inside: Services, site: InstallationView, charger: ChargerView, now: datetime
) -> None:
    long_value = "x" * 5000
    then = now - timedelta(minutes=2)
    await bring(
        inside,
        now,
        message(charger.id, UNHEARD_OF, "7", then),
        message(charger.id, MODE, "3", now),
        message(charger.id, MODE, "2", then),
        message(charger.id, POWER, "7400.000", then),
        message(charger.id, SIGNAL, "-72", then),
        message(charger.id, COMPLETED, long_value, then),
        message(charger.id, CURRENT_1, None, then),
    )
    state = await state_of(management, charger.id)

    def seen(state_id: int, name: str, value: str | None, unit: str | None, meaning: str | None) -> dict[str, Any]:
        at = now if state_id == MODE else then
        return {
            "id": state_id,
            "name": name,
            "value": value,
            "unit": unit,
            "meaning": meaning,
            "timestamp": text(at),
        }

    assert state == {
        "chargerId": charger.id,
        "installationId": site.id,
        "deviceId": charger.device_id,
        "deviceType": DEVICE_TYPE,
        "newest": text(now),
        "observations": [
            seen(CURRENT_1, "CurrentPhase1", None, "A", None),
            seen(POWER, "TotalChargePower", "7400.000", "W", None),
            seen(MODE, "ChargerOperationMode", "3", None, "vehicle connected; charging"),
            seen(COMPLETED, "CompletedSession", long_value, None, None),
            seen(SIGNAL, "CommunicationSignalStrength", "-72", None, "weak; packets may be lost"),
            seen(UNHEARD_OF, f"Observation {UNHEARD_OF}", "7", None, None),
        ],
    }


async def test_a_charger_whose_clock_is_ahead_shows_both_instants(
    management: httpx.AsyncClient, inside: Services, charger: ChargerView, now: datetime
) -> None:
    ahead = now + timedelta(days=400)
    await bring(inside, now, message(charger.id, SIGNAL, "-72", ahead))
    (observation,) = (await state_of(management, charger.id))["observations"]
    assert (observation["timestamp"], observation["chargerTimestamp"]) == (text(now), text(ahead))


async def test_the_serial_names_a_charger_as_well_as_its_id(
    management: httpx.AsyncClient, inside: Services, charger: ChargerView, now: datetime
) -> None:
    await bring(inside, now, message(charger.id, POWER, "1380", now - timedelta(minutes=1)))
    by_id = await state_of(management, charger.id)
    for name in (charger.id.upper(), charger.device_id, charger.device_id.lower()):
        assert await state_of(management, name) == by_id
        assert (await management.get(f"/chargers/{name}/history")).json()["items"][0]["powerW"] == 1380


async def test_a_charger_that_sent_nothing_yet_is_known_and_empty(
    management: httpx.AsyncClient, site: InstallationView, charger: ChargerView
) -> None:
    assert await state_of(management, charger.id) == {
        "chargerId": charger.id,
        "installationId": site.id,
        "deviceId": charger.device_id,
        "deviceType": None,
        "newest": None,
        "observations": [],
    }
    history = await management.get(f"/chargers/{charger.id}/history")
    assert (history.status_code, history.json()) == (200, {"items": [], "cursor": None})


async def test_a_charger_of_no_installation_is_seen_under_its_id_and_stays_so_once_it_is_known(
    management: httpx.AsyncClient, inside: Services, now: datetime
) -> None:
    charger, place = str(uuid.uuid4()), str(uuid.uuid4())
    await bring(inside, now, message(charger, MODE, "5", now))
    before = await state_of(management, charger)
    assert (before["installationId"], before["deviceId"], before["deviceType"]) == (None, "ZAP999999", DEVICE_TYPE)
    assert [one["meaning"] for one in before["observations"]] == ["vehicle connected; finished"]
    assert (await management.get(f"/chargers/{charger}/history")).status_code == 404

    made_known = {"mode": "enforce", "chargers": [{"id": charger, "deviceId": "ZAP999998"}]}
    (await management.put(f"/installations/{place}", json=made_known)).raise_for_status()
    assert await state_of(management, charger) == before | {"installationId": place, "deviceId": "ZAP999998"}


@pytest.mark.parametrize("path", ["state", "history"])
@pytest.mark.parametrize("name", [str(uuid.UUID(int=1)), "ZAP000000", "no-charger", "x", "é", "ß", "%2F", "%00", "%20"])
async def test_an_unknown_charger_is_not_found(management: httpx.AsyncClient, path: str, name: str) -> None:
    answer = await management.get(f"/chargers/{name}/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_list_shows_how_each_charger_is_doing(
    stack: Stack, management: httpx.AsyncClient, inside: Services, now: datetime
) -> None:
    site = await add_site(stack, "Two", 2)
    charging, silent = site.chargers
    await bring(
        inside,
        now,
        message(charging.id, MODE, "3", now - timedelta(seconds=2)),
        message(charging.id, ONLINE, "1", now - timedelta(seconds=1)),
    )
    answer = await management.get("/chargers", params={"installation": site.id.upper()})
    assert answer.json()["cursor"] is None
    by_id = {item["id"]: item for item in answer.json()["items"]}
    assert by_id == {
        charging.id: {
            "id": charging.id,
            "installationId": site.id,
            "deviceId": charging.device_id,
            "name": charging.name,
            "deviceType": DEVICE_TYPE,
            "operationMode": "3",
            "mode": "vehicle connected; charging",
            "online": True,
            "newest": text(now - timedelta(seconds=1)),
        },
        silent.id: {
            "id": silent.id,
            "installationId": site.id,
            "deviceId": silent.device_id,
            "name": silent.name,
            "deviceType": None,
            "operationMode": None,
            "mode": None,
            "online": None,
            "newest": None,
        },
    }


async def test_pages_of_chargers_put_together_are_the_list_of_an_installation_and_of_all(
    stack: Stack, management: httpx.AsyncClient
) -> None:
    sites = [await add_site(stack, f"Pages {number}", 5) for number in range(2)]

    async def paged(limit: int, **parameters: str) -> list[str]:
        ids: list[str] = []
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            answer = await management.get("/chargers", params={"limit": limit, **parameters, **cursor})
            items = answer.json()["items"]
            assert len(items) <= limit
            assert items or not ids, "the cursor promised more"
            ids += [item["id"] for item in items]
            cursor = {"cursor": answer.json()["cursor"]} if answer.json()["cursor"] else None
        return ids

    for site in sites:
        own = sorted(charger.id for charger in site.chargers)
        for limit in (1, 2, 5, 6, 1000):
            assert await paged(limit, installation=site.id) == own
    everything = await paged(1000)
    assert await paged(7) == everything
    assert everything == sorted(set(everything))
    assert {charger.id for site in sites for charger in site.chargers} <= set(everything)
    assert await paged(10, installation=str(uuid.UUID(int=1))) == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("installation", "x"), ("cursor", "x"), ("cursor", "é"), ("limit", "0"), ("limit", "1001"), ("limit", "ten")],
)
async def test_a_wrong_parameter_of_the_list_is_named(
    management: httpx.AsyncClient, parameter: str, value: str
) -> None:
    answer = await management.get("/chargers", params={parameter: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [parameter])


METERED = [
    (-595, POWER, "7000"),
    (-580, CURRENT_1, "31.5"),
    (-545, POWER, "7200"),
    (-540, ENERGY, "1.0"),
    (-510, POWER, "3600"),
    (-30, ENERGY, "2.5"),
    (10, POWER, "1800"),
    (15, ENERGY, "2.6"),
    (420, POWER, "0"),
    (430, ENERGY, "2.75"),
]
"""From ten minutes before midnight on: seconds after it, state, value."""
NOTHING = {"powerW": None, "energyKwh": None, "currentPhase1A": None, "currentPhase2A": None, "currentPhase3A": None}


@pytest.fixture(scope="module")
async def metered(stack: Stack, unused: Iterator[ChargerView]) -> str:
    """A charger that metered something on both sides of midnight; said late, backwards, and part of it twice."""
    charger = next(unused).id
    bodies = [message(charger, state, value, MIDNIGHT + timedelta(seconds=s)) for s, state, value in METERED]
    async with services_of(stack) as inside:
        await bring(inside, MIDNIGHT + timedelta(minutes=10), *reversed(bodies), *bodies[::2])
    return charger


async def history_of(management: httpx.AsyncClient, charger: str, **parameters: str) -> dict[str, dict[str, Any]]:
    answer = await management.get(f"/chargers/{charger}/history", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["cursor"] is None
    return {item.pop("at"): item for item in answer.json()["items"]}


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (
            "1m",
            {
                "2026-02-28T23:50:00Z": {"powerW": 7200, "currentPhase1A": 31.5},
                "2026-02-28T23:51:00Z": {"powerW": 3600, "energyKwh": 1.0},
                "2026-02-28T23:59:00Z": {"energyKwh": 2.5},
                "2026-03-01T00:00:00Z": {"powerW": 1800, "energyKwh": 2.6},
                "2026-03-01T00:07:00Z": {"powerW": 0, "energyKwh": 2.75},
            },
        ),
        (
            "5m",
            {
                "2026-02-28T23:50:00Z": {"powerW": 5400, "energyKwh": 1.0, "currentPhase1A": 31.5},
                "2026-02-28T23:55:00Z": {"energyKwh": 2.5},
                "2026-03-01T00:00:00Z": {"powerW": 1800, "energyKwh": 2.6},
                "2026-03-01T00:05:00Z": {"powerW": 0, "energyKwh": 2.75},
            },
        ),
        *(
            (
                resolution,
                {
                    before: {"powerW": 5400, "energyKwh": 2.5, "currentPhase1A": 31.5},
                    "2026-03-01T00:00:00Z": {"powerW": 900, "energyKwh": 2.75},
                },
            )
            for resolution, before in {
                "15m": "2026-02-28T23:45:00Z",
                "1h": "2026-02-28T23:00:00Z",
                "1d": "2026-02-28T00:00:00Z",
            }.items()
        ),
    ],
)
async def test_history_has_the_mean_power_and_currents_and_the_last_energy_of_each_interval(
    management: httpx.AsyncClient, metered: str, resolution: str, expected: dict[str, dict[str, float]]
) -> None:
    span = {"from": "2026-02-28T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
    found = await history_of(management, metered, **span, resolution=resolution)
    assert found == {at: NOTHING | values for at, values in expected.items()}
    assert list(found) == sorted(found)


async def test_history_begins_with_from_and_ends_before_to_in_any_time_zone(
    management: httpx.AsyncClient, metered: str
) -> None:
    minutes = ["2026-02-28T23:51:00Z", "2026-02-28T23:59:00Z", "2026-03-01T00:00:00Z"]
    span = {"from": "2026-02-28T23:51:00Z", "to": "2026-03-01T00:07:00Z"}
    assert list(await history_of(management, metered, **span)) == minutes
    span = {"from": "2026-03-01T00:51:00+01:00", "to": "2026-02-28T18:37:00-05:30"}
    assert list(await history_of(management, metered, **span)) == minutes
    assert await history_of(management, metered, **{"from": span["to"], "to": span["to"]}) == {}
    until = await history_of(management, metered, to="2026-03-01T23:51:00Z")
    assert next(iter(until)) == minutes[0], "a day before `to`, if nothing is said"


async def test_history_is_of_the_last_day_by_the_minute_if_nothing_is_said(
    management: httpx.AsyncClient, inside: Services, charger: ChargerView, now: datetime
) -> None:
    hour = timedelta(hours=1)
    await bring(
        inside, now, message(charger.id, POWER, "1", now - hour), message(charger.id, POWER, "2", now - 25 * hour)
    )
    assert [item["powerW"] for item in (await history_of(management, charger.id)).values()] == [1]


@pytest.mark.parametrize(
    ("resolution", "days", "fits"),
    [
        ("1m", 7, True),
        ("1m", 7.001, False),
        ("5m", 35, True),
        ("5m", 35.01, False),
        ("15m", 92, True),
        ("1h", 92, True),
        ("1h", 92.01, False),
        ("1d", 92, True),
        ("1d", 92.01, False),
    ],
)
async def test_history_is_limited_in_intervals_and_in_days(
    management: httpx.AsyncClient, metered: str, resolution: str, days: float, fits: bool
) -> None:
    span = {"from": text(MIDNIGHT - timedelta(minutes=15)), "to": text(MIDNIGHT + timedelta(days=days, minutes=-15))}
    answer = await management.get(f"/chargers/{metered}/history", params={**span, "resolution": resolution})
    if fits:
        assert answer.json()["items"]
    else:
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["from"])


@pytest.mark.parametrize(
    ("named", "parameters"),
    [
        ("from", {"from": "2026-03-02T00:00:01Z", "to": "2026-03-02T00:00:00Z"}),
        ("from", {"from": "yesterday"}),
        ("from", {"from": "1969-12-31T23:59:59Z"}),
        ("to", {"to": "2026-03-02T00:00:00"}),
        ("to", {"to": "9999-12-31T00:00:00Z"}),
        ("resolution", {"resolution": "2m"}),
        ("resolution", {"resolution": ""}),
    ],
)
async def test_a_wrong_parameter_of_history_is_named(
    management: httpx.AsyncClient, metered: str, named: str, parameters: dict[str, str]
) -> None:
    answer = await management.get(f"/chargers/{metered}/history", params=parameters)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [named])


async def test_a_session_shows_its_energy_so_far_and_what_the_charger_said_of_it(
    stack: Stack,
    management: httpx.AsyncClient,
    hooks: httpx.AsyncClient,
    inside: Services,
    site: InstallationView,
    charger: ChargerView,
    now: datetime,
    card: str,
) -> None:
    (await management.put("/tokens", json={"token": card, "driver": "Kari"})).raise_for_status()
    start = {"chargerId": charger.id, "installationId": site.id, "tokenCode": f"nfc-{card}"}
    session = (await hooks.post("/hooks/session-start", json=start)).json()["sessionId"]

    async def looked_at() -> tuple[str, float | None, str]:
        one = (await management.get(f"/sessions/{session}")).json()
        page = (await management.get("/sessions", params={"installation": site.id})).json()
        (listed,) = [item for item in page["items"] if item["sessionId"] == session]
        assert listed == {name: one[name] for name in listed}
        return one["status"], one["energyKwh"], one["source"]

    assert await looked_at() == ("authorized", None, "start-hook")
    await stack.simulator.advance(120)
    began, went_on = now + timedelta(seconds=4), now + timedelta(seconds=90)
    await bring(inside, began, message(charger.id, SESSION, session, began), message(charger.id, MODE, "3", began))
    assert await looked_at() == ("charging", None, "start-hook")
    await bring(inside, went_on, message(charger.id, ENERGY, "3.75", went_on))
    assert await looked_at() == ("charging", 3.75, "observation")

    over = now + timedelta(seconds=100)
    await bring(inside, over, message(charger.id, MODE, "1", over))
    assert (await looked_at())[0] == "disconnected"
    completed = {"SessionId": session, "Energy": 3.8, "StartDateTime": text(began), "EndDateTime": text(over)}
    await bring(inside, over, message(charger.id, COMPLETED, json.dumps(completed), over))
    assert await looked_at() == ("ended", 3.8, "completed-session")
    timeline = (await management.get(f"/sessions/{session}")).json()["timeline"]
    assert {(fact["source"], fact["event"]) for fact in timeline} == {
        ("start-hook", "authorized"),
        ("observation", "charging"),
        ("observation", "disconnected"),
        ("completed-session", "ended"),
    }


async def test_a_card_a_charger_read_is_told_in_its_state_and_nowhere_else(
    stack: Stack, management: httpx.AsyncClient, inside: Services, charger: ChargerView, now: datetime, card: str
) -> None:
    await bring(inside, now, message(charger.id, CARD, f"nfc-{card}", now), message(charger.id, POWER, "7400", now))
    (scanned,) = [one for one in (await state_of(management, charger.id))["observations"] if one["id"] == CARD]
    assert scanned["value"] == f"nfc-{card}"
    for path in ("/chargers?limit=1000", f"/chargers/{charger.id}/history", "/quarantine"):
        answer = await management.get(path)
        assert answer.status_code == 200
        assert card not in answer.text
    assert card not in stack.host.process.log.read_text()


async def test_what_came_before_a_charger_was_known_is_shown_once_it_is_known(
    management: httpx.AsyncClient, inside: Services, now: datetime
) -> None:
    charger, place, then = str(uuid.uuid4()), str(uuid.uuid4()), now - timedelta(minutes=1)
    await bring(inside, now, message(charger, MODE, "3", then), message(charger, POWER, "7400", then))
    (await management.put(f"/installations/{place}", json={"chargers": [{"id": charger}]})).raise_for_status()
    assert len((await state_of(management, charger))["observations"]) == 2
    (listed,) = (await management.get("/chargers", params={"installation": place})).json()["items"]
    assert listed["operationMode"] == "3"
    assert [one["powerW"] for one in (await history_of(management, charger)).values()] == [7400]
