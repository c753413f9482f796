"""Folding gives one result, whatever the order, the repetitions, the batches and the number of instances."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.observations.catalogue import STATIC_IDS
from shared.observations.folding import METERED, TELLING, Fold, fold
from shared.observations.observation import LONG_CHARACTERS, Observation
from shared.observations.places import Places
from shared.observations.reader import ChargerNow, ChargerReader, MeteredInterval
from shared.observations.store import ObservationStore
from shared.storage.charger_history import ChargerHistory
from shared.storage.charger_states import UNASSIGNED, ChargerStates
from shared.storage.chargers import Charger, Chargers
from shared.storage.table import Tables
from tests.conftest import HandClock

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
INSTALLATION = "10000000-0000-4000-8000-000000000001"
CHARGERS = [f"20000000-0000-4000-8000-{number:012x}" for number in range(3)]
STRANGER = CHARGERS[2]
"""A charger nobody told us of."""

observations = st.builds(
    Observation,
    charger_id=st.sampled_from(CHARGERS),
    state_id=st.sampled_from([-2, 513, 553, 507, 554, 710, 721, 999_999, -5000]),
    at=st.integers(0, 4).map(lambda half_minutes: NOW + timedelta(seconds=30 * half_minutes)),
    value=st.sampled_from([None, "", "1", "2", "2.5", "long a " * 400, "long b " * 400]),
    device_id=st.sampled_from(["", "ZAP000001"]),
    device_type=st.sampled_from([None, 4, 9, 10]),
    clock_at=st.sampled_from([None, NOW + timedelta(days=3650)]),
)
batches = st.lists(observations, min_size=1, max_size=12)


def newest_by_hand(observations: Sequence[Observation]) -> dict[tuple[str, int], Observation]:
    """Said again without the code under test: the latest, of those the greatest by clock, presence and value."""
    best: dict[tuple[str, int], Observation] = {}
    for one in observations:
        key = one.charger_id, one.state_id
        if key not in best or one.at > best[key].at or (one.at == best[key].at and one.is_after(best[key])):
            best[key] = one
    return best


@given(batches, st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_repetition_and_batches_do_not_change_a_fold(
    observations: list[Observation], random: Random, parts: int
) -> None:
    once = fold(observations)
    shuffled = observations * 2
    random.shuffle(shuffled)
    again = Fold()
    for part in range(parts):
        again = fold(shuffled[part::parts], again)

    def shape(folded: Fold) -> object:
        return [
            {
                charger: {state: (one.at, one.value, one.clock_at) for state, one in states.items()}
                for charger, states in by.items()
            }
            for by in (folded.newest, folded.by_minute)
        ]

    assert shape(again) == shape(once)
    assert again.devices == once.devices
    newest = {(charger, state): one for charger, states in once.newest.items() for state, one in states.items()}
    by_hand = newest_by_hand(observations)
    assert {key: (one.at, one.value) for key, one in newest.items()} == {
        key: (one.at, one.value) for key, one in by_hand.items()
    }


@given(batches)
def test_every_statement_about_a_session_is_kept_and_every_metered_minute_once(observations: list[Observation]) -> None:
    folded = fold(observations)
    assert folded.telling == [one for one in observations if one.state_id in TELLING]
    minutes = {
        (one.charger_id, (one.at - NOW) // timedelta(minutes=1), one.state_id)
        for one in observations
        if one.state_id in METERED
    }
    assert sum(len(states) for states in folded.by_minute.values()) == len(minutes)


class Instance:
    """One of several processes on one account."""

    def __init__(self, tables: Tables, clock: HandClock) -> None:
        states, history = ChargerStates(tables, STATIC_IDS), ChargerHistory(tables)
        self.store = ObservationStore(Places(clock.now, Chargers(tables)), states, history)
        self.reader = ChargerReader(states, history)

    async def take(self, batch: list[Observation]) -> None:
        folded = fold(batch)
        await self.store.store(folded, await self.store.places(folded))

    async def shown(self, charger: str, place: str) -> tuple[ChargerNow | None, list[MeteredInterval]]:
        history = await self.reader.history(charger, place, NOW, NOW + timedelta(hours=1), timedelta(minutes=1))
        return await self.reader.now(charger, place), history


class Site:
    """The chargers under ids that no other example uses."""

    numbers = itertools.count(1)

    def __init__(self) -> None:
        number = next(self.numbers)
        self.id = f"40000000-0000-4000-8000-{number:012x}"
        self._ids = {charger: f"{number:08x}{charger[8:]}" for charger in CHARGERS}

    def own(self, charger: str) -> str:
        return self._ids[charger]

    async def register(self, tables: Tables) -> None:
        for charger in CHARGERS[:2]:
            await Chargers(tables).put(Charger(id=self.own(charger), installation_id=self.id))

    async def shown(self, instance: Instance) -> list[tuple[ChargerNow | None, list[MeteredInterval]]]:
        places = {CHARGERS[0]: self.id, CHARGERS[1]: self.id, STRANGER: UNASSIGNED}
        return [await instance.shown(self.own(charger), place) for charger, place in places.items()]


@pytest.fixture
async def known_chargers(tables: Tables) -> None:
    for charger in CHARGERS[:2]:
        await Chargers(tables).put(Charger(id=charger, installation_id=INSTALLATION))


@hypothesis.settings(max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@given(
    observations=st.lists(observations, min_size=1, max_size=20),
    deal=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    random=st.randoms(use_true_random=False),
)
async def test_two_instances_that_take_turns_at_any_split_store_what_one_would(
    tables: Tables,
    other_account: Tables,
    clock: HandClock,
    observations: list[Observation],
    deal: list[int],
    random: Random,
) -> None:
    site = Site()
    observations = [msgspec.structs.replace(one, charger_id=site.own(one.charger_id)) for one in observations]
    for account in (tables, other_account):
        await site.register(account)
    alone = Instance(other_account, clock)
    await alone.take(observations)

    twice = observations * 2
    random.shuffle(twice)
    batches: list[list[Observation]] = [[], [], [], []]
    for observation, hand in zip(twice, deal, strict=False):
        batches[hand].append(observation)
    first, second = Instance(tables, clock), Instance(tables, clock)
    await asyncio.gather(*(who.take(batch) for who, batch in zip([first, second, first, second], batches, strict=True)))

    assert await site.shown(second) == await site.shown(alone)


async def test_a_crash_between_the_parts_of_a_batch_is_made_up_for_by_its_repetition(
    tables: Tables, known_chargers: None, clock: HandClock
) -> None:
    batch = [
        Observation(CHARGERS[0], 513, NOW, "7400"),
        Observation(CHARGERS[0], 554, NOW, "OCMF|" + "x" * 60_000),
        Observation(CHARGERS[0], 424_242, NOW, "nobody knows this state"),
    ]
    states = ChargerStates(tables, STATIC_IDS)
    whole = fold(batch)
    only_states = Fold(newest=whole.newest, devices=whole.devices)
    store = ObservationStore(Places(clock.now, Chargers(tables)), states, ChargerHistory(tables))
    await store.store(only_states, await store.places(only_states))

    restarted = Instance(tables, clock)
    await restarted.take(batch)

    now, history = await restarted.shown(CHARGERS[0], INSTALLATION)
    assert now is not None
    assert {state: one.value for state, one in now.observations.items()} == {one.state_id: one.value for one in batch}
    assert [(minute.at, minute.power_w) for minute in history] == [(NOW, 7400.0)]


async def test_an_older_value_never_replaces_a_newer_long_or_short(
    tables: Tables, known_chargers: None, clock: HandClock
) -> None:
    instance = Instance(tables, clock)
    long, longer = "x" * 5000, "y" * 9000
    for seconds, value in ((10, long), (5, "short"), (20, longer), (15, long), (30, "short again"), (25, longer)):
        await instance.take([Observation(CHARGERS[0], 554, NOW + timedelta(seconds=seconds), value)])
    now = await Instance(tables, clock).reader.now(CHARGERS[0], INSTALLATION)
    assert now is not None
    assert now.observations[554].value == "short again"
    await instance.take([Observation(CHARGERS[0], 554, NOW + timedelta(seconds=40), longer)])
    now = await instance.reader.now(CHARGERS[0], INSTALLATION)
    assert now is not None
    assert now.observations[554].value == longer


@pytest.mark.parametrize("types", [(9, 10), (10, 9), (9, None, 10), (10, None)])
async def test_of_two_device_types_the_greater_number_is_kept_in_a_batch_and_in_storage(
    tables: Tables, known_chargers: None, clock: HandClock, types: tuple[int | None, ...]
) -> None:
    said = [Observation(CHARGERS[0], 500 + place, NOW, "1", "", kind) for place, kind in enumerate(types)]
    assert fold(said).devices[CHARGERS[0]] == ("", 10)
    instance = Instance(tables, clock)
    for one in said:
        await instance.take([one])
    now = await instance.reader.now(CHARGERS[0], INSTALLATION)
    assert now is not None
    assert now.device_type == 10


async def test_every_static_state_of_a_charger_in_many_wide_characters_fits_into_its_row(
    tables: Tables, known_chargers: None, clock: HandClock
) -> None:
    wide = "\U0001f600" * (LONG_CHARACTERS // 2)
    said = [Observation(CHARGERS[0], state, NOW, wide) for state in sorted(STATIC_IDS)]
    instance = Instance(tables, clock)
    for start in range(0, len(said), 50):
        await instance.take(said[start : start + 50])
    now = await instance.reader.now(CHARGERS[0], INSTALLATION)
    assert now is not None
    assert {state: one.value for state, one in now.observations.items()} == dict.fromkeys(STATIC_IDS, wide)


async def test_hundreds_of_chargers_and_unknown_states_fit_and_come_back(tables: Tables, clock: HandClock) -> None:
    many = [f"30000000-0000-4000-8000-{number:012x}" for number in range(250)]
    batch = [Observation(charger, state, NOW, str(state)) for charger in many for state in (513, 710, 200_001, 200_002)]
    batch += [Observation(many[0], 1_000_000 + number, NOW, "x") for number in range(300)]
    instance = Instance(tables, clock)
    await instance.take(batch)
    now = await instance.reader.now(many[0], UNASSIGNED)
    assert now is not None
    assert len(now.observations) == 304
    later = [Observation(charger, 710, NOW + timedelta(seconds=1), "3") for charger in many]
    await Instance(tables, clock).take(later)
    glance = await instance.reader.glance([Charger(id=charger, installation_id=UNASSIGNED) for charger in many])
    assert {one.observations[710].value for one in glance.values()} == {"3"}
    assert len(glance) == 250
