"""Chargers report by themselves, and in bulk where somebody measures."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from simulator.app import Options, serve
from simulator.client import RefusedError, SimulatorClient
from tests.simulator.consumer import consuming


async def stream(simulator):
    return (await simulator.service_bus()).items[0]


async def site_of(simulator, chargers: int, device_type: int = 4):
    made = await simulator.add_installation("Harbour", chargers=chargers, device_type=device_type)
    return await simulator.configure(made.id, messagingEnabled=True)


async def test_a_charging_charger_reports_about_once_a_minute(simulator):
    site = await site_of(simulator, 1)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.plug(site.chargers[0].id, power_kw=11)
        await simulator.advance(3600)
        for state_id in (501, 502, 503):
            assert len(consumer.values(state_id)) == 60
        powers = [float(value) for value in consumer.values(513)]
        assert len(powers) == 61
        assert all(10_800 < power < 11_200 for power in powers)
        assert len(set(powers)) > 50
        volts, amperes = ([float(value) for value in consumer.values(state)] for state in (501, 507))
        assert all(225 < volt < 235 for volt in volts)
        assert all(15 < ampere < 17 for ampere in amperes)
        energies = [float(value) for value in consumer.values(553)]
        assert energies == sorted(energies)
        assert 10.8 < energies[-1] <= 11
        assert [value.startswith("OCMF|") for value in consumer.values(554)] == [True] * 3


async def test_the_rest_api_knows_what_was_reported(simulator, rest):
    site = await site_of(simulator, 1)
    charger = site.chargers[0].id
    async with consuming(await stream(simulator)) as consumer:
        await simulator.plug(charger)
        await simulator.advance(1800)
        newest = {state["StateId"]: state for state in consumer.states}
    known = {state["StateId"]: state for state in (await rest.get(f"/api/chargers/{charger}/state")).json()}
    for state_id in (501, 507, 513, 553, 710):
        assert known[state_id]["ValueAsString"] == newest[state_id]["ValueAsString"]
        to_millisecond = newest[state_id]["Timestamp"][: len("2026-03-02T06:29:00.000")]
        assert known[state_id]["Timestamp"] == to_millisecond.rstrip("0").rstrip(".")


async def test_an_idle_charger_shows_that_it_lives(simulator):
    await site_of(simulator, 1)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.advance(86_400)
        pulses = [state for state in consumer.states if state["StateId"] == -1]
        assert len(pulses) == pytest.approx(144, abs=1)
        assert all("ValueAsString" not in pulse for pulse in pulses)
        assert {201, 270, 809} <= {state["StateId"] for state in consumer.states}
        assert {710, 513}.isdisjoint(state["StateId"] for state in consumer.states)


async def test_reports_can_be_switched_off_and_offline_chargers_make_none(simulator):
    site = await site_of(simulator, 2)
    await simulator.go_offline(site.chargers[0].id)
    await simulator.plug(site.chargers[1].id)
    async with consuming(await stream(simulator)) as consumer:
        await consumer.wait_for(9)
        await simulator.change_settings(telemetry_every_s=0, pulse_every_s=0, signed_every_s=0)
        await simulator.advance(7200)
        assert len(consumer.received) == 9


async def test_changes_of_what_is_measured_can_be_left_out(simulator):
    site = await site_of(simulator, 1)
    await simulator.change_settings(changes_reported=False)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.plug(site.chargers[0].id)
        await simulator.finish(site.chargers[0].id)
        await simulator.unplug(site.chargers[0].id)
        assert {710, 721, 723} <= {state["StateId"] for state in consumer.states}
        assert {507, 513, 553}.isdisjoint(state["StateId"] for state in consumer.states)


async def test_a_pro_writes_up_to_four_decimals(simulator):
    site = await site_of(simulator, 1, device_type=1)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.plug(site.chargers[0].id, power_kw=7.36)
        assert consumer.values(513) == ["7360"]
        assert consumer.values(507) == ["10.6667"]
        assert {state["DeviceType"] for state in consumer.states} == {1}


async def test_signed_values_grow_to_kilobytes(simulator):
    site = await site_of(simulator, 1)
    await simulator.change_settings(telemetry_every_s=300, signed_every_s=300)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.plug(site.chargers[0].id, power_kw=2)
        await simulator.advance(8 * 3600)
        await simulator.unplug(site.chargers[0].id)
        (completed,) = consumer.values(723)
        signed = msgspec.json.decode(completed)["SignedSession"]
        assert len(signed) > 8000
        readings = [reading["RV"] for reading in msgspec.json.decode(signed.removeprefix("OCMF|"))["RD"]]
        assert readings == sorted(readings)
        assert readings[-1] - readings[0] == pytest.approx(16, abs=0.001)
        assert consumer.values(554)[-1] == signed


async def test_messages_of_2021_name_no_device(simulator):
    site = await site_of(simulator, 1)
    await simulator.change_settings(device_in_messages=False)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.plug(site.chargers[0].id)
        assert all(
            set(state) == {"ChargerId", "StateId", "Timestamp", "ValueAsString"}
            for state in consumer.states
            if state["StateId"] != -1
        )


async def test_traffic_in_virtual_time(simulator):
    await site_of(simulator, 5)
    await simulator.change_settings(telemetry_every_s=0, pulse_every_s=0, signed_every_s=0)
    async with consuming(await stream(simulator)) as consumer:
        assert await simulator.traffic(3000, 60) == 5
        await simulator.advance(30)
        assert 1400 < len(consumer.received) < 1600
        assert (await simulator.run_until_idle()).idle
        assert len(consumer.received) == 3000
        truth = await simulator.truth()
        assert consumer.newest() == {
            (item.charger_id, item.state_id): item.streamed for item in truth.states if item.streamed
        }
        assert {507, 508, 509, 513, 553, 710, -1, -2} <= {state["StateId"] for state in consumer.states}


async def test_traffic_in_real_time():
    async with serve(Options(port=0)) as running, SimulatorClient(running.url) as simulator:
        site = await site_of(simulator, 5)
        with pytest.raises(RefusedError, match="enable messaging"):
            await simulator.traffic(10, 0, (await simulator.add_installation("Mute")).id)
        async with consuming(await stream(simulator)) as consumer:
            await simulator.traffic(2000, 0.5, site.id)
            await consumer.wait_for(2000)
            assert (await simulator.run_until_idle(20)).idle
            truth = await simulator.truth()
            assert consumer.newest() == {
                (item.charger_id, item.state_id): item.streamed for item in truth.states if item.streamed
            }
            assert abs(datetime.now(UTC) - consumer.received[-1].enqueued_at) < timedelta(minutes=1)
