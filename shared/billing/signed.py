"""A session's signed meter value held against the session: did the meter sign it, and does it tell of this charge?

`docs/energy.md` says what each verdict means to an operator.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

import msgspec

from shared.billing.ocmf import ERROR, GOOD, Document, MeterReading, is_signed_by, read_document
from shared.billing.public_key import PublicKey, read_public_key
from shared.errors import InvalidInput

_MOST_PLACES = 5


class Verdict(StrEnum):
    """What is known of a document's signature."""

    UNSIGNED = "unsigned"
    """There is no signature; the charger's meter does not sign."""
    NO_KEY = "no-key"
    """Signed, and no public key is known to check it with."""
    VALID = "valid"
    """The holder of the key signed exactly this."""
    INVALID = "invalid"
    """The key did not sign this: it was changed on the way, or the key is another charger's."""
    UNREADABLE = "unreadable"
    """It is not a document that we can read."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """What a document is worth as evidence of a session.

    `energy_kwh`, `begin` and `end` are the document's own. `same_session` is whether it names this session, None where
    that cannot be told. `findings` are sentences about whatever is not as it should be; none names a card or a driver.
    `key_fingerprint` is that of the key it was checked with.
    """

    verdict: Verdict
    same_session: bool | None = None
    energy_kwh: Decimal | None = None
    begin: datetime | None = None
    end: datetime | None = None
    readings: tuple[MeterReading, ...] = ()
    findings: tuple[str, ...] = ()
    key_fingerprint: str | None = None


def assess(document: str, *, session_id: str, device_id: str | None, public_key: str | None) -> Assessment:
    """Never raises: a document or a key that cannot be read is said to be so in the findings.

    `device_id` is the charger's serial, `public_key` that of its meter in any form `read_public_key` takes; each None
    where it is not known. Whether other sources say the same of the session's energy is seen where it is folded, since
    they may be heard of later.
    """
    try:
        read = read_document(document)
    except InvalidInput as fault:
        return Assessment(verdict=Verdict.UNREADABLE, findings=(_sentence(fault),))
    verdict, key, doubts = _verdict(document, read, public_key)
    same_session = read.session_id == session_id.lower() if read.session_id else None
    return Assessment(
        verdict=verdict,
        same_session=same_session,
        energy_kwh=read.energy_kwh,
        begin=read.begin.at if read.begin else None,
        end=read.end.at if read.end else None,
        readings=read.readings,
        findings=(
            *doubts,
            *(["The document tells of another session."] if same_session is False else []),
            *_faults_of_origin(read, device_id),
            *_faults_of_readings(read),
        ),
        key_fingerprint=key.fingerprint if key else None,
    )


def _verdict(text: str, read: Document, public_key: str | None) -> tuple[Verdict, PublicKey | None, list[str]]:
    if not public_key or not public_key.strip():
        return (Verdict.NO_KEY if read.algorithm else Verdict.UNSIGNED), None, []
    if read.algorithm is None:
        return Verdict.UNSIGNED, None, ["The charger's meter has a key to sign with, and did not sign this."]
    try:
        key = read_public_key(public_key)
    except InvalidInput as fault:
        return Verdict.NO_KEY, None, [_sentence(fault)]
    if is_signed_by(text, key.der):
        return Verdict.VALID, key, []
    return Verdict.INVALID, key, [f"The charger's key ({key.curve}) did not make this signature ({read.algorithm})."]


def _faults_of_origin(read: Document, device_id: str | None) -> Iterator[str]:
    serial = read.charger_serial or read.meter_serial
    if not read.session_id:
        yield "The document does not name its session."
    if device_id and serial is None:
        yield "The document does not name its charger."
    elif device_id and serial and serial.strip().upper() != device_id.strip().upper():
        yield f"The document is of the charger or meter {serial}, and the session of {device_id}."
    if read.has_own_key:
        yield "The document brings a key of its own, which proves nothing and was not used."


def _faults_of_readings(read: Document) -> Iterator[str]:
    if read.begin is None:
        yield "No reading begins the transaction."
    if read.end is None:
        yield "No reading ends the transaction."
    places: dict[str, list[str]] = {}
    for place, reading in enumerate(read.readings, start=1):
        for fault in _faults_of(reading):
            places.setdefault(fault, []).append(str(place))
    for fault, found in places.items():
        more = f" and {len(found) - _MOST_PLACES} more" if len(found) > _MOST_PLACES else ""
        yield f"{fault} (reading {', '.join(found[:_MOST_PLACES])}{more})."
    if any(later.at < earlier.at for earlier, later in pairwise(read.readings)):
        yield "The readings are not in the order of their instants."
    counts = [reading.energy_kwh for reading in read.readings if reading.energy_kwh is not None]
    if any(later < earlier for earlier, later in pairwise(counts)):
        yield "The meter counted backwards."


def _faults_of(reading: MeterReading) -> Iterator[str]:
    if reading.meter_status not in (GOOD, None):
        yield f"The meter reports the error {reading.meter_status}"
    if reading.transaction == ERROR:
        yield "An error occurred while charging, after which energy and time are not to be used"
    if "E" in reading.error_flags:
        yield "The energy is not to be billed"
    if "t" in reading.error_flags:
        yield "The time is not to be billed"
    if reading.time_status == "U":
        yield "The charger's clock was not set"


def _sentence(fault: InvalidInput) -> str:
    text = str(fault)
    return f"{text[0].upper()}{text[1:]}."
