"""Table `ChargerStates`: the newest observation of every state of every charger.

Partition = installation; one wide row per charger (`c|<charger>`) with a text per state (`o710`, `om2`), `newest`, the
instant of the latest, `deviceId` and `deviceType`. A long value, and a state the catalogue does not know (a row
has room for 252 properties), has a row of its own (`x|<charger>|<state>`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.storage.newest import NewestRows, Wanted
from shared.storage.table import Row, Tables

UNASSIGNED = "unassigned"
"""The partition of chargers whose installation we do not know."""
_REMEMBERED_CHARACTERS = 60_000_000
"""Some 15,000 chargers; about 150 MB."""
_CHUNK_CHARACTERS = 16 * 1024
_NEWEST, _DEVICE_ID, _DEVICE_TYPE = "newest", "deviceId", "deviceType"


class StateTexts(msgspec.Struct, frozen=True):
    """A charger's states: texts by state id, the values that are too long for them, and what the charger is."""

    texts: Mapping[int, str]
    long_values: Mapping[int, str] = {}
    device_id: str = ""
    device_type: int | None = None
    newest: str = ""
    """The instant of the latest observation, as text; empty where nothing was ever observed."""


class ChargerStates:
    def __init__(self, tables: Tables, ordinary: frozenset[int]) -> None:
        """`ordinary` are the state ids that have their place in the wide row."""
        self._table = tables["ChargerStates"]
        self._ordinary = ordinary
        self._rows = NewestRows(self._table, _REMEMBERED_CHARACTERS)

    async def merge(self, installation_id: str, chargers: Mapping[str, StateTexts]) -> None:
        """Store what is newer than what is there; raises StorageUnavailable, and may be repeated then."""
        wanted: dict[str, Wanted] = {}
        for charger_id, states in chargers.items():
            wide = {_property(state): text for state, text in states.texts.items() if state in self._ordinary}
            wide[_NEWEST] = states.newest
            wide[_DEVICE_ID] = states.device_id
            wide[_DEVICE_TYPE] = "" if states.device_type is None else f"{states.device_type:03}"
            wide_row = wanted[_wide_key(charger_id)] = Wanted(wide, {})
            for state, text in states.texts.items():
                own_key = f"{_own_prefix(charger_id)}{state}"
                row = wide_row
                if state not in self._ordinary:
                    row = wanted[own_key] = Wanted({_property(state): text}, {})
                if state in states.long_values:
                    chunks = {"text": text, **_chunks(states.long_values[state])}
                    row.beside[_property(state)] = (f"{own_key}|value", chunks)
        await self._rows.merge(installation_id, wanted)

    async def read(self, installation_id: str, charger_id: str) -> StateTexts | None:
        """None where nothing was ever stored of the charger in this installation."""
        prefix = _own_prefix(charger_id)
        wide = await self._table.get(installation_id, _wide_key(charger_id))
        if wide is None:
            return None
        # read after it, a long value can be newer than its text in the wide row, but not older
        own = await self._table.partition(installation_id, after=prefix, before=f"{prefix}~")
        return _states(wide, own)

    async def read_wide(self, installation_id: str, charger_id: str) -> StateTexts | None:
        """The same without long values and states the catalogue does not know."""
        row = await self._table.get(installation_id, _wide_key(charger_id))
        return _states(row, []) if row else None


def merged(one: StateTexts | None, other: StateTexts | None) -> StateTexts | None:
    """What two partitions know of one charger, together: of each state the newer."""
    if one is None or other is None:
        return one or other
    newer = {state for state, text in other.texts.items() if text > one.texts.get(state, "")}
    return StateTexts(
        {**one.texts, **{state: other.texts[state] for state in newer}},
        {
            **{state: value for state, value in one.long_values.items() if state not in newer},
            **{state: value for state, value in other.long_values.items() if state in newer},
        },
        max(one.device_id, other.device_id),
        one.device_type if one.device_type is not None else other.device_type,
        max(one.newest, other.newest),
    )


def _states(wide: Row, own: list[Row]) -> StateTexts:
    device_type = wide.properties.get(_DEVICE_TYPE)
    texts: dict[int, str] = {}
    long_values: dict[int, str] = {}
    for row in (wide, *own):
        texts |= {_state(name): text for name, text in row.properties.items() if _is_state(name)}
    for row in own:
        if "chunk00" in row.properties:
            state = int(row.key.split("|")[2])
            if row.properties["text"] >= texts.get(state, ""):
                chunks = [text for name, text in sorted(row.properties.items()) if name.startswith("chunk")]
                texts[state], long_values[state] = row.properties["text"], "".join(chunks)
    return StateTexts(
        texts,
        long_values,
        wide.properties.get(_DEVICE_ID, ""),
        int(device_type) if device_type else None,
        wide.properties.get(_NEWEST, ""),
    )


def _wide_key(charger_id: str) -> str:
    return f"c|{charger_id}"


def _own_prefix(charger_id: str) -> str:
    return f"x|{charger_id}|"


def _property(state: int) -> str:
    return f"o{state}" if state >= 0 else f"om{-state}"


def _is_state(name: str) -> bool:
    return name[:1] == "o" and name[1:].removeprefix("m").isdecimal()


def _state(name: str) -> int:
    return -int(name[2:]) if name[1] == "m" else int(name[1:])


def _chunks(value: str) -> dict[str, Any]:
    parts = range(0, len(value), _CHUNK_CHARACTERS)
    return {f"chunk{number:02}": value[at : at + _CHUNK_CHARACTERS] for number, at in enumerate(parts)}
