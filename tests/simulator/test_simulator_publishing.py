"""Whoever subscribes to an installation gets what its chargers observe, as ZapCloud would send it."""

from datetime import UTC, datetime

import msgspec
import pytest

from simulator.app import Options, serve
from simulator.client import SimulatorClient
from simulator.faults import Fault
from simulator.visits import Plug, Visit
from tests.simulator.consumer import Consumer, attached, consuming

CARD = "04A3"


async def stream_of(simulator: SimulatorClient, owner_id: str):
    return next(stream for stream in (await simulator.service_bus()).items if stream.owner_id == owner_id)


@pytest.fixture
async def quiet(simulator, site):
    """The site with messages, and chargers that do not report by themselves."""
    await simulator.change_settings(telemetry_every_s=0, pulse_every_s=0, signed_every_s=0)
    return await simulator.configure(site.id, messagingEnabled=True)


async def agreed(simulator: SimulatorClient, consumer: Consumer, owner_id: str | None = None) -> int:
    """How many states there are, all of which consumer and truth agree on."""
    truth = await simulator.truth(owner_id)
    streamed = {(item.charger_id, item.state_id): item.streamed for item in truth.states if item.streamed}
    assert consumer.newest() == streamed
    return len(streamed)


async def test_a_session_is_told_in_the_order_in_which_a_charger_sees_it(simulator, quiet):
    charger = quiet.chargers[0]
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.schedule(Visit(charger.id, plugs=[Plug(CARD, power_kw=11, charge_s=3600)]))
        await simulator.run_until_idle()
        (session,) = await simulator.sessions()
        told = [
            (state["StateId"], state.get("ValueAsString"))
            for state in consumer.states
            if state["StateId"] not in {507, 508, 509, 513, 553, 554, 723}
        ]
        assert told == [
            (710, "2"),
            (722, "nfc-04A3"),
            (721, session.id),
            (710, "3"),
            (710, "5"),
            (710, "1"),
            (721, None),
            (722, None),
        ]
        assert consumer.values(553) == ["0.000", "11.000", "11.000"]
        assert consumer.values(513) == ["11000.000", "0.000"]
        (completed,) = (msgspec.json.decode(value) for value in consumer.values(723))
        assert completed["AuthenticationCode"] == "nfc-04A3"
        assert completed["StartDateTime"] == "2026-03-02T06:00:08.000000Z"
        assert [completed["SignedSession"]] == consumer.values(554)
        first = consumer.states[0]
        assert (first["DeviceId"], first["DeviceType"], first["ChargerId"]) == (charger.device_id, 4, charger.id)
        assert await agreed(simulator, consumer, quiet.id) == 10
    assert await simulator.problems() == []


async def test_the_cloud_writes_its_own_timestamps(simulator, quiet):
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.advance(0.25)
        await simulator.go_offline(quiet.chargers[0].id)
        await simulator.plug(quiet.chargers[1].id)
        await consumer.wait_for(2)
    offline, plugged = consumer.states
    assert (offline["StateId"], offline["ValueAsString"], offline["Timestamp"]) == (-2, "0", "2026-03-02T06:00:00.25")
    assert (plugged["StateId"], plugged["Timestamp"]) == (710, "2026-03-02T06:00:00.250000Z")


async def test_time_waits_for_consumers(simulator, quiet):
    """A consumer that takes its time has had every message before the clock moves on."""
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        for _ in range(20):
            await simulator.plug(quiet.chargers[0].id)
            await simulator.advance(60)
            await simulator.unplug(quiet.chargers[0].id)
            await simulator.advance(3600)
        counts = (await stream_of(simulator, quiet.id)).counts
        assert (counts.waiting, counts.locked, counts.expired) == (0, 0, 0)
        assert counts.completed == counts.published == len(consumer.received)


