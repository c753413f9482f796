"""What chargers do: a cable is plugged in, a card scanned, energy flows, the cable is pulled, the network fails.

The start of a session is decided elsewhere (hooks.py, native.py), and so is what becomes of it in ZapCloud (cloud.py).
An offline charger decides alone, and ZapCloud hears of its sessions when it is back. What is observed in which order is
that of a Zaptec Go: the card before anybody has authorized it, the completed session after the vehicle has gone.
"""

from simulator.cloud import Cloud, calls_hooks
from simulator.commit import commit_metadata, completed_session
from simulator.errors import ConflictError
from simulator.faults import Faults
from simulator.hooks import StartCaller, conclude
from simulator.kernel import Kernel, Signal
from simulator.models import Attempt, AuthenticationType, Charger, OperationMode, Plugged, StateId
from simulator.native import NativeAuthorization, canonical_token, needs_card
from simulator.ocmf import signed_session
from simulator.readings import CURRENTS, NOMINAL_V, PHASES, is_charging, number_text
from simulator.sessions import CommitMetadata, Session
from simulator.world import FIRMWARE, World

DEFAULT_POWER_KW = 11.0
DIFFERS_KWH = 1.234
"""How far a signed reading is off where it is made to be."""
THIRD_PARTY_TRANSACTIONS = (AuthenticationType.OCPP, AuthenticationType.OCPP_NATIVE)


class Chargers:
    """Every charger of the world, as those who stand in front of it use it."""

    def __init__(self, kernel: Kernel, world: World, faults: Faults, start: StartCaller, cloud: Cloud) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._start = start
        self._native = NativeAuthorization(kernel, world)
        self._cloud = cloud

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

        A charger that let a vehicle in while it was offline, without a card, notes the one it is shown later.

        Raises:
            ConflictError: there is no attempt that could use it.
        """
        charger = self._world.charger(charger_id)
        plugged = charger.plugged
        if not plugged:
            raise ConflictError("no vehicle is connected: the card must be scanned after the cable is plugged in")
        if charger.session:
            if not charger.session.offline or charger.session.token:
                raise ConflictError("a session is running already: the card is not needed")
            charger.session.token = canonical_token(token)
        elif plugged.attempt.outcome:
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
            self._end(charger, session, OperationMode.DISCONNECTED)
        else:
            self._mode(charger, OperationMode.DISCONNECTED)
        self._world.observe(charger, StateId.CURRENT_USER, "")
        return session

    def stop(self, charger_id: str) -> Session:
        """The driver holds the card against the charger again, which ends the session; the cable stays connected.

        Raises:
            ConflictError: no session runs there, or it began without a card.
        """
        charger = self._world.charger(charger_id)
        if not charger.session or not charger.session.token:
            raise ConflictError(f"no session that began with a card runs at charger {charger.id}")
        return self._end(charger, charger.session, OperationMode.FINISHED, CommitMetadata.STOPPED_BY_RFID)

    def abort(self, charger_id: str) -> Session:
        """A fault ends the session; the cable stays connected.

        Raises:
            ConflictError: no session runs there.
        """
        charger = self._world.charger(charger_id)
        if not charger.session:
            raise ConflictError(f"no session runs at charger {charger.id}")
        return self._end(charger, charger.session, OperationMode.FINISHED, CommitMetadata.ABORTED)

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
            self._cloud.close(session)
        charger.unreported.clear()
        if charger.session:
            self._world.sessions[charger.session.id] = charger.session
        if charger.plugged:
            charger.plugged.changed.set()

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
        if needs_card(charger, installation):
            await self._native.ask(charger, plugged, self._begin)
            return
        while not charger.online and not plugged.gone:
            plugged.changed = Signal()
            await self._kernel.wait(plugged.changed)
        if plugged.gone:
            conclude(plugged, "unplugged", self._kernel.now())
        elif calls_hooks(installation) and installation.webhooks_session_start_url:
            await self._start.ask(charger, plugged, self._begin)
        else:
            await self._native.ask(charger, plugged, self._begin)

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
        if self._world.installation_of(charger).authentication_type in THIRD_PARTY_TRANSACTIONS:
            session.external_id = str(self._world.random("transaction").randrange(10**9, 10**10))
        charger.readings.clear()
        self._world.observe(charger, StateId.SESSION_ID, session.id)
        self._mode(charger, OperationMode.CHARGING)
        self._draw(charger, session, plugged.power_kw)
        plugged.attempt.session_id = session.id
        conclude(plugged, "authorized", now)

    def _end(self, charger: Charger, session: Session, mode: OperationMode, how: int = 0) -> Session:
        """The session is over; `how` are bits of CommitMetadata that say why, if that was not the cable."""
        self._stop(charger, session)
        self._mode(charger, mode)
        self._complete(charger, session, how)
        return session

    def _stop(self, charger: Charger, session: Session) -> None:
        """Energy flows no more, and what flowed is signed."""
        now = self._kernel.now()
        differs = self._faults.strikes("signed-differs", charger.id) is not None
        session.signed_session = signed_session(
            charger,
            session,
            now,
            FIRMWARE,
            differs_kwh=DIFFERS_KWH if differs else 0.0,
            broken=self._faults.strikes("signature-broken", charger.id) is not None,
        )
        self._draw(charger, session, 0.0)
        session.end = now
        charger.meter_kwh = round(charger.meter_kwh + session.energy_kwh, 3)

    def _complete(self, charger: Charger, session: Session, how: int) -> None:
        """The charger is done with its session; ZapCloud closes it now, or once the charger is back online."""
        charger.session = None
        if session.offline or not charger.online:
            session.clock_ahead = charger.clock_ahead
        ocpp_native = self._world.installation_of(charger).authentication_type == AuthenticationType.OCPP_NATIVE
        session.commit_metadata = how | commit_metadata(charger, session, ocpp_native=ocpp_native)
        self._world.observe(charger, StateId.SIGNED_METER_VALUE, session.signed_session or "")
        self._world.observe(charger, StateId.COMPLETED_SESSION, completed_session(session, charger.clock_ahead))
        self._world.observe(charger, StateId.SESSION_ID, "")
        if charger.online:
            self._cloud.close(session)
        else:
            charger.unreported.append(session)

    def _draw(self, charger: Charger, session: Session, power_kw: float) -> None:
        flowed = session.power_kw > 0
        session.draw(power_kw, self._kernel.now())
        if not self._world.settings.changes_reported:
            return
        if power_kw or (flowed and not self._faults.strikes("readings-persist", charger.id)):
            current = number_text(charger, power_kw * 1000 / (NOMINAL_V * PHASES))
            for state in CURRENTS:
                self._world.observe(charger, state, current)
            self._world.observe(charger, StateId.TOTAL_CHARGE_POWER_W, number_text(charger, power_kw * 1000))
        self._world.observe(charger, StateId.SESSION_ENERGY_KWH, number_text(charger, session.energy_kwh))

    def _mode(self, charger: Charger, mode: OperationMode) -> None:
        self._world.observe(charger, StateId.OPERATION_MODE, str(mode.value))
