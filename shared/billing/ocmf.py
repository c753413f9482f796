"""What a charger's meter wrote down of a session: OCMF, the Open Charge Metering Format.

`OCMF|{payload}|{signature}` (SAFE e.V., "Open Charge Metering Format"). Zaptec's chargers write a reading when the
transaction begins and ends and at every quarter hour, and the session's id as `ZS`; a reading that failed has the
status E and no value, and where the meter does not sign there is no third part. Sources: the charger firmware
(smjothen/ApolloESP32Application, mid_ocmf.c), and values of live chargers in the tests of stelund/charging-costs and of
a Homey app.
"""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from shared.errors import InvalidInput
from shared.identifiers import canonical_uuid

if TYPE_CHECKING:
    from pyocmf import Payload
    from pyocmf import Reading as PyocmfReading

LONGEST_DOCUMENT = 256 * 1024
"""In characters: four weeks of quarter hours, and as much as a web hook may bring."""
_UNSIGNED, _SIGNED = 2, 3
_DIGEST_DIGITS = 16
_UNIT_OF = {"kWh": Decimal(1), "Wh": Decimal("0.001")}
_BEGIN = "B"
_ENDS = frozenset("ELRAP")
ERROR = "X"
GOOD = "G"
_MOST = 10**9
_MOST_DECIMALS = 12
_SURROGATE = re.compile("[\ud800-\udfff]")
_LETTERS = re.compile("[A-Za-z]{1,8}")
_NAME = re.compile("[A-Za-z0-9 ._-]{1,64}")


