"""Readings of the energy that flowed in a session, whatever told of it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from shared.billing.ocmf import MeterReading

SAME_ENERGY_KWH = Decimal("0.002")
"""Two figures of one energy differ by no more: one is the difference of two registers cut to a Wh, the other may have
been rounded to a Wh."""
_MILLIWATT_HOUR = Decimal("0.000001")
"""In kWh: finer than any charger counts, coarser than what binary fractions add to a figure."""


class Reading(msgspec.Struct, frozen=True, order=True):
    """How much had been counted at an instant, in kWh since whenever: only differences between readings count."""

    at: datetime
    energy_kwh: Decimal


def readings_of_details(details: Iterable[tuple[datetime, float]], start: datetime) -> tuple[Reading, ...]:
    """The readings that charge history's `EnergyDetails` stand for: instants, and the energy in kWh since the one
    before; the first counts from the session's `start`.

    The order of `details` does not matter. One that is there twice counts once; of two that differ at one instant both
    count; a negative one counts as nothing. `msgspec.convert(data, list[tuple[datetime, float]])` makes `details` of
    what a fact of the session log holds.
    """
    counted = Decimal(0)
    readings = [Reading(start, counted)]
    for at, energy in sorted(set(details)):
        counted += max(Decimal(str(energy)).quantize(_MILLIWATT_HOUR), Decimal(0))
        readings.append(Reading(at, counted))
    return tuple(readings)


def readings_of_meter(readings: Iterable[MeterReading]) -> tuple[Reading, ...]:
    """Those of a signed document's readings that say how much, leaving out those the meter itself calls wrong."""
    return tuple(
        Reading(reading.at, reading.energy_kwh)
        for reading in readings
        if reading.energy_kwh is not None and reading.energy_is_sound
    )
