"""What the session log must say, held against the simulator's record of what really happened."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from shared.zapcloud.hooks import parse_instant
from simulator.demo.live import Live
from simulator.demo.morning import INGRID, OLA, PEOPLE, STRANGER
from simulator.models import Attempt, HookCall
from simulator.sessions import Session
from simulator.shapes import TruthView

_TOLERANCE_KWH = 0.0005
_TOLERANCE = timedelta(seconds=1)


class Record(msgspec.Struct, frozen=True):
    """What the simulator knows (truth) and what the app says (log)."""

    sessions: list[Session]
    attempts: list[Attempt]
    calls: list[HookCall]
    problems: list[Any]
    log: list[dict[str, Any]]
    unknown_cards: list[dict[str, Any]]
    timelines: dict[str, list[dict[str, Any]]]
    truth: TruthView
    states: dict[str, list[dict[str, Any]]]
    history: dict[str, list[dict[str, Any]]]
    looks: list[dict[str, Live]]
    health: dict[str, Any]
    events: list[str]


def checks(record: Record) -> Iterator[tuple[str, bool]]:
    """Each check in words, and whether it held."""
    truth = {session.id: session for session in record.sessions}
    logged = {item["sessionId"]: item for item in record.log}
    both = [(session, logged[session.id]) for session in record.sessions if session.id in logged]
    outcomes = {attempt.driver: attempt.outcome for attempt in record.attempts}

    yield f"all {len(truth)} sessions that ZapCloud had are in the log", bool(truth) and set(truth) <= set(logged)
    yield "none is there twice, and none that never was", len(record.log) == len(truth)
    yield (
        "each is charged to the driver whose car it was",
        len(both) == len(truth) and all(session.driver == item["driver"] for session, item in both),
    )
    yield (
        "each has the energy the meter counted",
        len(both) == len(truth)
        and all(
            item["energyKwh"] is not None and abs(session.energy_kwh - item["energyKwh"]) < _TOLERANCE_KWH
            for session, item in both
        ),
    )
    yield (
        "each begins and ends when the car was let in and unplugged",
        len(both) == len(truth)
        and all(
            item["end"] is not None
            and session.end is not None
            and abs(parse_instant(item["start"]) - session.start) <= _TOLERANCE
            and abs(parse_instant(item["end"]) - session.end) <= _TOLERANCE
            for session, item in both
        ),
    )
    allowed = {person.name for person in PEOPLE if person.card and person.registered and not person.blocked}
    allowed.add(OLA.name)
    got_in = {session.driver for session in record.sessions}
    yield "everybody who may charge did, and nobody else", got_in == allowed
    yield (
        "the unknown and the blocked card were refused, the visitor without one waited in vain",
        Counter(outcomes[person.name] for person in PEOPLE if person.name not in allowed)
        == {"refused": 2, "timed-out": 1},
    )
    yield "the answer that was lost was given again, with the same session id", _asked_again(record)
    yield "Ingrid's second session is one of its own", _count(record, INGRID.name) == 2
    yield (
        "an end that came twice is in the timeline once",
        any("end-duplicated" in call.faults for call in record.calls)
        and all(sum(fact["source"] == "end-hook" for fact in facts) == 1 for facts in record.timelines.values()),
    )
    yield (
        "ends that came late ended the right sessions",
        sum("end-delayed" in call.faults for call in record.calls) >= 2,
    )
    seen = [item["token"] for item in record.unknown_cards]
    yield "the unknown card is listed, ready to be registered", seen == [(STRANGER.card or "").replace(":", "")]
    yield from stream_checks(record)
    yield "nothing went wrong in the simulator itself", not record.problems


def stream_checks(record: Record) -> Iterator[tuple[str, bool]]:
    """What the message stream brought, and how it got through the changes of its credentials."""
    shown = {(plug, item["id"]): item["value"] for plug, items in record.states.items() for item in items}
    known = {(one.charger_id, one.state_id): one.held.value for one in record.truth.states if one.held}
    yield f"all {len(known)} states the plugs have are shown, as they last were", bool(known) and known == shown
    yield (
        "whoever looked at the plugs saw cars charging, with power, current and energy",
        len(record.looks) == 2
        and all(
            any(one.power_kw > 1 and one.current_a > 1 and one.energy_kwh > 0 for one in seen.values())
            for seen in record.looks
        ),
    )
    minutes = [(plug, item["at"]) for plug, items in record.history.items() for item in items]
    yield "the history has minutes of the morning, and none twice", bool(minutes) and len(minutes) == len(set(minutes))
    yield (
        "both changes of the message subscription's credentials were followed to the end",
        record.events.count("rotation.found") == 3 and record.events.count("rotation.completed") == 3,
    )
    yield (
        "the silent stream was noticed, and messages come again",
        "stream.silent" in record.events
        and all(not stream["silent"] for stream in record.health["streams"])
        and len(record.health["streams"]) == 1,
    )
    began = {plug for plug, facts in record.timelines.items() if any(fact["event"] == "charging" for fact in facts)}
    yield "the log knows of sessions that their chargers began to charge", len(began) >= len(record.sessions) - 2
    yield "nobody was taken for locked out", not [name for name in record.events if name.startswith("lockout.")]


def _asked_again(record: Record) -> bool:
    lost = [call for call in record.calls if call.kind == "start" and call.delivered and not call.answered]
    answers = Counter(call.session_id for call in record.calls if call.kind == "start" and call.session_id)
    with_id = [call.session_id for call in lost if call.session_id]
    return bool(with_id) and all(answers[session_id] >= 2 for session_id in with_id)


def _count(record: Record, driver: str) -> int:
    return sum(session.driver == driver for session in record.sessions)
