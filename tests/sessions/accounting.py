"""Holds the session log against the truth: every session once, with its energy, its driver and what it counts as."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from simulator.models import Session

_SAME_KWH = 0.0011
"""Figures are told in whole Wh, which sources round differently."""


class Account(msgspec.Struct):
    """What the log came to; every list should be empty."""

    missing: list[str]
    """Sessions that took place and are not in the log."""
    twice: list[str]
    false: list[str]
    """Sessions in the log that never took place, and count as something all the same."""
    wrong: list[str]
    """Sessions in the log that are not what they were."""
    counts: dict[str, int]
    """Sessions by the source of their figures and by their flags."""
    restored_otherwise: list[str] = []
    """What the app says otherwise once it was restored from a backup."""
    suffered: dict[str, int] = {}
    """How often what was done to them."""


def account(truth: Iterable[Session], log: list[dict[str, Any]], driver_of: Mapping[str, str]) -> Account:
    """`log` is what the API lists, `driver_of` whose cards those are that the app knows."""
    sessions = {session.id: session for session in truth}
    entries = {entry["sessionId"]: entry for entry in log}
    listed = Counter(entry["sessionId"] for entry in log)
    counts = Counter(f"{entry['source']}" for entry in log)
    for entry in log:
        counts.update(f"flag {flag}" for flag in entry["flags"])
    wrong = [
        fault for one, entry in entries.items() if one in sessions for fault in _faults(sessions[one], entry, driver_of)
    ]
    return Account(
        missing=sorted(sessions.keys() - entries.keys()),
        twice=sorted(one for one, times in listed.items() if times > 1),
        false=sorted(
            f"{one}: {entry['status']}, {entry['energyKwh']} kWh"
            for one, entry in entries.items()
            if one not in sessions and (entry["status"] != "never-began" or entry["energyKwh"] or entry["billable"])
        ),
        wrong=sorted(wrong),
        counts=dict(sorted(counts.items())),
    )


def _faults(session: Session, entry: Mapping[str, Any], driver_of: Mapping[str, str]) -> Iterable[str]:
    flags = _flags(session)
    expected = {
        "status": "ended",
        "installationId": session.installation_id,
        "chargerId": session.charger_id,
        "driver": driver_of.get(session.token or ""),
        "energyKwh": session.energy_kwh,
        "billable": session.energy_kwh > 0 and "void" not in flags,
        "flags": flags,
    }
    for name, value in expected.items():
        if not _is_told(entry[name], value):
            yield f"{session.id}: {name} is {entry[name]}, the truth is {value}"


def _is_told(told: Any, value: Any) -> bool:
    match value:
        case bool() | str() | None:
            return bool(told == value)
        case float():
            return told is not None and abs(told - value) <= _SAME_KWH
        case set():
            return value == set(told) - _NOT_ZAPCLOUDS
    return False


_NOT_ZAPCLOUDS = {"contradicted", "not-ours", "replacement"}
"""Flags that do not follow from what ZapCloud says of the session."""


def _flags(session: Session) -> set[str]:
    """As ZapCloud's documents say what the bits mean, read anew here."""
    bits = {1: "online", 2: "offline", 4: "reliable-clock", 32: "void", 64: "aborted", 128: "ocpp"}
    said = {name for bit, name in bits.items() if session.commit_metadata & bit}
    flags = said - {"online", "reliable-clock"}
    if "offline" in said and "reliable-clock" not in said:
        flags.add("times-unreliable")
    if session.replaced_by:
        flags.add("replaced")
    return flags
