"""State ids that are newer than the built-in catalogue are learnt from ZapCloud's constants, by every instance."""

import copy
from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.observations.catalogue import kind_of
from shared.observations.kinds import LearntKinds
from shared.storage.observation_kinds import ObservationKinds
from shared.storage.table import Tables
from simulator.constants import constants
from tests.conftest import HandClock

NEW_ID = 876_543


async def with_a_new_one() -> dict[str, Any]:
    found = copy.deepcopy(constants())
    found["Schema"]["Apollo"]["ObservationIds"]["FluxCapacitor"] = NEW_ID
    return found


async def test_a_new_id_is_learnt_stored_and_known_to_other_instances(tables: Tables, clock: HandClock) -> None:
    assert kind_of(NEW_ID, 4).name == f"Observation {NEW_ID}"
    here = LearntKinds(clock.now, ObservationKinds(tables), with_a_new_one)
    assert await here.refresh() == 1
    assert kind_of(NEW_ID, 4).name == "FluxCapacitor"

    (stored,) = await ObservationKinds(tables).all()
    assert (stored.device_type, stored.id, stored.name) == (4, NEW_ID, "FluxCapacitor")
    elsewhere = LearntKinds(clock.now, ObservationKinds(tables), None)
    await elsewhere.recall()
    assert await elsewhere.refresh() == 0


async def test_the_constants_there_are_hold_nothing_new(tables: Tables, clock: HandClock) -> None:
    async def asked() -> dict[str, Any]:
        return constants()

    assert await LearntKinds(clock.now, ObservationKinds(tables), asked).refresh() == 0
    assert await ObservationKinds(tables).all() == []


async def test_an_answer_that_is_no_constants_is_refused(tables: Tables, clock: HandClock) -> None:
    async def asked() -> dict[str, Any]:
        return {"error": "no"}

    with pytest.raises(InvalidInput):
        await LearntKinds(clock.now, ObservationKinds(tables), asked).refresh()
