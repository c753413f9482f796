"""Signed meter values as a Zaptec Go writes them: OCMF of two sections, without a signature.

The format is the Open Charge Metering Format 1.0 (SAFE e.V.); Zaptec puts the session id in the vendor field `ZS` and
a comma before the fraction of a second.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from simulator.models import Session


def reading(kind: str, instant: datetime, register_kwh: float) -> dict[str, Any]:
    at = f"{instant:%Y-%m-%dT%H:%M:%S},{instant.microsecond // 1000:03}+00:00 R"
    return {"TM": at, "TX": kind, "RV": round(register_kwh, 3), "RI": "1-0:1.8.0", "RU": "kWh", "ST": "G"}


def signed_reading(session: Session, at: datetime, firmware: str) -> str:
    """One reading while the session runs, as observation 554 has it every quarter of an hour."""
    return _document(session, firmware, [reading("C", at, session.meter_start_kwh + session.energy_at(at))])


def signed_session(
    session: Session, end: datetime, firmware: str, between: Sequence[tuple[datetime, float]] = ()
) -> str:
    """The session's first and last reading of the cumulative register, and those `between`, given as session energy."""
    begin = session.meter_start_kwh
    middle = [reading("C", at, begin + energy_kwh) for at, energy_kwh in between]
    last = reading("E", end, begin + session.energy_at(end))
    return _document(session, firmware, [reading("B", session.start, begin), *middle, last])


def _document(session: Session, firmware: str, readings: list[dict[str, Any]]) -> str:
    body = {
        "FV": "1.0",
        "GI": "Zaptec Go",
        "GS": session.device_id,
        "GV": firmware,
        "PG": "T1",
        "RD": readings,
        "ZS": session.id,
    }
    return "OCMF|" + json.dumps(body, separators=(",", ":"))
