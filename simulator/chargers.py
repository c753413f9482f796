"""What chargers do: a cable is plugged in, a card scanned, energy flows, the cable is pulled, the network fails.

The start of a session is decided elsewhere (hooks.py); without web hooks ZapCloud authorizes by itself, anonymously.
An offline charger decides alone, and ZapCloud hears of its sessions when it is back. What is observed in which order is
that of a Zaptec Go: the card before anybody has authorized it, the completed session after the vehicle has gone.
"""

from datetime import timedelta

import msgspec

from simulator.errors import ConflictError
from simulator.faults import Faults
from simulator.hooks import EndCaller, StartCaller, conclude
from simulator.kernel import Kernel, Signal
from simulator.messages import instant_text
from simulator.models import (
    Attempt,
    AuthenticationType,
    Charger,
    CommitMetadata,
    Installation,
    OperationMode,
    Plugged,
    Session,
    StateId,
)
from simulator.ocmf import signed_session
from simulator.readings import CURRENTS, NOMINAL_V, PHASES, is_charging, number_text
from simulator.world import FIRMWARE, World

DEFAULT_POWER_KW = 11.0


class Chargers:
    """Every charger of the world, as those who stand in front of it use it."""

    def __init__(self, kernel: Kernel, world: World, faults: Faults, start: StartCaller, end: EndCaller) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._start = start
        self._end = end

    def plug(self, charger_id: str, *, driver: str = "", power_kw: float = DEFAULT_POWER_KW) -> Plugged:
        """Connect a vehicle that would draw so much, and begin to ask for its authorization.

        Raises:
            ConflictError: another vehicle is connected.
        """
        charger = self._world.charger(charger_id)
        if charger.plugged:
            raise ConflictError(f"a vehicle is connected to charger {charger.id} already")
        charger.plugged = plugged = self._attempt(charger, driver, power_kw)
        self._mode(charger, OperationMode.REQUESTING)
        self._ask(charger, plugged)
        return plugged

    def scan(self, charger_id: str, token: str) -> None:
        """Hold a card against the charger; ZapCloud takes it once a vehicle is connected and not yet authorized.

        Raises:
            ConflictError: there is no attempt that could use it.
        """
        charger = self._world.charger(charger_id)
        plugged = charger.plugged
        if not plugged:
            raise ConflictError("no vehicle is connected: the card must be scanned after the cable is plugged in")
        if charger.session:
            raise ConflictError("a session is running already: the card is not needed")
        if plugged.attempt.outcome:
            if not self._world.settings.rescan:
                raise ConflictError(f"the attempt is over ({plugged.attempt.outcome}): plug the cable in again")
            plugged = charger.plugged = self._attempt(charger, plugged.driver, plugged.power_kw)
            self._ask(charger, plugged)
        plugged.token = canonical_token(token)
        self._world.observe(charger, StateId.CURRENT_USER, plugged.token)
        plugged.changed.set()

    def finish(self, charger_id: str) -> None:
        """The vehicle is full: it draws no more, but its cable stays connected and the session goes on."""
        charger = self._world.charger(charger_id)
        if charger.session and is_charging(charger):
            self._draw(charger, charger.session, 0.0)
            self._mode(charger, OperationMode.FINISHED)

    def unplug(self, charger_id: str) -> Session | None:
        """Pull the cable; answers with the session that this ended.

        Raises:
            ConflictError: no vehicle is connected.
        """
        charger = self._world.charger(charger_id)
        plugged = charger.plugged
        if not plugged:
            raise ConflictError(f"no vehicle is connected to charger {charger.id}")
        plugged.gone = True
        plugged.changed.set()
        charger.plugged = None
        session = charger.session
        if session:
            self._stop(charger, session)
        self._mode(charger, OperationMode.DISCONNECTED)
        if session:
            self._complete(charger, session)
        self._world.observe(charger, StateId.CURRENT_USER, "")
        return session

    def go_offline(self, charger_id: str) -> None:
        charger = self._world.charger(charger_id)
        charger.online = False
        self._world.observe(charger, StateId.IS_ONLINE, "0")

    def go_online(self, charger_id: str) -> None:
        """Back in touch: what ended meanwhile is reported, and who waited is asked for."""
        charger = self._world.charger(charger_id)
        charger.online = True
        self._world.observe(charger, StateId.IS_ONLINE, "1")
        self._world.send_unsent(charger)
        for session in charger.unreported:
            self._close(session)
        charger.unreported.clear()
        if charger.session:
            self._world.sessions[charger.session.id] = charger.session
        if charger.plugged:
            charger.plugged.changed.set()

    def replace(self, session_id: str) -> Session:
        """ZapCloud corrects an ended session: it becomes void, without energy and duration, and another stands for it.

        Published in the API's model SessionListModel (ReplacedBySessionId). That the end hook is called for both is
        a guess.

        Raises:
            ConflictError: the session runs or was replaced before.
        """
        old = self._world.session(session_id)
        if old.closed_at is None or old.replaced_by:
            raise ConflictError("only a session that has ended, and was not replaced, can be")
        new = msgspec.structs.replace(
            old, id=self._world.new_id("session"), status="ended", end_tries=0, end_acknowledged_at=None
        )
        old.replaced_by, old.energy_kwh, old.end = new.id, 0.0, old.start
        old.commit_metadata |= CommitMetadata.VOID
        old.signed_session, old.end_acknowledged_at = None, None
        for session in (old, new):
            self._close(session)
        return new

    def _attempt(self, charger: Charger, driver: str, power_kw: float) -> Plugged:
        attempt = Attempt(
            self._world.new_id("attempt"), charger.id, charger.installation_id, driver, self._kernel.now()
        )
        self._world.attempts.append(attempt)
        return Plugged(attempt, driver, power_kw)

    def _ask(self, charger: Charger, plugged: Plugged) -> None:
        self._kernel.spawn(self._authorize(charger, plugged), f"authorization at {charger.device_id}")

    async def _authorize(self, charger: Charger, plugged: Plugged) -> None:
        installation = self._world.installation_of(charger)
        if not charger.online and installation.offline_allow_anonymous:
            self._begin(charger, plugged, self._world.new_id("session"))
            return
        while not charger.online and not plugged.gone:
            plugged.changed = Signal()
            await self._kernel.wait(plugged.changed)
        if plugged.gone:
            conclude(plugged, "unplugged", self._kernel.now())
        elif calls_hooks(installation) and installation.webhooks_session_start_url:
            await self._start.ask(charger, plugged, self._begin)
        else:
            self._begin(charger, plugged, self._world.new_id("session"))

    def _begin(self, charger: Charger, plugged: Plugged, session_id: str) -> None:
        now = self._kernel.now()
        charger.session = session = Session(
            session_id,
            charger.id,
            charger.device_id,
            charger.installation_id,
            plugged.token,
            plugged.driver,
            start=now,
            metered_at=now,
            meter_start_kwh=charger.meter_kwh,
        )
        if charger.online:
            self._world.sessions[session.id] = session
        else:
            session.offline = True
            session.commit_metadata = CommitMetadata.OFFLINE | CommitMetadata.RELIABLE_CLOCK
        charger.readings.clear()
        self._world.observe(charger, StateId.SESSION_ID, session.id)
        self._mode(charger, OperationMode.CHARGING)
        self._draw(charger, session, plugged.power_kw)
        plugged.attempt.session_id = session.id
        conclude(plugged, "authorized", now)

    def _stop(self, charger: Charger, session: Session) -> None:
        """Energy flows no more, and what flowed is signed."""
        now = self._kernel.now()
        session.signed_session = signed_session(session, now, FIRMWARE, charger.readings)
        self._draw(charger, session, 0.0)
        session.end = now
        charger.meter_kwh = round(charger.meter_kwh + session.energy_kwh, 3)

    def _complete(self, charger: Charger, session: Session) -> None:
        """The charger is done with its session; ZapCloud closes it now, or once the charger is back online."""
        charger.session = None
        self._world.observe(charger, StateId.SIGNED_METER_VALUE, session.signed_session or "")
        self._world.observe(charger, StateId.COMPLETED_SESSION, completed_session(session, charger.clock_ahead))
        self._world.observe(charger, StateId.SESSION_ID, "")
        if charger.online:
            self._close(session)
        else:
            session.commit_metadata = CommitMetadata.OFFLINE | CommitMetadata.RELIABLE_CLOCK
            charger.unreported.append(session)

    def _close(self, session: Session) -> None:
        """ZapCloud writes the end into its database and, if told to, calls the app."""
        self._world.sessions[session.id] = session
        session.closed_at = self._kernel.now()
        session.status = "ended"
        installation = self._world.installation(session.installation_id)
        if calls_hooks(installation) and installation.webhooks_session_end_url:
            self._kernel.spawn(self._end.tell(session), f"session end {session.id}")

    def _draw(self, charger: Charger, session: Session, power_kw: float) -> None:
        flowed = session.power_kw > 0
        session.draw(power_kw, self._kernel.now())
        if power_kw or (flowed and not self._faults.strikes("readings-persist", charger.id)):
            current = number_text(charger, power_kw * 1000 / (NOMINAL_V * PHASES))
            for state in CURRENTS:
                self._world.observe(charger, state, current)
            self._world.observe(charger, StateId.TOTAL_CHARGE_POWER_W, number_text(charger, power_kw * 1000))
        self._world.observe(charger, StateId.SESSION_ENERGY_KWH, number_text(charger, session.energy_kwh))

    def _mode(self, charger: Charger, mode: OperationMode) -> None:
        self._world.observe(charger, StateId.OPERATION_MODE, str(mode.value))


def calls_hooks(installation: Installation) -> bool:
    return installation.authentication_type == AuthenticationType.WEB_HOOKS


def canonical_token(scanned: str) -> str:
    """A card as the charger reports it: `nfc-` and upper-case hexadecimal digits; what has a prefix stays as it is."""
    if scanned.startswith(("nfc-", "ble-")):
        return scanned
    return "nfc-" + "".join(character for character in scanned if character not in " :-").upper()


def completed_session(session: Session, clock_ahead: timedelta) -> str:
    """The value of observation 723; its instants are those of the charger's clock."""
    end = session.end or session.start
    body = {
        "SessionId": session.id,
        "Energy": session.energy_kwh,
        "StartDateTime": instant_text(session.start + clock_ahead, cloud_made=False),
        "EndDateTime": instant_text(end + clock_ahead, cloud_made=False),
        "ReliableClock": True,
        "StoppedByRFID": False,
        "AuthenticationCode": session.token or "",
        "SignedSession": session.signed_session,
    }
    return msgspec.json.encode(body).decode()
