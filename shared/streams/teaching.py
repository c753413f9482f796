"""Which of a charger's observations tell the session log what."""

from datetime import datetime

from shared.observations.folding import (
    CHARGING,
    COMPLETED_SESSION,
    DISCONNECTED,
    OPERATION_MODE,
    REQUESTING,
    SCANNED_TOKEN,
    SESSION_ID,
)
from shared.observations.observation import Observation
from shared.sessions.observed import ObservedSessions
from shared.storage.charger_states import UNASSIGNED

_MOST_REMEMBERED = 10_000


class Teaching:
    """Tells each statement once, as far as this process remembers; twice does no harm."""

    def __init__(self, sessions: ObservedSessions) -> None:
        self._sessions = sessions
        self._told: dict[tuple[str, int, datetime, int], None] = {}

    async def tell(self, observation: Observation, installation_id: str) -> None:
        """Raises StorageUnavailable, and may be repeated then."""
        statement = observation.charger_id, observation.state_id, observation.at, hash(observation.value)
        if statement in self._told:
            return
        known_place = installation_id if installation_id != UNASSIGNED else None
        await self._tell(observation, known_place)
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.pop(next(iter(self._told)))
        self._told[statement] = None

    async def _tell(self, observation: Observation, installation_id: str | None) -> None:
        sessions, charger_id, at = self._sessions, observation.charger_id, observation.at
        value = observation.value or ""
        if observation.state_id == OPERATION_MODE:
            if value == DISCONNECTED:
                await sessions.vehicle_disconnected(charger_id, at)
            elif value == CHARGING:
                await sessions.charging(charger_id, at)
            elif value == REQUESTING and installation_id:
                await sessions.charge_requested(installation_id, charger_id, at)
        elif value and observation.state_id == COMPLETED_SESSION:
            await sessions.session_completed(installation_id, charger_id, value)
        elif value and installation_id and observation.state_id == SESSION_ID:
            await sessions.session_running(installation_id, charger_id, value, at)
        elif value and installation_id and observation.state_id == SCANNED_TOKEN:
            await sessions.token_scanned(installation_id, charger_id, value, at)