async def test_a_consumer_that_never_settles_is_a_problem_and_time_goes_on(simulator, quiet):
    await simulator.change_settings(consumers_within_s=0.5)
    async with attached(await stream_of(simulator, quiet.id)):
        await simulator.plug(quiet.chargers[0].id)
        await simulator.advance(20)
        await simulator.unplug(quiet.chargers[0].id)
        (problem,) = await simulator.problems()
    assert problem.activity == "message consumers"


async def test_consumers_are_waited_for_as_seldom_as_is_asked(simulator, quiet):
    await simulator.change_settings(consumers_within_s=0.5, consumers_every_s=60)
    async with attached(await stream_of(simulator, quiet.id)):
        await simulator.plug(quiet.chargers[0].id)
        await simulator.advance(20)
        assert not await simulator.problems()
        await simulator.advance(60)
        await simulator.unplug(quiet.chargers[0].id)
        assert await simulator.problems()


async def test_messages_wait_five_simulated_minutes(simulator, quiet):
    charger = quiet.chargers[0].id
    await simulator.plug(charger)
    await simulator.advance(299)
    assert (await stream_of(simulator, quiet.id)).counts.waiting == 1
    await simulator.advance(1)
    counts = (await stream_of(simulator, quiet.id)).counts
    assert (counts.waiting, counts.expired) == (0, 1)


async def test_a_user_group_gets_the_messages_of_all_its_installations(simulator, quiet):
    other = await simulator.add_installation("Quay")
    group = await simulator.add_user_group("Everything", quiet.id, other.id)
    async with consuming(await stream_of(simulator, group.id)) as consumer:
        await simulator.plug(quiet.chargers[0].id)
        await simulator.plug(other.chargers[0].id)
        assert {quiet.chargers[0].id, other.chargers[0].id} == {state["ChargerId"] for state in consumer.states}
        assert await agreed(simulator, consumer, group.id) > 2
    assert (await stream_of(simulator, quiet.id)).counts.waiting == 1


async def test_nobody_gets_messages_of_an_installation_without_messaging(simulator, quiet):
    await simulator.configure(quiet.id, messagingEnabled=False)
    await simulator.plug(quiet.chargers[0].id)
    truth = await simulator.truth(quiet.id)
    assert [item.streamed for item in truth.states] == [None] * len(truth.states)
    modes = {item.held.value for item in truth.states if item.held and item.state_id == 710}
    assert modes == {"1", "2"}


async def test_an_offline_charger_tells_later_what_it_saw_then(simulator, quiet):
    charger = quiet.chargers[0].id
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.go_offline(charger)
        await simulator.advance(600)
        await simulator.plug(charger)
        await simulator.advance(600)
        assert [state["StateId"] for state in consumer.states] == [-2]
        await simulator.go_online(charger)
        plugged = next(state for state in consumer.states if state["StateId"] == 710)
        assert plugged["Timestamp"] == "2026-03-02T06:10:00.000000Z"
        assert await agreed(simulator, consumer) > 3


MESSAGE_FAULTS = (
    "message-lost",
    "message-stolen",
    "message-late",
    "message-aged",
    "message-reordered",
    "message-duplicated",
    "message-repeated",
    "message-mangled",
    "message-garbage",
    "message-of-nobody",
    "message-foreign",
    "message-unknown-id",
    "readings-persist",
)


async def test_under_every_fault_consumer_and_truth_agree(simulator, quiet):
    await simulator.change_settings(telemetry_every_s=60, pulse_every_s=600, signed_every_s=900)
    await simulator.change_settings(timestamps="mixed", cleared_value="mixed", envelope="mixed")
    await simulator.set_clock_ahead(quiet.chargers[2].id, 10 * 365 * 86400)
    await simulator.set_faults({name: Fault(probability=0.1, seconds=200) for name in MESSAGE_FAULTS})
    visits = [
        Visit(charger.id, after_s=300 * number, plugs=[Plug(f"04A{number}", charge_s=3600)] * 3)
        for number, charger in enumerate(quiet.chargers)
    ]
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.schedule(*visits)
        assert (await simulator.run_until_idle()).idle
        await simulator.advance(1200)
        assert await agreed(simulator, consumer) > 60
        truth = await simulator.truth()
        received = len(consumer.received)
    kinds = ("late", "aged", "reordered", "duplicated", "repeated", "mangled", "garbage", "of_nobody", "foreign")
    assert all(truth.counts[kind] > 20 for kind in kinds)
    assert (len(truth.lost), len(truth.stolen)) == (truth.counts["lost"], truth.counts["stolen"])
    assert min(truth.counts["lost"], truth.counts["stolen"], truth.counts["unknown_id"]) > 20
    assert truth.counts["published"] == received
    assert await simulator.problems() == []


