"""Signed meter values as Zaptec's chargers write them.

The format is the Open Charge Metering Format 1.0 (SAFE e.V.); Zaptec puts the session id in the vendor field `ZS` and
a comma before the fraction of a second. Times are those of the charger's clock, and have the status `U` where it is
wrong. A Pro with a calibrated meter signs, in a third section, and writes the unit once, in the first reading
(stelund/charging-costs); a Go leaves the signature out. That every Pro has such a meter is a simplification: of the
real ones only the Pro MID has.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from simulator.meter import ALGORITHM, MeterKey
from simulator.models import Charger
from simulator.sessions import Session

SIGNING_DEVICE_TYPE = 1
"""Pro."""

type Reading = tuple[str, datetime, float]
"""Why it was read (B begin, E end, and between them T, tariff change, as the firmware in
smjothen/ApolloESP32Application has it), when, and the register in kWh."""


def signed_reading(charger: Charger, session: Session, at: datetime, firmware: str) -> str:
    """One reading while the session runs, as observation 554 has it every quarter of an hour."""
    register_kwh = session.meter_start_kwh + session.energy_at(at)
    return _signed(_payload(charger, session, firmware, [("T", at, register_kwh)]), charger.meter_key)


def signed_session(
    charger: Charger, session: Session, end: datetime, firmware: str, *, differs_kwh: float = 0.0, broken: bool = False
) -> str:
    """The session's first and last reading of the cumulative register, and those that the charger took between.

    The last reading is `differs_kwh` above the session's energy; a `broken` signature is one of something else.
    """
    begin_kwh = session.meter_start_kwh
    between: Sequence[Reading] = [("T", at, begin_kwh + energy_kwh) for at, energy_kwh in charger.readings]
    last: Reading = ("E", end, begin_kwh + session.energy_at(end) + differs_kwh)
    payload = _payload(charger, session, firmware, [("B", session.start, begin_kwh), *between, last])
    return _signed(payload, charger.meter_key, broken=broken)


def _payload(charger: Charger, session: Session, firmware: str, readings: Sequence[Reading]) -> str:
    signs = charger.meter_key is not None
    body: dict[str, Any] = {
        "FV": "1.0",
        "GI": "Zaptec Pro MID" if signs else "Zaptec Go",
        "GS": session.device_id,
        "GV": firmware,
        "PG": "T1",
        **({"MF": "v1.3.6", "IS": False} if signs else {}),
        "RD": [_reading(charger, reading, with_unit=not signs or place == 0) for place, reading in enumerate(readings)],
        "ZS": session.id,
    }
    return json.dumps(body, separators=(",", ":"))


def _reading(charger: Charger, reading: Reading, *, with_unit: bool) -> dict[str, Any]:
    kind, instant, register_kwh = reading
    at, status = instant + charger.clock_ahead, "U" if charger.clock_ahead else "R"
    return {
        "TM": f"{at:%Y-%m-%dT%H:%M:%S},{at.microsecond // 1000:03}+00:00 {status}",
        "TX": kind,
        "RV": round(register_kwh, 3),
        "RI": "1-0:1.8.0",
        **({"RU": "kWh"} if with_unit else {}),
        "ST": "G",
    }


def _signed(payload: str, key: MeterKey | None, *, broken: bool = False) -> str:
    if key is None:
        return f"OCMF|{payload}"
    signature = {"SA": ALGORITHM, "SE": "base64", "SD": key.sign(payload + " " if broken else payload)}
    return f"OCMF|{payload}|{json.dumps(signature, separators=(',', ':'))}"
