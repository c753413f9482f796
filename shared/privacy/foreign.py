"""What rows hold in foreign text: states of a charger that can name a person, and bodies that nobody could read."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from shared.observations import catalogue
from shared.observations.observation import number_in, observation_from

NAMING_STATES = frozenset({554, 555, 713, 722, 723, 724, 725, 750, 807, 808, 830, 850, 867})
"""The states that can name a person: signed meter values (554, 555), the user at the charger (713, 722), the last
session (723), who asked to charge or was rejected (724, 725), the last card (750), logs and diagnostics (807, 808, 830,
850), and calls of OCPP (867); numbers and names of https://api.zaptec.com/api/constants."""
_STATE = re.compile(r"o(m?)([0-9]+)")


class Told(NamedTuple):
    """A foreign text, and when it was observed; None where no instant is known."""

    text: str
    at: datetime | None = None


def states_in(key: str, content: Mapping[str, Any]) -> dict[int, Told]:
    """What a row of table `ChargerStates` says that may name somebody, by the states' ids; a long value has a row of
    its own. A state the catalogue does not know may, too, unless it is a number."""
    _, charger_id, *rest = key.split("|")
    long_value = None
    if rest[1:] == ["value"]:
        long_value = "".join(text for name, text in sorted(content.items()) if name.startswith("chunk"))
        texts = {int(rest[0]): content["text"]}
    else:
        found = {name: _STATE.fullmatch(name) for name in content}
        texts = {_state_id(state): content[name] for name, state in found.items() if state}
    told = {}
    for state_id, text in texts.items():
        if state_id in NAMING_STATES or state_id not in catalogue.STATIC_IDS:
            one = observation_from(charger_id, state_id, text, long_value)
            if one.value and (state_id in NAMING_STATES or number_in(one.value) is None):
                told[state_id] = Told(one.value, one.at)
    return told


def told_in_states(key: str, content: Mapping[str, Any]) -> list[Told]:
    return list(states_in(key, content).values())


def told_in_body(key: str, content: Mapping[str, Any]) -> list[Told]:
    """The body of a quarantined item, as text."""
    body = b"".join(value for name, value in sorted(content.items()) if name.startswith("body"))
    return [Told(body.decode(errors="replace"))] if body and key.startswith("body-") else []


def property_of(state_id: int) -> str:
    """The property that holds a state in a charger's row."""
    return f"o{state_id}" if state_id >= 0 else f"om{-state_id}"


def _state_id(found: re.Match[str]) -> int:
    sign, digits = found.groups()
    return -int(digits) if sign else int(digits)
