"""What ZapCloud writes into its database about the end of sessions, and how it corrects that later."""

from datetime import timedelta

import msgspec

from simulator.errors import ConflictError
from simulator.faults import Faults
from simulator.hooks import EndCaller
from simulator.kernel import Kernel
from simulator.models import AuthenticationType, Installation, Observation, StateId
from simulator.sessions import CommitMetadata, Session
from simulator.world import World


class Cloud:
    """Closes sessions, takes them back, replaces them, gives them up."""

    def __init__(self, kernel: Kernel, world: World, faults: Faults, end: EndCaller) -> None:
        self._kernel = kernel
        self._world = world
        self._faults = faults
        self._end = end

    def close(self, session: Session) -> None:
        """ZapCloud writes the end into its database and, if told to, calls the app."""
        now = self._kernel.now()
        self._world.sessions[session.id] = session
        installation = self._world.installation(session.installation_id)
        if session.closed_at is None:
            attribute(session, installation)
            late = self._faults.strikes("history-late", session.charger_id)
            session.listed_at = now + timedelta(seconds=late.seconds if late else 0)
            self._world.closed.append(session)
        session.closed_at = now
        session.status = "ended"
        if calls_hooks(installation) and installation.webhooks_session_end_url:
            self._kernel.spawn(self._end.tell(session), f"session end {session.id}")

    def void(self, session_id: str) -> Session:
        """ZapCloud takes an ended session back; that its times and energy stay as they are is a guess.

        Raises:
            ConflictError: the session runs.
        """
        session = self._world.session(session_id)
        if session.closed_at is None:
            raise ConflictError("only a session that has ended can be voided")
        session.commit_metadata |= CommitMetadata.VOID
        return session

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
            old,
            id=self._world.new_id("session"),
            status="ended",
            closed_at=None,
            end_tries=0,
            end_acknowledged_at=None,
        )
        old.replaced_by, old.energy_kwh, old.end, old.curve = new.id, 0.0, old.start, []
        old.commit_metadata |= CommitMetadata.VOID
        old.signed_session, old.end_acknowledged_at = None, None
        for session in (old, new):
            self.close(session)
        return new

    def abandon(self, session_id: str) -> Session:
        """ZapCloud closes a session of whose end the charger never tells; its energy is what was last told of it.

        Raises:
            ConflictError: the session is closed already.
        """
        session = self._world.session(session_id)
        if session.closed_at is not None:
            raise ConflictError("only a session that ZapCloud holds to be running can be abandoned")
        charger, now = self._world.charger(session.charger_id), self._kernel.now()
        last_heard_at = now if charger.online else charger.states[StateId.IS_ONLINE].timestamp
        if charger.session is session:
            charger.session = None
            charger.meter_kwh = round(charger.meter_kwh + session.energy_at(now), 3)
        else:
            charger.unreported.remove(session)
        charger.unsent = [one for one in charger.unsent if not is_end_of(session, one)]
        session.energy_kwh = session.energy_by(last_heard_at)
        session.power_kw, session.metered_at, session.curve = 0.0, now, []
        session.end, session.signed_session, session.commit_metadata = None, None, 0
        self.close(session)
        return session


def attribute(session: Session, installation: Installation) -> None:
    """Write down who charged, as far as ZapCloud knows: of its own cards the name and the user, of others the token."""
    session.token_name = session.token
    if session.token and installation.authentication_type == AuthenticationType.NATIVE:
        card = installation.cards.get(session.token)
        session.token_name = card.name if card else session.token
        session.user = card.user if card else None


def is_end_of(session: Session, observation: Observation) -> bool:
    return observation.state_id == StateId.COMPLETED_SESSION and session.id in observation.value


def calls_hooks(installation: Installation) -> bool:
    return installation.authentication_type == AuthenticationType.WEB_HOOKS
