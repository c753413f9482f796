"""The morning: who comes when, with which card, and what goes wrong on the way, with sessions and with messages.

Data only.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from simulator.faults import Fault
from simulator.visits import Plug, Visit

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
LENGTH = timedelta(hours=5)


class Person(msgspec.Struct, frozen=True):
    """Somebody who comes to charge; `card` is what is printed on their card, None for nobody's."""

    name: str
    card: str | None
    story: str
    registered: bool = True
    blocked: bool = False


KARI = Person("Kari", "04:A3:B2:C1:00:00:01", "has a registered card")
INGRID = Person("Ingrid", "04:A3:B2:C1:00:00:02", "has a registered card; the network will lose an answer to her")
LARS = Person("Lars", "04:A3:B2:C1:00:00:03", "has a registered card; takes Kari's plug the moment she leaves")
OLA = Person("Ola", None, "has no card; the desk lets him in from its app")
STRANGER = Person("A passer-by", "04:A3:B2:C1:00:00:77", "has a card nobody knows", registered=False)
PER = Person("Somebody", "04:A3:B2:C1:00:00:04", "found the card that Per lost; it is blocked", blocked=True)
VISITOR = Person("A visitor", None, "has no card, and nobody lets them in")
PEOPLE = (KARI, INGRID, LARS, OLA, STRANGER, PER, VISITOR)


class Deed(msgspec.Struct, frozen=True):
    """Something that is done at an instant besides driving: a grant by the desk, or a fault switched on."""

    at: datetime
    says: str
    grant_to: Person | None = None
    plug_number: int = 0
    faults: dict[str, Fault] | None = None
    rotate: bool = False
    """Zaptec changes the key of the message subscription; open listeners fall silent some time later."""
    silent_at_once: bool = False
    look: bool = False
    """Show what the plugs say now."""


def visits(plugs: list[str]) -> list[Visit]:
    """The drivers' visits to the four charging stations whose ids are given."""
    return [
        _visit(plugs[0], KARI, 0, Plug(token=_card(KARI), charge_s=5000, idle_s=60)),
        _visit(plugs[1], STRANGER, 5, Plug(token=_card(STRANGER))),
        _visit(plugs[1], PER, 8, Plug(token=_card(PER))),
        _visit(plugs[2], VISITOR, 10, Plug()),
        _visit(
            plugs[1],
            INGRID,
            20,
            Plug(token=_card(INGRID), charge_s=2400, idle_s=30),
            Plug(token=_card(INGRID), charge_s=3600, idle_s=300, pause_before_s=15),
        ),
        _visit(plugs[2], OLA, 30, Plug(charge_s=6000, idle_s=600)),
        _visit(plugs[0], LARS, 85, Plug(token=_card(LARS), charge_s=3000, idle_s=120)),
    ]


def deeds(plugs: list[str]) -> list[Deed]:
    return [
        Deed(
            _at(20.05),
            "The network is about to lose one answer at Plug 2.",
            faults={"start-answer-lost": Fault(next=1, chargers=[plugs[1]])},
        ),
        Deed(_at(31), "Ola calls the desk, which lets him in at Plug 3.", grant_to=OLA, plug_number=2),
        Deed(
            _at(50),
            "From now on reports of ends at Plugs 1 and 2 come half an hour late, one of them twice.",
            faults={
                "end-delayed": Fault(next=2, chargers=[plugs[0], plugs[1]], seconds=1800),
                "end-duplicated": Fault(next=1),
            },
        ),
        Deed(_at(55), "Somebody looks at the plugs.", look=True),
        Deed(_at(61), "Zaptec changes the key of the message subscription; nobody is told.", rotate=True),
        Deed(
            _at(90),
            "It changes again. The listener falls silent at once, and Zaptec will not say what the new key is.",
            rotate=True,
            silent_at_once=True,
            faults={"details-500": Fault(probability=1)},
        ),
        Deed(_at(117), "Zaptec answers again.", faults={"details-500": Fault()}),
        Deed(_at(127), "Somebody looks at the plugs again.", look=True),
    ]


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def _visit(charger_id: str, person: Person, minutes: float, *plugs: Plug) -> Visit:
    return Visit(charger=charger_id, driver=person.name, at=_at(minutes), plugs=list(plugs))


def _card(person: Person) -> str | None:
    return person.card.replace(":", "") if person.card else None
