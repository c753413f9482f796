"""Once an hour: how the chargers of each installation are, and which of them something is wrong with.

A charger is at fault while it reports warnings (observation 804) or is offline (-2). One event tells the figures of an
installation, one more each charger at fault; of a fault of many chargers at once the figures tell the size. It costs
two reads of storage per charger, a few dozen at a time.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from shared import telemetry
from shared.observations.catalogue import meaning_of
from shared.observations.folding import CHARGING, OPERATION_MODE, REQUESTING
from shared.observations.reader import ChargerNow, ChargerReader
from shared.storage.chargers import Charger, Chargers

_ONLINE, _WARNINGS = -2, 804
_PAGE = 50
_MOST_NAMED = 100
"""Chargers at fault that one run names, so that a site that lost its network does not flood the log."""


class Fault(msgspec.Struct, frozen=True):
    """`kind` is "warnings" or "offline", `detail` the warnings in words."""

    kind: str
    since: datetime
    detail: str | None = None


class _Figures(msgspec.Struct):
    chargers: int = 0
    unheard: int = 0
    online: int = 0
    requesting: int = 0
    charging: int = 0
    faulty: int = 0
    newest: datetime | None = None
    """Of all observations of its chargers; an installation whose messages stay away shows by its age."""


def faults_of(charger: ChargerNow) -> Iterator[Fault]:
    """What is wrong with a charger, as its newest observations say; since when is when it last said so."""
    warnings = charger.observations.get(_WARNINGS)
    words = meaning_of(_WARNINGS, charger.device_type, warnings.value) if warnings else None
    if warnings and words not in {None, "none"}:
        yield Fault("warnings", warnings.at, words)
    online = charger.observations.get(_ONLINE)
    if online and meaning_of(_ONLINE, charger.device_type, online.value) == "offline":
        yield Fault("offline", online.at)


class FaultWatch:
    def __init__(self, chargers: Chargers, reader: ChargerReader) -> None:
        self._chargers = chargers
        self._reader = reader

    async def run(self) -> None:
        """Raises StorageUnavailable; the next run looks at all chargers again."""
        figures: dict[str, _Figures] = {}
        named = 0
        after = ""
        while page := await self._chargers.page(after, _PAGE):
            known = await self._reader.glance(page)
            for charger in page:
                now = known.get(charger.id)
                faults = tuple(faults_of(now)) if now else ()
                _count(figures.setdefault(charger.installation_id, _Figures()), now, faults)
                if faults and named < _MOST_NAMED:
                    named += 1
                    _name(charger, faults)
            after = page[-1].id
        for installation_id, counted in sorted(figures.items()):
            telemetry.event(
                "chargers.summary",
                installationId=installation_id,
                chargers=counted.chargers,
                unheard=counted.unheard,
                online=counted.online,
                requesting=counted.requesting,
                charging=counted.charging,
                faulty=counted.faulty,
                newest=counted.newest,
            )


def _count(figures: _Figures, charger: ChargerNow | None, faults: tuple[Fault, ...]) -> None:
    figures.chargers += 1
    figures.faulty += bool(faults)
    if charger is None:
        figures.unheard += 1
        return
    if charger.newest and (figures.newest is None or charger.newest > figures.newest):
        figures.newest = charger.newest
    said = {state: observation.value for state, observation in charger.observations.items()}
    figures.online += meaning_of(_ONLINE, charger.device_type, said.get(_ONLINE)) == "online"
    figures.requesting += said.get(OPERATION_MODE) == REQUESTING
    figures.charging += said.get(OPERATION_MODE) == CHARGING


def _name(charger: Charger, faults: tuple[Fault, ...]) -> None:
    for fault in faults:
        telemetry.warning(
            "charger.fault",
            installationId=charger.installation_id,
            chargerId=charger.id,
            fault=fault.kind,
            detail=fault.detail,
            since=fault.since,
        )
