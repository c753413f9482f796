"""Once an hour the log says how the chargers of each installation are, and which are at fault."""

import json
import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest

from functions.services import Services
from shared.observations.faults import FaultWatch
from shared.observations.folding import fold
from shared.observations.observation import Observation
from shared.storage.chargers import Charger
from tests.conftest import HandClock

PRO, GO = 1, 4
ONLINE, WARNINGS, MODE = -2, 804, 710


class Garage:
    """Chargers of one installation, and what they last observed."""

    def __init__(self, services: Services, clock: HandClock) -> None:
        self.services = services
        self.clock = clock
        self.id = str(uuid.uuid4())

    async def charger(self, device_type: int, observed: dict[int, str]) -> str:
        charger_id = str(uuid.uuid4())
        await self.services.directory.register([Charger(id=charger_id, installation_id=self.id)])
        now = self.clock.now()
        observations = [
            Observation(charger_id, state, now, value, "ZAP000123", device_type) for state, value in observed.items()
        ]
        await self.services.streams.intake.keep(fold(observations))
        return charger_id


@pytest.fixture
def garage(services: Services, clock: HandClock) -> Garage:
    return Garage(services, clock)


async def told(services: Services, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="zapbridge"):
        await FaultWatch(services.streams.chargers, services.streams.reader).run()
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "zapbridge"]


async def test_a_charger_that_warns_is_named_with_its_warnings_in_words_and_since_when(
    garage: Garage, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.charger(PRO, {ONLINE: "1", WARNINGS: "0", MODE: "1"})
    charger = await garage.charger(PRO, {ONLINE: "1", WARNINGS: "129", MODE: "2"})
    clock.advance(3600)
    fault, summary = await told(garage.services, caplog)
    assert fault == {
        "event": "charger.fault",
        "installationId": garage.id,
        "chargerId": charger,
        "fault": "warnings",
        "detail": "humidity, relay welded",
        "since": (clock.now() - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
    }
    assert (summary["chargers"], summary["faulty"]) == (2, 1)


async def test_the_same_bit_is_said_in_the_words_of_the_chargers_own_kind(
    garage: Garage, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.charger(GO, {WARNINGS: "128"})
    fault, _ = await told(garage.services, caplog)
    assert fault["detail"] == "12 V supply low"


async def test_a_charger_that_is_offline_is_at_fault(garage: Garage, caplog: pytest.LogCaptureFixture) -> None:
    charger = await garage.charger(GO, {ONLINE: "0", WARNINGS: "", MODE: "1"})
    fault, summary = await told(garage.services, caplog)
    assert (fault["chargerId"], fault["fault"], "detail" in fault) == (charger, "offline", False)
    assert (summary["online"], summary["faulty"]) == (0, 1)


async def test_a_charger_at_fault_in_two_ways_is_one_charger(garage: Garage, caplog: pytest.LogCaptureFixture) -> None:
    await garage.charger(PRO, {ONLINE: "0", WARNINGS: "1"})
    first, second, summary = await told(garage.services, caplog)
    assert {first["fault"], second["fault"]} == {"offline", "warnings"}
    assert summary["faulty"] == 1


async def test_the_figures_of_an_installation(
    garage: Garage, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    await garage.charger(PRO, {MODE: "1"})
    clock.advance(3600)
    await garage.charger(PRO, {ONLINE: "1", MODE: "3"})
    await garage.charger(PRO, {ONLINE: "1", MODE: "3"})
    await garage.charger(PRO, {ONLINE: "1", MODE: "2"})
    await garage.charger(PRO, {MODE: "1"})
    await garage.charger(PRO, {})
    assert await told(garage.services, caplog) == [
        {
            "event": "chargers.summary",
            "installationId": garage.id,
            "chargers": 6,
            "unheard": 1,
            "online": 3,
            "requesting": 1,
            "charging": 2,
            "faulty": 0,
            "newest": clock.now().isoformat().replace("+00:00", "Z"),
        }
    ]


async def test_a_site_that_lost_its_network_does_not_flood_the_log(
    garage: Garage, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(101):
        await garage.charger(PRO, {ONLINE: "0"})
    events = await told(garage.services, caplog)
    assert [event["event"] for event in events] == ["charger.fault"] * 100 + ["chargers.summary"]
    assert (events[-1]["chargers"], events[-1]["faulty"]) == (101, 101)


async def test_each_installation_has_its_own_figures(
    garage: Garage, services: Services, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = Garage(services, clock)
    await garage.charger(PRO, {ONLINE: "1"})
    await other.charger(PRO, {ONLINE: "0"})
    events = await told(services, caplog)
    figures = {event["installationId"]: event["faulty"] for event in events if event["event"] == "chargers.summary"}
    assert figures == {garage.id: 0, other.id: 1}
