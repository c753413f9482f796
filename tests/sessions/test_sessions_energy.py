"""Charge history's details divide a session also where the meter that signed it differs by what is rounded away."""

import json
from datetime import timedelta

import pytest

from shared.billing.local_clock import Interval
from shared.billing.ocmf import digest_of
from shared.sessions.energy import intervals_of
from shared.sessions.folding import fold
from shared.sessions.view import Event, Source
from shared.storage.sessions import Fact
from tests.conftest import MONDAY_MORNING

_KWH = {"RI": "1-0:1.8.0", "RU": "kWh", "ST": "G"}
_READINGS = [
    {"TM": "2026-03-02T06:00:00,000+0000 R", "TX": "B", "RV": 100.0, **_KWH},
    {"TM": "2026-03-02T14:00:00,000+0000 R", "TX": "E", "RV": 102.527, **_KWH},
]
DOCUMENT = f'OCMF|{json.dumps({"FV": "1.0", "PG": "T1", "RD": _READINGS})}|{{"SD": "00"}}'
HOURS = [MONDAY_MORNING + timedelta(hours=number) for number in range(9)]


@pytest.mark.parametrize(("listed_kwh", "are_used"), [(2.525, True), (2.528, True), (2.529, True), (2.53, False)])
def test_details_are_used_to_within_two_watt_hours(listed_kwh: float, are_used: bool) -> None:
    """All of the energy was taken in the first of eight hours."""
    stated = {
        "start": HOURS[0].isoformat(),
        "end": HOURS[-1].isoformat(),
        "energyKwh": listed_kwh,
        "signedSession": DOCUMENT,
        "energyDetails": [
            [HOURS[0].isoformat(), 0.0],
            [HOURS[1].isoformat(), listed_kwh],
            [HOURS[-1].isoformat(), 0.0],
        ],
    }
    judged = {"document": digest_of(DOCUMENT), "verdict": "valid", "counts": True, "energyKwh": 2.527}
    facts = (
        Fact(at=HOURS[-1], source=Source.CHARGE_HISTORY, event=Event.ENDED, data=stated),
        Fact(at=HOURS[-1], source=Source.SIGNED_METER_VALUE, event=Event.ASSESSED, data=judged),
    )
    parts = intervals_of(fold("s", facts), "UTC", Interval.HOUR)
    assert sum(part.energy_kwh for part in parts) * 1000 == 2527
    taken = [float(part.energy_kwh) for part in parts]
    assert (taken == [2.527] + [0.0] * 7) is are_used
    assert any(part.estimated for part in parts) is not are_used


def test_by_a_clock_that_was_not_right_every_part_is_estimated() -> None:
    stated = {"start": HOURS[0].isoformat(), "end": HOURS[0].isoformat(), "energyKwh": 1.0, "commitMetadata": 2}
    (part,) = intervals_of(
        fold("s", (Fact(at=HOURS[1], source=Source.CHARGE_HISTORY, event=Event.ENDED, data=stated),)),
        "UTC",
        Interval.DAY,
    )
    assert (float(part.energy_kwh), part.estimated) == (1.0, True)
