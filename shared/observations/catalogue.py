"""What the ids of charger states stand for: names by device type, units, and values in words.

`catalogue.json` holds it and is read at first use. Names and enumerations are those of ZapCloud's constants
(https://api.zaptec.com/api/constants, 6.5.8), units those of the guide 6.5.8, "State observation reference", and of
values seen on the wire; where neither gives a unit there is none. The words for 544, 702, 803 and 860 are those of the
published firmware of Zaptec Go and hold for its device type alone. 712 is 0 while ZapCloud controls the charger: so say
that firmware and live chargers of both kinds, though the guide has it the other way round. A warning stands by its
bit's position, since the constants' numbers are rounded beyond 2^53.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from shared.errors import InvalidInput

STATIC_IDS: frozenset[int]
"""Every id of the built-in catalogue, all device types together; like the rest read when it is first asked for."""
_SMART = 1
"""Pro and Home, whose ids the constants also give as those of no device type in particular."""
_READ_AS: dict[int | None, int] = {7: 3, 8: 3}
"""HanApm and TicApm have no schema of their own; they are sensors like HomeApm."""
_SIGNAL_STRENGTH = 809
_DBM = re.compile(r"-[0-9]{1,3}(\.[0-9]{0,20})?")
_WHOLE = re.compile(r"([0-9]{1,20})(\.0{0,20})?")
_BOOLEANS = {"false": 0, "true": 1}
_MOST_SHOWN_CHARACTERS = 40
_MOST_NAME_CHARACTERS = 100
_MOST_LEARNED = 2000


class ObservationKind(msgspec.Struct, frozen=True):
    """A kind of observation; `unit` as written in the field ("A", "kWh", "°C"), None where there is none."""

    id: int
    name: str
    unit: str | None


class NewKind(msgspec.Struct, frozen=True):
    """An id that the built-in catalogue lacks: for a device type, or (None) for none in particular."""

    device_type: int | None
    id: int
    name: str


class _Kind(msgspec.Struct, frozen=True, array_like=True):
    id: int
    name: str
    device_types: list[int]
    unit: str | None = None


class _Wording(msgspec.Struct, frozen=True):
    """The words for the values of some ids, or for the bits of their values, lowest bit 0. No `types` are all types."""

    ids: list[int]
    types: list[int] = []
    values: dict[int, str] = {}
    bits: dict[int, str] = {}


class _File(msgspec.Struct, frozen=True):
    kinds: list[_Kind]
    wordings: list[_Wording]


class _Catalogue(msgspec.Struct, frozen=True):
    """Kinds by device type and id, and by id alone (Smart's before another's); wordings by device type and id."""

    by_type: dict[int | None, dict[int, ObservationKind]]
    of_any_type: dict[int, ObservationKind]
    wordings: dict[tuple[int | None, int], _Wording]


_learned: dict[tuple[int | None, int], ObservationKind] = {}
_learned_of_any_type: dict[int, ObservationKind] = {}


def kind_of(state_id: int, device_type: int | None) -> ObservationKind:
    """What the id stands for at a device type; "Observation 4711" where nobody knows.

    An id that the type's schema lacks has the name it has elsewhere: chargers do send such ids.
    """
    catalogue = _catalogue()
    schema = _READ_AS.get(device_type, device_type)
    return (
        catalogue.by_type.get(schema, {}).get(state_id)
        or _learned.get((schema, state_id))
        or catalogue.of_any_type.get(state_id)
        or _learned_of_any_type.get(state_id)
        or ObservationKind(state_id, f"Observation {state_id}", None)
    )


def meaning_of(state_id: int, device_type: int | None, value: str | None) -> str | None:
    """The value in words where it is an enumeration, a flag, a set of bits or a Wi-Fi signal strength, else None.

    "unknown (7)" for a value without words. Bits are listed from the lowest, commas between; "none" if none is set.
    """
    text = (value or "").strip()
    if not text:
        return None
    if state_id == _SIGNAL_STRENGTH:
        return _wifi_quality(text)
    catalogue = _catalogue()
    schema = _READ_AS.get(device_type, device_type)
    wording = catalogue.wordings.get((schema if schema in catalogue.by_type else _SMART, state_id))
    if wording is None:
        return None
    number = _number(text, wording)
    if number is None:
        return _unknown(text)
    if wording.bits:
        return _bits_in_words(number, wording.bits)
    return wording.values.get(number) or _unknown(text)


def ids_of(device_type: int) -> frozenset[int]:
    """The ids in the schema of a device type; those of Pro and Home where it has none."""
    by_type = _catalogue().by_type
    return frozenset(by_type.get(_READ_AS.get(device_type, device_type), by_type[_SMART]))


def new_in(constants: Mapping[str, Any]) -> tuple[NewKind, ...]:
    """The ids in an answer of `/api/constants` that the built-in catalogue lacks; what makes no sense is left out.

    Raises InvalidInput where it holds neither `Observations` nor `Schema`.
    """
    parts = constants if isinstance(constants, Mapping) else {}
    general, schemas = parts.get("Observations"), parts.get("Schema")
    if not isinstance(general, Mapping) and not isinstance(schemas, Mapping):
        raise InvalidInput("ZapCloud's constants must be an object with Observations or Schema")
    catalogue = _catalogue()
    found: dict[tuple[int | None, int], str] = {}
    for state_id, name in _named_ids(general):
        if state_id not in catalogue.of_any_type:
            found.setdefault((None, state_id), name)
    for schema in schemas.values() if isinstance(schemas, Mapping) else ():
        device_type = schema.get("DeviceType") if isinstance(schema, Mapping) else None
        if _is_int32(device_type):
            known = catalogue.by_type.get(_READ_AS.get(device_type, device_type), {})
            for state_id, name in _named_ids(schema.get("ObservationIds")):
                if state_id not in known:
                    found.setdefault((device_type, state_id), name)
    return tuple(NewKind(device_type, state_id, name) for (device_type, state_id), name in found.items())


def learn(kinds: Iterable[NewKind]) -> None:
    """From now on `kind_of` knows them, in this process. What it knows already stays; room is bounded."""
    for kind in kinds:
        if len(_learned) + len(_learned_of_any_type) >= _MOST_LEARNED:
            return
        learned = ObservationKind(kind.id, kind.name, None)
        if kind.device_type is not None:
            _learned.setdefault((_READ_AS.get(kind.device_type, kind.device_type), kind.id), learned)
        _learned_of_any_type.setdefault(kind.id, learned)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> frozenset[int]:
        if name == "STATIC_IDS":
            return frozenset(_catalogue().of_any_type)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _catalogue() -> _Catalogue:
    file = msgspec.json.decode(Path(__file__).with_name("catalogue.json").read_bytes(), type=_File)
    by_type: dict[int | None, dict[int, ObservationKind]] = {_SMART: {}}
    for row in file.kinds:
        kind = ObservationKind(row.id, row.name, row.unit)
        for device_type in row.device_types:
            by_type.setdefault(device_type, {})[row.id] = kind
    of_any_type = dict(by_type[_SMART])
    for kinds in by_type.values():
        of_any_type = kinds | of_any_type
    wordings = {
        (device_type, state_id): wording
        for wording in file.wordings
        for device_type in wording.types or by_type
        for state_id in wording.ids
    }
    return _Catalogue(by_type, of_any_type, wordings)


def _number(text: str, wording: _Wording) -> int | None:
    """The whole number a value is; Go writes some with decimals, and flags may be true or false."""
    if match := _WHOLE.fullmatch(text):
        return int(match[1])
    return _BOOLEANS.get(text.lower()) if wording.values.keys() == {0, 1} else None


def _bits_in_words(number: int, words: Mapping[int, str]) -> str:
    positions = [position for position in range(number.bit_length()) if number >> position & 1]
    return ", ".join(words.get(position, f"unknown (bit {position})") for position in positions) or "none"


def _wifi_quality(text: str) -> str | None:
    """How good a signal of so many dBm is (guide 6.5.8, 809); None for LTE's percentage."""
    if not _DBM.fullmatch(text):
        return None
    dbm = float(text)
    if dbm < -90:
        return "unusable"
    if dbm < -80:
        return "unreliable; the charger may lose its connection"
    if dbm < -70:
        return "weak; packets may be lost"
    return "reliable"


def _unknown(text: str) -> str:
    shown = text if len(text) <= _MOST_SHOWN_CHARACTERS else f"{text[:_MOST_SHOWN_CHARACTERS]}…"
    return f"unknown ({shown})"


def _named_ids(ids: object) -> Iterator[tuple[int, str]]:
    """The pairs of id and name in an object from names to ids, as the constants have them."""
    for name, state_id in ids.items() if isinstance(ids, Mapping) else ():
        if isinstance(name, str) and len(name) <= _MOST_NAME_CHARACTERS and name.isidentifier() and _is_int32(state_id):
            yield state_id, name


def _is_int32(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
