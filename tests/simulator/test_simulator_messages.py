"""Bodies have the form of real ones, byte for byte where that form is known."""

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.envelope import wrap
from simulator.messages import MOST_DIGITS, garbage, instant_text, mangled, mixed_text, write
from simulator.models import Charger, Observation
from simulator.settings import Settings
from tests.simulator.consumer import HEADER, Received, read, unwrap

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def charger() -> Charger:
    made = Charger("93d603a7-0000-4000-8000-000000000001", "ZAP000001", "Harbour 1", 4, "0000")
    made.installation_id = "2bbec6f9-0000-4000-8000-000000000001"
    return made


@pytest.mark.parametrize(
    ("size", "record"),
    [
        (0, b"\x98\x00"),
        (255, b"\x98\xff"),
        (256, b"\x9a\x00\x01"),
        (379, b"\x9a{\x01"),
        (65_535, b"\x9a\xff\xff"),
        (65_536, b"\x9c\x00\x00\x01\x00"),
    ],
)
def test_the_length_takes_as_many_bytes_as_it_needs(size, record):
    text = b"x" * size
    assert wrap(text) == HEADER + record + text + b"\x01"
    folded = bytes([record[0] + 1]) + record[1:]
    assert wrap(text, folded_end=True) == HEADER + folded + text


def test_a_message_reads_like_a_real_one():
    body = write(charger(), Observation(710, NOON, "3"), Settings(), Random(1)).body
    assert json.loads(unwrap(body)) == {
        "DeviceId": "ZAP000001",
        "DeviceType": 4,
        "ChargerId": "93d603a7-0000-4000-8000-000000000001",
        "StateId": 710,
        "Timestamp": "2026-03-02T12:00:00.000000Z",
        "ValueAsString": "3",
    }


@pytest.mark.parametrize(
    ("form", "member"), [("absent", {}), ("null", {"ValueAsString": None}), ("empty", {"ValueAsString": ""})]
)
def test_a_cleared_value(form, member):
    settings = Settings(cleared_value=form, device_in_messages=False)
    message = write(charger(), Observation(722, NOON, ""), settings, Random(1))
    state = json.loads(unwrap(message.body))
    assert {name: state[name] for name in state if name == "ValueAsString"} == member
    assert message.value == member.get("ValueAsString")
    assert "DeviceId" not in state


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(0, "12:00:00"), (61_700, "12:00:00.0617"), (230_000, "12:00:00.23"), (1, "12:00:00.000001")],
)
def test_the_clouds_own_timestamps_are_trimmed(microsecond, text):
    at = NOON.replace(microsecond=microsecond)
    assert instant_text(at, cloud_made=True) == f"2026-03-02T{text}"


@given(at=INSTANTS, seed=st.integers())
def test_a_timestamp_of_any_form_is_the_same_instant(at, seed):
    text = mixed_text(at, Random(seed))
    assert datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC) == at
    assert len(text.removesuffix("Z").partition(".")[2]) <= MOST_DIGITS


def test_all_forms_of_timestamps_occur():
    texts = {mixed_text(NOON, Random(seed)) for seed in range(500)}
    assert len(texts) == 2 * (MOST_DIGITS + 1)


@given(seed=st.integers(), value=st.text(), envelope=st.sampled_from(["end-element", "folded-end"]))
def test_a_mangled_message_can_still_be_read_and_garbage_cannot(seed, value, envelope):
    style = Random(seed)
    message = write(charger(), Observation(513, NOON, value), Settings(envelope=envelope), style)
    assert read(Received(message.body, NOON)) == read(Received(mangled(message.body), NOON))
    assert mangled(message.body) != message.body
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read(Received(garbage(message, style), NOON))


def test_a_clock_that_is_ahead_shows_in_what_the_charger_writes_and_not_in_what_the_cloud_does():
    wrong = charger()
    wrong.clock_ahead = timedelta(days=3650)
    own, clouds = (write(wrong, Observation(state, NOON, "1"), Settings(), Random(1)) for state in (710, -2))
    assert (own.claimed_at, clouds.claimed_at) == (NOON + timedelta(days=3650), NOON)
