"""Who may charge, case by case and to the microsecond."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.access.verdict import Verdict, judge
from shared.storage.tokens import Token

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=300)
NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HERE, THERE = "1b0d3c0e-0000-4000-8000-000000000001", "1b0d3c0e-0000-4000-8000-000000000002"
THIS, THAT = "2c0d3c0e-0000-4000-8000-000000000001", "2c0d3c0e-0000-4000-8000-000000000002"
PLAIN = Token(id="t", token="04A1B2")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.ALLOWED),
        ({"blocked": True}, Verdict.BLOCKED),
        ({"valid_from": NOW}, Verdict.ALLOWED),
        ({"valid_from": NOW + TICK}, Verdict.NOT_YET_VALID),
        ({"valid_from": NOW - TICK}, Verdict.ALLOWED),
        ({"valid_to": NOW}, Verdict.EXPIRED),
        ({"valid_to": NOW + TICK}, Verdict.ALLOWED),
        ({"valid_to": NOW - TICK}, Verdict.EXPIRED),
        ({"valid_from": NOW, "valid_to": NOW + TICK}, Verdict.ALLOWED),
        ({"valid_from": NOW, "valid_to": NOW}, Verdict.EXPIRED),
        ({"installations": (HERE,)}, Verdict.ALLOWED),
        ({"installations": (THERE, HERE)}, Verdict.ALLOWED),
        ({"installations": (THERE,)}, Verdict.WRONG_INSTALLATION),
        ({"chargers": (THIS,)}, Verdict.ALLOWED),
        ({"chargers": (THAT,)}, Verdict.WRONG_CHARGER),
        ({"installations": (HERE,), "chargers": (THAT,)}, Verdict.WRONG_CHARGER),
        ({"installations": (THERE,), "chargers": (THIS,)}, Verdict.WRONG_INSTALLATION),
        ({"blocked": True, "valid_to": NOW, "installations": (THERE,)}, Verdict.BLOCKED),
        ({"max_concurrent": 1, "driver": "Ada", "label": "blue"}, Verdict.ALLOWED),
    ],
)
def test_the_verdict_on_a_token(changes: dict[str, object], verdict: Verdict) -> None:
    assert judge(msgspec.structs.replace(PLAIN, **changes), HERE, THIS, NOW) is verdict


def test_a_card_nobody_registered_is_unknown() -> None:
    assert judge(None, HERE, THIS, NOW) is Verdict.UNKNOWN


def test_an_instant_is_the_same_in_every_zone() -> None:
    ends = datetime.fromisoformat("2026-03-02T08:00:00+02:00")

    assert judge(msgspec.structs.replace(PLAIN, valid_to=ends), HERE, THIS, NOW) is Verdict.EXPIRED
    assert judge(msgspec.structs.replace(PLAIN, valid_to=ends), HERE, THIS, NOW - TICK) is Verdict.ALLOWED


def test_only_the_allowed_and_the_granted_are_let_in() -> None:
    assert {verdict for verdict in Verdict if verdict.lets_in} == {Verdict.ALLOWED, Verdict.GRANTED}


MOMENTS = st.none() | st.integers(-2, 2).map(lambda hours: NOW + timedelta(hours=hours))
PLACES = st.lists(st.sampled_from([HERE, THERE]), max_size=2).map(tuple)


@given(st.booleans(), MOMENTS, MOMENTS, PLACES, PLACES)
@EXAMPLES
def test_a_token_is_allowed_exactly_if_nothing_speaks_against_it(
    blocked: bool,
    valid_from: datetime | None,
    valid_to: datetime | None,
    installations: tuple[str, ...],
    chargers: tuple[str, ...],
) -> None:
    token = msgspec.structs.replace(
        PLAIN,
        blocked=blocked,
        valid_from=valid_from,
        valid_to=valid_to,
        installations=installations,
        chargers=chargers,
    )
    nothing_against = (
        not blocked
        and (valid_from is None or valid_from <= NOW)
        and (valid_to is None or valid_to > NOW)
        and (not installations or HERE in installations)
        and (not chargers or HERE in chargers)
    )

    assert (judge(token, HERE, HERE, NOW) is Verdict.ALLOWED) == nothing_against
