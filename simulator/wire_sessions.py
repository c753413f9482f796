"""How ZapCloud's REST API writes sessions: one model where somebody asks for a session, two in lists.

Charge history is in PascalCase with naive UTC timestamps, its energy details alone with an offset, and leaves null
fields out. The archive is in camelCase, with `Z`. Sources: the API's models SessionEndData and SessionListModel,
a charge history of the live service (stelund/charging-costs), and a client of the archive (stekker/zaptec).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from simulator.models import Charger
from simulator.sessions import CommitMetadata, Session
from simulator.wire import Json, naive
from simulator.world import FIRMWARE

FIRMWARE_VERSION = {"Major": 2, "Minor": 4, "Build": 2, "Revision": 4, "MajorRevision": 0, "MinorRevision": 4}
QUARTER = timedelta(minutes=15)


def session_end_data(session: Session, now: datetime) -> Json:
    """The model SessionEndData; SessionEnd is null until ZapCloud has closed the session."""
    return {
        "SessionId": session.id,
        "SessionStart": naive(session.claimed_start),
        "SessionEnd": naive(session.known_end),
        "Energy": session.energy_at(now),
        "SignedSession": session.signed_session if session.closed_at else None,
    }


def history_item(session: Session, charger: Charger, *, energy_details: bool) -> Json:
    """The model SessionListModel of a closed session. Of third-party sessions ZapCloud knows no user."""
    user = session.user
    details = details_of(session) if energy_details else []
    item: Json = {
        "Id": session.id,
        "DeviceId": session.device_id,
        "StartDateTime": naive(session.claimed_start),
        "EndDateTime": naive(session.closed_at),
        "CommitEndDateTime": naive(session.claimed_end),
        "Energy": session.energy_kwh,
        "CommitMetadata": session.commit_metadata,
        "UserFullName": user and user.full_name,
        "UserEmail": user and user.email,
        "UserUserName": user and user.email,
        "UserId": user and user.id,
        "ChargerId": session.charger_id,
        "DeviceName": charger.name,
        "TokenName": session.token_name,
        "ExternalId": session.external_id,
        "ExternallyEnded": session.status == "acknowledged",
        "EnergyDetails": [{"Timestamp": with_offset(at), "Energy": kwh} for at, kwh in details] or None,
        "ChargerFirmwareVersion": FIRMWARE_VERSION,
        "SignedSession": session.signed_session,
        "ReplacedBySessionId": session.replaced_by,
    }
    return {key: value for key, value in item.items() if value is not None}


def archived_item(session: Session, charger: Charger) -> Json:
    """A session of the archive. The second signature, that for German calibration law, no simulated charger makes."""
    user = session.user
    return {
        "id": session.id,
        "externalId": session.external_id,
        "chargerId": session.charger_id,
        "deviceId": session.device_id,
        "deviceName": charger.name,
        "chargerFirmwareVersion": FIRMWARE,
        "startDateTime": with_z(session.claimed_start),
        "endDateTime": with_z(session.known_end),
        "recognizedDateTime": with_z(session.closed_at),
        "energy": session.energy_kwh,
        "tokenName": session.token_name,
        **{name: bool(session.commit_metadata & bit) for name, bit in ARCHIVED_BITS.items()},
        "externallyAbandoned": not session.is_committed,
        "replacedBySessionId": session.replaced_by,
        "sessionSignature": session.signed_session,
        "sessionSignatureEichreicht": None,
        "authorizedUser": {"id": user.id, "email": user.email, "fullName": user.full_name} if user else None,
        "energyDetails": [{"timestamp": with_z(at), "energy": kwh} for at, kwh in details_of(session)],
    }


ARCHIVED_BITS = {
    "offline": CommitMetadata.OFFLINE,
    "reliableClock": CommitMetadata.RELIABLE_CLOCK,
    "stoppedByRfid": CommitMetadata.STOPPED_BY_RFID,
    "signed": CommitMetadata.SIGNED,
    "voided": CommitMetadata.VOID,
    "aborted": CommitMetadata.ABORTED,
    "ocppNative": CommitMetadata.OCPP_NATIVE,
}


def details_of(session: Session) -> list[tuple[datetime, float]]:
    """Instants by the charger's clock, and the energy in kWh since the one before: none at the start, then at each
    quarter hour, and at the end. There are none where the charger did not say how the session ended."""
    if session.end is None:
        return []
    ahead = session.clock_ahead
    instants = list(quarters(session.start + ahead, session.end + ahead))
    counts = [session.energy_by(at - ahead) for at in instants]
    gains = [round(after - before, 3) for before, after in pairwise(counts)]
    return list(zip(instants, [0.0, *gains], strict=True))


def quarters(start: datetime, end: datetime) -> Iterator[datetime]:
    """The two, and each quarter hour between them."""
    yield start
    at = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0) + QUARTER
    while at < end:
        yield at
        at += QUARTER
    yield end


def with_offset(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}+00:00"


def with_z(instant: datetime | None) -> str | None:
    return None if instant is None else f"{naive(instant)}Z"
