"""How a charger hands a finished session to ZapCloud: the bits of its CommitMetadata, and observation 723.

An offline charger whose clock is not to be relied on leaves the end out (smjothen/ApolloESP32Application). That the
bit for a signed session is set only where there is a signature is a guess.
"""

from datetime import timedelta

import msgspec

from simulator.messages import instant_text
from simulator.models import Charger
from simulator.sessions import CommitMetadata, Session


def commit_metadata(charger: Charger, session: Session, *, ocpp_native: bool) -> int:
    """The bits that follow from how the session was run, `session.clock_ahead` being set already."""
    offline = session.offline or not charger.online
    bits: int = CommitMetadata.OFFLINE if offline else CommitMetadata.ONLINE
    if not session.clock_ahead:
        bits |= CommitMetadata.RELIABLE_CLOCK
    if charger.meter_key:
        bits |= CommitMetadata.SIGNED
    if ocpp_native:
        bits |= CommitMetadata.OCPP_NATIVE
    return bits


def completed_session(session: Session, clock_ahead: timedelta) -> str:
    """The value of observation 723; its instants are those of the charger's clock."""
    reliable = not session.clock_ahead
    end = session.end or session.start
    body = {
        "SessionId": session.id,
        "Energy": session.energy_kwh,
        "StartDateTime": instant_text(session.start + clock_ahead, cloud_made=False),
        **({"EndDateTime": instant_text(end + clock_ahead, cloud_made=False)} if reliable else {}),
        "ReliableClock": reliable,
        "StoppedByRFID": bool(session.commit_metadata & CommitMetadata.STOPPED_BY_RFID),
        "AuthenticationCode": session.token or "",
        "SignedSession": session.signed_session,
    }
    return msgspec.json.encode(body).decode()
