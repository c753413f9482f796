"""What of a statement is left without a person, and whom a card tells of; no storage needed."""

import json
from typing import Any

import pytest

from shared.observations.observation import Observation, observation_from, text_of
from shared.privacy.identity import driver_id, marks_in
from shared.privacy.person import Person
from shared.privacy.redaction import erased_state, redacted
from shared.zapcloud.commit import Commit
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING

READING = {"TM": "2026-03-02T06:00:00,000+0000 R", "TX": "B", "RV": 1.0, "RI": "1-0:1.8.0", "RU": "kWh", "ST": "G"}
ANONYMOUS = {"FV": "1.0", "GS": "ZAP000001", "MS": "ZAP000001", "PG": "T1", "IS": False, "RD": [READING]}
UNSIGNED = f"OCMF|{json.dumps(ANONYMOUS)}"


def test_figures_and_places_stay() -> None:
    figures = {"start": "2026-03-02T06:00:00Z", "energyKwh": 5.5, "chargerId": "c", "commitMetadata": 3}
    named = figures | {"driver": "Kari", "tokenId": "t", "userName": "Kari", "userEmail": "k@x", "userId": "u"}
    assert redacted(named, "erased-1") == figures | {"driver": "erased-1"}
    assert redacted(figures, "erased-1") == figures


def test_a_document_that_identifies_nobody_stays() -> None:
    assert redacted({"signedSession": UNSIGNED}, "erased-1") == {"signedSession": UNSIGNED}
    assert redacted({"signedSession": UNSIGNED.replace('"PG"', '"ID": "04A1", "PG"')}, "erased-1") == {}
    assert redacted({"signedSession": "OCMF|of Kari's"}, "erased-1") == {}


@pytest.mark.parametrize("value", [None, "", "nfc-04A1B2C3", "~~~~", "ÿ" * 5000, "{" * 5000])
def test_an_erased_state_is_newer_than_the_same_observation_and_older_than_the_next(value: str | None) -> None:
    observation = Observation("charger", 750, MONDAY_MORNING, value)
    erased = erased_state(text_of(observation))
    assert erased > text_of(observation)
    assert erased < text_of(Observation("charger", 750, MONDAY_MORNING.replace(microsecond=1), None))
    assert observation_from("charger", 750, erased).value is None
    assert erased_state(erased) == erased


def test_a_card_alone_names_nobody() -> None:
    assert set(marks_in(IDENTITY_KEY, {"driver": "Ola", "tokenId": "t" * 32})) == {driver_id(IDENTITY_KEY, "Ola")}
    assert marks_in(IDENTITY_KEY, {"tokenId": "t" * 32}) == {}


@pytest.mark.parametrize(
    ("told", "is_theirs"),
    [
        ({"start": "2026-03-02T06:00:00Z"}, True),
        ({"start": "2026-03-02T05:59:59Z"}, False),
        ({"at": MONDAY_MORNING}, True),
        ({"lastSeen": MONDAY_MORNING}, True),
        ({"start": "2026-03-02T07:00:00Z", "reliableClock": False}, False),
        ({"start": "2026-03-02T07:00:00Z", "commitMetadata": int(Commit.OFFLINE)}, False),
        ({"start": "2026-03-02T07:00:00Z", "driver": "Ola"}, False),
        ({}, False),
    ],
)
def test_a_card_that_was_anothers_before_counts_from_an_instant_on(told: dict[str, Any], is_theirs: bool) -> None:
    person = Person(frozenset({"t"}), since={"t": MONDAY_MORNING})
    assert person.had_card_in({"tokenId": "t"} | told) is is_theirs
