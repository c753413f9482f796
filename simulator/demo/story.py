"""Tells what happens, in sentences, from the simulator's own record."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from simulator.client import SimulatorClient
from simulator.models import Attempt, HookCall
from simulator.sessions import Session

type Event = dict[str, Any]

REFUSED = {
    "refused": "{who}'s card is refused; the lamp flashes red.",
    "timed-out": "{who} showed no card for five minutes; the charger stops asking.",
}

STREAM = {
    "rotation.found": "The app finds that the message subscription has new credentials, and fetches them.",
    "rotation.completed": "The stream's listener was restarted with its new credentials; messages come again.",
    "rotation.failed": "The app asks for the new credentials and gets no answer; it will ask again.",
    "stream.silent": "The app notices that messages have stopped, and asks the plugs' states of Zaptec instead.",
}

HOW = {"end-delayed": ", late", "end-duplicated": ", late and twice"}


class Story:
    """Each call of `news` tells what came since the one before, in order of time."""

    def __init__(self, simulator: SimulatorClient, names: dict[str, str], events: Callable[[], list[Event]]) -> None:
        """`events` gives what the app has said of its message stream so far."""
        self._simulator = simulator
        self._events = events
        self._heard = len(events())
        self._said = set[str]()
        self._names = names
        self._told: set[tuple[str, str]] = set()
        self._calls = 0

    async def news(self) -> list[tuple[datetime, str]]:
        attempts = await self._simulator.attempts()
        sessions = await self._simulator.sessions()
        calls = await self._simulator.calls()
        drivers = {session.id: session.driver for session in sessions}
        found = [line for attempt in attempts for line in self._of_attempt(attempt)]
        found += [line for session in sessions for line in self._of_session(session)]
        found += [line for call in calls[self._calls :] for line in self._of_call(call, drivers)]
        self._calls = len(calls)
        now = (await self._simulator.clock()).now
        return sorted(found) + [(now, line) for line in self._of_stream()]

    def _of_stream(self) -> Iterator[str]:
        """What the app says of its message stream; what it says again and again, once until all is well."""
        events = self._events()
        for event in events[self._heard :]:
            line = STREAM.get(event["event"])
            if line and line not in self._said:
                self._said.add(line)
                yield line
            if event["event"] == "rotation.completed":
                self._said.clear()
        self._heard = len(events)

    def _of_attempt(self, attempt: Attempt) -> Iterator[tuple[datetime, str]]:
        plug = self._names[attempt.charger_id]
        if self._is_new(attempt.id, "plugged"):
            yield attempt.started_at, f"{attempt.driver} plugs in at {plug}."
        if attempt.ended_at and attempt.outcome in REFUSED and self._is_new(attempt.id, "refused"):
            yield attempt.ended_at, REFUSED[attempt.outcome].format(who=attempt.driver)

    def _of_session(self, session: Session) -> Iterator[tuple[datetime, str]]:
        plug = self._names[session.charger_id]
        if self._is_new(session.id, "began"):
            yield session.start, f"{session.driver} may charge; {plug} turns on."
        if session.end and self._is_new(session.id, "ended"):
            yield session.end, f"{session.driver} unplugs after {session.energy_kwh:.2f} kWh."

    def _of_call(self, call: HookCall, drivers: dict[str, str]) -> Iterator[tuple[datetime, str]]:
        plug = self._names.get(call.charger_id or "", "a plug")
        if call.kind == "start" and call.delivered and not call.answered:
            yield call.at, f"The answer for {plug} is lost on the way; ZapCloud will ask again."
        if call.kind == "end" and call.faults and self._is_new(call.session_id or "", "reported"):
            driver = drivers.get(call.session_id or "", "somebody")
            yield call.at, f"ZapCloud reports the end of {driver}'s session{HOW.get(call.faults[-1], '')}."

    def _is_new(self, identity: str, what: str) -> bool:
        new = (identity, what) not in self._told
        self._told.add((identity, what))
        return new
