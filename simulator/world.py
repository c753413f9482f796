"""The simulated world: every installation, charger, session and record, with identifiers drawn from one seed."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from simulator.errors import NotFoundError
from simulator.meter import MeterKey
from simulator.models import (
    CLOUD_MADE,
    Attempt,
    Charger,
    Circuit,
    HookCall,
    Installation,
    Observation,
    OperationMode,
    RestRequest,
    StateId,
    TimerRun,
    TokenRequest,
    UserGroup,
)
from simulator.ocmf import SIGNING_DEVICE_TYPE
from simulator.sessions import Session
from simulator.settings import Settings

SERIAL_PREFIXES = {1: "ZPR", 4: "ZAP"}
FIRMWARE = "2.4.2.4"
MICROSECOND = timedelta(microseconds=1)
NO_AGE = timedelta()


class World:
    """Holds what is and what was; changes nothing by itself."""

    def __init__(self, seed: int, now: Callable[[], datetime]) -> None:
        self.seed = seed
        self._sources: dict[str, Random] = {}
        self.now = now
        self.settings = Settings()
        self.installations: dict[str, Installation] = {}
        self.user_groups: dict[str, UserGroup] = {}
        self.chargers: dict[str, Charger] = {}
        self.sessions: dict[str, Session] = {}
        self.closed: list[Session] = []
        """Those that ZapCloud has closed, in the order in which it did."""
        self.attempts: list[Attempt] = []
        self.calls: list[HookCall] = []
        self.requests: list[RestRequest] = []
        self.token_requests: list[TokenRequest] = []
        self.timer_runs: list[TimerRun] = []
        self.listeners: list[Callable[[Charger, Observation], None]] = []
        """Told of every observation that reaches ZapCloud, in the order in which they do."""

    def random(self, purpose: str) -> Random:
        """A source of its own for each purpose, so that what the app does cannot shift the identifiers of chargers."""
        return self._sources.setdefault(purpose, Random(f"{self.seed}/{purpose}"))

    def new_id(self, kind: str) -> str:
        return str(uuid.UUID(int=self.random(kind).getrandbits(128), version=4))

    def secret(self) -> str:
        """A seeded stand-in for a random secret: good enough where all is simulated."""
        return f"{self.random('secret').getrandbits(256):064x}"

    def installation(self, installation_id: str) -> Installation:
        try:
            return self.installations[installation_id]
        except KeyError:
            raise NotFoundError(f"no installation {installation_id}") from None

    def charger(self, charger_id: str) -> Charger:
        try:
            return self.chargers[charger_id]
        except KeyError:
            raise NotFoundError(f"no charger {charger_id}") from None

    def session(self, session_id: str) -> Session:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise NotFoundError(f"no session {session_id}") from None

    def installation_of(self, charger: Charger) -> Installation:
        return self.installations[charger.installation_id]

    def add_user_group(self, name: str, installation_ids: list[str]) -> UserGroup:
        """A user group of these installations.

        Raises:
            NotFoundError: for an installation that is not there.
        """
        ids = [self.installation(installation_id).id for installation_id in installation_ids]
        group = UserGroup(self.new_id("user group"), name, ids)
        self.user_groups[group.id] = group
        return group

    def add_installation(self, name: str, charger_count: int, device_type: int = 4) -> Installation:
        """An installation of one circuit whose chargers stand idle and online."""
        circuit = Circuit(self.new_id("circuit"), "Circuit 1", 63.0, [])
        installation = Installation(self.new_id("installation"), name, self.now(), [circuit])
        self.installations[installation.id] = installation
        for number in range(1, charger_count + 1):
            charger = self._add_charger(f"{name} {number}", device_type)
            charger.installation_id, charger.circuit_id = installation.id, circuit.id
            circuit.charger_ids.append(charger.id)
        return installation

    def _add_charger(self, name: str, device_type: int) -> Charger:
        serial = f"{SERIAL_PREFIXES.get(device_type, 'ZAP')}{len(self.chargers) + 1:06}"
        source = self.random("charger")
        charger = Charger(self.new_id("charger"), serial, name, device_type, f"{source.randrange(10_000):04}")
        charger.meter_kwh = round(source.uniform(100, 9000), 3)
        self.chargers[charger.id] = charger
        self.observe(charger, StateId.IS_ONLINE, "1")
        self.observe(charger, StateId.OPERATION_MODE, str(OperationMode.DISCONNECTED.value))
        self.observe(charger, StateId.IS_ENABLED, "1")
        self.observe(charger, StateId.IS_STAND_ALONE, "1")
        self.observe(charger, StateId.FIRMWARE, FIRMWARE)
        if device_type == SIGNING_DEVICE_TYPE:
            charger.meter_key = MeterKey(self.random(f"meter {charger.id}"))
            self.observe(charger, StateId.MID_PUBLIC_KEY, charger.meter_key.public_key)
        return charger

    def observe(self, charger: Charger, state_id: int, value: str, *, age: timedelta = NO_AGE) -> None:
        """State `state_id` is `value`, and was that when it was measured `age` ago; empty clears it.

        Two observations of one state never have the same timestamp. What an offline charger observes stays with it.
        """
        at = self.now() - age
        known = charger.newest(state_id)
        if known and at <= known.timestamp:
            at = known.timestamp + MICROSECOND
        observation = Observation(int(state_id), at, value)
        if charger.online or state_id in CLOUD_MADE:
            self._tell(charger, observation)
        else:
            charger.unsent.append(observation)

    def send_unsent(self, charger: Charger) -> None:
        """The charger is back online and says what it observed meanwhile, with the timestamps of then."""
        unsent, charger.unsent = charger.unsent, []
        for observation in unsent:
            self._tell(charger, observation)

    def _tell(self, charger: Charger, observation: Observation) -> None:
        state_id = observation.state_id
        if known := charger.states.get(state_id):
            charger.previous[state_id] = known
        charger.states[state_id] = observation
        for listener in self.listeners:
            listener(charger, observation)