@pytest.mark.parametrize(("seconds", "there"), [(299, 1), (300, 0)])
async def test_an_aged_message_is_near_its_end_or_beyond(simulator, quiet, seconds, there):
    await simulator.set_faults({"message-aged": Fault(next=1, seconds=seconds)})
    await simulator.plug(quiet.chargers[0].id)
    assert (await stream_of(simulator, quiet.id)).counts.waiting == there
    truth = await simulator.truth()
    assert truth.counts.get("expired", 0) == 1 - there
    assert len([item for item in truth.states if item.streamed]) == there


async def test_a_reordered_message_comes_after_its_successor(simulator, quiet):
    charger = quiet.chargers[0].id
    await simulator.set_faults({"message-reordered": Fault(next=1, seconds=3600)})
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.plug(charger)
        await simulator.advance(5)
        await simulator.unplug(charger)
        await simulator.advance(3600)
        assert consumer.values(710) == ["1", "2"]
        assert await agreed(simulator, consumer) == 2


async def test_a_late_message_comes_with_its_old_timestamp(simulator, quiet):
    await simulator.set_faults({"message-late": Fault(next=1, seconds=120)})
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.advance(60)
        await simulator.plug(quiet.chargers[0].id)
        await simulator.advance(119)
        assert consumer.received == []
        await simulator.advance(1)
        (message,) = consumer.received
    assert message.state["Timestamp"] == "2026-03-02T06:01:00.000000Z"
    assert message.enqueued_at == datetime(2026, 3, 2, 6, 3, tzinfo=UTC)


async def test_a_thief_takes_the_next_messages_and_the_record_says_which(simulator, quiet):
    charger = quiet.chargers[0].id
    await simulator.steal(quiet.id, 1)
    async with consuming(await stream_of(simulator, quiet.id)) as consumer:
        await simulator.plug(charger)
        await simulator.advance(5)
        await simulator.unplug(charger)
        assert consumer.values(710) == ["1"]
    (stolen,) = (await simulator.truth(quiet.id)).stolen
    assert (stolen.charger_id, stolen.state_id, stolen.value) == (charger, 710, "2")


async def test_the_same_seed_gives_the_same_messages(app):
    first = await messages_of_a_morning(app, seed=3)
    assert first == await messages_of_a_morning(app, seed=3)
    assert first != await messages_of_a_morning(app, seed=4)


async def messages_of_a_morning(app, seed: int) -> list[bytes]:
    options = Options(port=0, seed=seed, start=datetime(2026, 3, 2, 6, tzinfo=UTC))
    async with serve(options) as running, SimulatorClient(running.url) as simulator:
        site = await simulator.add_installation("Harbour", chargers=4)
        await simulator.configure(site.id, messagingEnabled=True)
        await simulator.change_settings(timestamps="mixed", cleared_value="mixed", envelope="mixed")
        await simulator.set_faults({name: Fault(probability=0.1) for name in MESSAGE_FAULTS})
        async with consuming(await stream_of(simulator, site.id)) as consumer:
            await simulator.schedule(*(Visit(charger.id, plugs=[Plug(charge_s=900)]) for charger in site.chargers))
            await simulator.run_until_idle()
            return [message.body for message in consumer.received]
