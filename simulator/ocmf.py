"""Signed meter values as a Zaptec Go writes them: OCMF of two sections, without a signature.

The format is the Open Charge Metering Format 1.0 (SAFE e.V.); Zaptec puts the session id in the vendor field `ZS` and
a comma before the fraction of a second.
"""

import json
from datetime import datetime
from typing import Any

from simulator.models import Session


def reading(kind: str, instant: datetime, register_kwh: float) -> dict[str, Any]:
    at = f"{instant:%Y-%m-%dT%H:%M:%S},{instant.microsecond // 1000:03}+00:00 R"
    return {"TM": at, "TX": kind, "RV": round(register_kwh, 3), "RI": "1-0:1.8.0", "RU": "kWh", "ST": "G"}


def signed_session(session: Session, end: datetime, firmware: str) -> str:
    """The session's first and last reading of the cumulative register."""
    begin = session.meter_start_kwh
    body = {
        "FV": "1.0",
        "GI": "Zaptec Go",
        "GS": session.device_id,
        "GV": firmware,
        "PG": "T1",
        "RD": [reading("B", session.start, begin), reading("E", end, begin + session.energy_at(end))],
        "ZS": session.id,
    }
    return "OCMF|" + json.dumps(body, separators=(",", ":"))
