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
    by_charger = {session.charger_id: session for session in sessions}
    chargers = (Charger(id=one.charger_id, installation_id=one.installation_id) for one in by_charger.values())
    glance = await reader.glance(chargers)
    energies: dict[str, float] = {}
    for charger_id, now in glance.items():
        running, energy = now.observations.get(SESSION_ID), now.observations.get(SESSION_ENERGY_KWH)
        session = by_charger[charger_id]
        if running and energy and (running.value or "").lower() == session.session_id and energy.at >= running.at:
            kwh = number_in(energy.value)
            if kwh is not None:
                energies[session.session_id] = kwh
    return energies
