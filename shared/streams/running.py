"""The energy so far of sessions under way, from what their chargers observe."""

from collections.abc import Iterable

import msgspec

from shared.observations.folding import SESSION_ENERGY_KWH, SESSION_ID
from shared.observations.observation import number_in
from shared.observations.reader import ChargerReader
from shared.storage.chargers import Charger


class UnderWay(msgspec.Struct, frozen=True):
    """A session that has not ended, and where it is."""

    session_id: str
    charger_id: str
    installation_id: str


async def energy_so_far_kwh(reader: ChargerReader, sessions: Iterable[UnderWay]) -> dict[str, float]:
    """By session id, for those whose chargers say that they run them (observation 721) and what they took (553)."""
    wanted = list(sessions)
    places = {session.charger_id: session.installation_id for session in wanted}
    glance = await reader.glance(Charger(id=one, installation_id=place) for one, place in places.items())
    energies: dict[str, float] = {}
    for session in wanted:
        observations = glance[session.charger_id].observations if session.charger_id in glance else {}
        running, energy = observations.get(SESSION_ID), observations.get(SESSION_ENERGY_KWH)
        if running and energy and (running.value or "").lower() == session.session_id and energy.at >= running.at:
            kwh = number_in(energy.value)
            if kwh is not None:
                energies[session.session_id] = kwh
    return energies
