"""Stores what was folded: the newest states and the minutes of each charger, in the partition of its installation."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from shared.observations.folding import Fold, minute_instant
from shared.observations.observation import instant_text, text_of
from shared.observations.places import Places
from shared.storage.charger_history import ChargerHistory
from shared.storage.charger_states import ChargerStates, StateTexts


class ObservationStore:
    def __init__(self, places: Places, states: ChargerStates, history: ChargerHistory) -> None:
        self._places = places
        self._states = states
        self._history = history

    async def places(self, folded: Fold) -> dict[str, str]:
        """The installations of the chargers, by their ids; raises StorageUnavailable."""
        return await self._places.of(folded.newest)

    async def store(self, folded: Fold, places: Mapping[str, str]) -> None:
        """Raises StorageUnavailable, after which the same may be stored again."""
        states: dict[str, dict[str, StateTexts]] = {}
        for charger_id in folded.newest:
            states.setdefault(places[charger_id], {})[charger_id] = _texts(folded, charger_id)
        minutes: dict[str, dict[tuple[str, datetime], dict[int, str]]] = {}
        for (charger_id, minute), by_state in folded.by_minute.items():
            texts = {state: text_of(observation) for state, observation in by_state.items()}
            minutes.setdefault(places[charger_id], {})[charger_id, minute_instant(minute)] = texts
        merges = [self._states.merge(installation_id, chargers) for installation_id, chargers in states.items()]
        merges += [self._history.merge(installation_id, rows) for installation_id, rows in minutes.items()]
        for failure in await asyncio.gather(*merges, return_exceptions=True):
            if failure:
                raise failure


def _texts(folded: Fold, charger_id: str) -> StateTexts:
    by_state = folded.newest[charger_id]
    device_id, device_type = folded.devices[charger_id]
    return StateTexts(
        texts={state: text_of(observation) for state, observation in by_state.items()},
        long_values={state: one.value for state, one in by_state.items() if one.is_long and one.value is not None},
        device_id=device_id,
        device_type=device_type,
        newest=instant_text(max(observation.at for observation in by_state.values())),
    )