class MeterReading(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the meter; the letters are OCMF's."""

    at: datetime
    energy_kwh: Decimal | None
    """What the meter's register stood at, None where it could not be read."""
    transaction: str | None
    """Why it was read: B begin, E end (also L, R, A, P), T a quarter hour ("tariff change"), X an error."""
    time_status: str
    """How good the instant is: S synchronized, R relative, I informative, U unknown."""
    meter_status: str | None
    """G good; anything else is an error of the meter."""
    error_flags: str
    """E where the energy, t where the time must not be billed."""

    @property
    def energy_is_sound(self) -> bool:
        return self.meter_status in (GOOD, None) and "E" not in self.error_flags and self.transaction != ERROR


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says, whether or not it is true."""

    readings: tuple[MeterReading, ...]
    session_id: str | None
    charger_serial: str | None
    """GS, Zaptec's device id."""
    meter_serial: str | None
    identification: str | None
    """ID: what the driver was known by, such as a card's number; never to be logged."""
    algorithm: str | None
    """SA, None where there is no signature."""
    has_own_key: bool
    """A key came with the document, which proves nothing and is not used."""

    @property
    def begin(self) -> MeterReading | None:
        return next((reading for reading in self.readings if reading.transaction == _BEGIN), None)

    @property
    def end(self) -> MeterReading | None:
        return next((reading for reading in reversed(self.readings) if reading.transaction in _ENDS), None)

    @property
    def energy_kwh(self) -> Decimal | None:
        """What the register rose by from begin to end; None where one of the two is missing or unsound, or it fell."""
        begin, end = self.begin, self.end
        if not begin or not end or end.at < begin.at or any(one.transaction == ERROR for one in self.readings):
            return None
        if begin.energy_kwh is None or end.energy_kwh is None or not (begin.energy_is_sound and end.energy_is_sound):
            return None
        return end.energy_kwh - begin.energy_kwh if end.energy_kwh >= begin.energy_kwh else None


def has_signature(text: str) -> bool:
    """Whether a document has a part for the signature, whatever is in it; costs next to nothing."""
    return text.count("|") >= _SIGNED - 1


def digest_of(text: str) -> str:
    """A short name for a document."""
    return sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def read_document(text: str) -> Document:
    """Raises InvalidInput saying which part of the document cannot be read."""
    if len(text) > LONGEST_DOCUMENT:
        raise _unreadable(f"is longer than {LONGEST_DOCUMENT} characters")
    if _SURROGATE.search(text):
        raise _unreadable("is not text")
    sections = text.strip().split("|")
    if sections[0] != "OCMF" or len(sections) < _UNSIGNED:
        raise _unreadable("does not begin with OCMF|")
    payload = _payload(sections[1])
    if not payload.RD:
        raise _unreadable("has no readings")
    registers = {str(reading.RI) for reading in payload.RD if reading.RV is not None}
    if len(registers) > 1:
        raise _unreadable("has readings of more than one register")
    extra = payload.model_extra or {}
    return Document(
        readings=tuple(_reading(place, reading) for place, reading in enumerate(payload.RD, start=1)),
        session_id=canonical_uuid(extra.get("ZS")),
        charger_serial=_matching(_NAME, payload.GS, "names its charger oddly"),
        meter_serial=_matching(_NAME, payload.MS, "names its meter oddly"),
        identification=str(payload.ID) if payload.ID else None,
        algorithm=_algorithm(sections[2]) if has_signature(text) else None,
        has_own_key=len(sections) > _SIGNED,
    )


def is_signed_by(text: str, der: bytes) -> bool:
    """Whether the key, a SubjectPublicKeyInfo, signed a document that `read_document` could read."""
    from pyocmf import OCMF, SignatureVerificationError

    try:
        with _deviations_allowed():
            return OCMF.from_string(text).verify_signature(der.hex())
    except SignatureVerificationError:  # what stands for a signature is none, or of another algorithm or curve
        return False


def _payload(text: str) -> "Payload":
    from pyocmf import Payload

    try:
        with _deviations_allowed():
            return Payload.model_validate(json.loads(text, parse_float=Decimal))
    # pyocmf 0.6.0 looks into the payload before it checks types, so what is wrong comes out in many kinds
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise _unreadable("has a payload that is not OCMF's") from error


def _algorithm(text: str) -> str:
    from pyocmf import Signature

    try:
        with _deviations_allowed():
            algorithm = Signature.model_validate_json(text).SA
    except ValueError as error:
        raise _unreadable("has a signature section that is not OCMF's") from error
    return _matching(_NAME, algorithm, "names its algorithm oddly") or "none"


@contextmanager
def _deviations_allowed() -> Iterator[None]:
    """pyocmf warns of deviations that every verifier accepts; Zaptec's documents have some."""
    from pyocmf import SpecWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        yield


def _reading(place: int, reading: "PyocmfReading") -> MeterReading:
    oddly = f"has letters that are not OCMF's at reading {place}"
    try:
        at = reading.timestamp
        instant = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise _unreadable(f"has no usable instant at reading {place}") from error
    return MeterReading(
        at=instant,
        energy_kwh=None if reading.RV is None else _kilowatt_hours(place, reading.RV, reading.RU),
        transaction=_matching(_LETTERS, reading.TX, oddly),
        time_status=_matching(_LETTERS, reading.time_status, oddly) or "U",
        meter_status=_matching(_LETTERS, reading.ST, oddly),
        error_flags=_matching(_LETTERS, reading.EF, oddly) or "",
    )


def _kilowatt_hours(place: int, value: Decimal, unit: str | None) -> Decimal:
    factor = _UNIT_OF.get(str(unit))
    if factor is None:
        raise _unreadable(f"has a unit that is neither kWh nor Wh at reading {place}")
    if not (value.is_finite() and 0 <= value < _MOST and -int(value.as_tuple().exponent) <= _MOST_DECIMALS):
        raise _unreadable(f"has no usable value at reading {place}")
    return value * factor


def _matching(form: re.Pattern[str], value: str | None, fault: str) -> str | None:
    if not value:
        return None
    if not form.fullmatch(value):
        raise _unreadable(fault)
    return str(value)


def _unreadable(fault: str) -> InvalidInput:
    return InvalidInput(f"the signed meter value {fault}", {"signedSession": fault})
