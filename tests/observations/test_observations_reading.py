"""What a batch of message bodies says, and what becomes of the rest."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import EPOCH
from shared.observations.observation import Observation, observation_from, text_of
from shared.observations.reading import read, read_states
from tests.observations.envelopes import enveloped, records_for

CHARGER = "93d603a7-0000-4000-8000-000000000001"
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def state(**changes: Any) -> dict[str, Any]:
    usual = {
        "DeviceId": "ZAP000001",
        "DeviceType": 4,
        "ChargerId": CHARGER,
        "StateId": 513,
        "Timestamp": "2026-03-02T05:59:58.123456Z",
        "ValueAsString": "7400.000",
    }
    return {name: value for name, value in (usual | changes).items() if value is not ...}


def body(record: int = 0x98, **changes: Any) -> bytes:
    text = json.dumps(state(**changes)).encode()
    return enveloped(text, record if record in records_for(len(text)) else records_for(len(text))[0])


def one(message: bytes, enqueued_at: datetime = NOW) -> Observation:
    reading = read([(message, enqueued_at)])
    assert not reading.unreadable
    (observation,) = reading.observations
    return observation


def test_a_message_is_read_with_all_it_says() -> None:
    assert one(body()) == Observation(
        CHARGER, 513, datetime(2026, 3, 2, 5, 59, 58, 123456, tzinfo=UTC), "7400.000", "ZAP000001", 4
    )


def test_plain_json_and_the_form_of_2021_are_read() -> None:
    plain = json.dumps(state(DeviceId=..., DeviceType=...)).encode()
    assert one(plain).value == "7400.000"
    assert (one(plain).device_id, one(plain).device_type) == ("", None)


@pytest.mark.parametrize(
    ("written", "microsecond"),
    [
        ("2026-03-02T05:59:58", 0),
        ("2026-03-02T05:59:58Z", 0),
        ("2026-03-02T05:59:58.1", 100_000),
        ("2026-03-02T05:59:58.12Z", 120_000),
        ("2026-03-02T05:59:58.123", 123_000),
        ("2026-03-02T05:59:58.0617Z", 61_700),
        ("2026-03-02T05:59:58.12345", 123_450),
        ("2026-03-02T05:59:58.123456Z", 123_456),
        ("2026-03-02T05:59:58.1234560Z", 123_456),
        ("2026-03-02T06:59:58.123456+01:00", 123_456),
    ],
)
def test_every_spelling_of_an_instant_is_that_instant_in_utc(written: str, microsecond: int) -> None:
    assert one(body(Timestamp=written)).at == datetime(2026, 3, 2, 5, 59, 58, microsecond, tzinfo=UTC)


def test_a_value_may_be_absent_null_empty_or_not_text() -> None:
    assert one(body(ValueAsString=...)).value is None
    assert one(body(ValueAsString=None)).value is None
    assert one(body(ValueAsString="")).value == ""
    assert one(body(ValueAsString=7)).value == "7"
    assert one(body(ValueAsString=True)).value == "1"


def test_names_in_other_letter_case_and_numbers_as_text_are_understood() -> None:
    spelled = {name[0].lower() + name[1:]: value for name, value in state(StateId="710").items()}
    assert one(json.dumps(spelled).encode()).state_id == 710


def test_a_charger_id_is_canonical_however_it_is_written() -> None:
    assert one(body(ChargerId=CHARGER.upper())).charger_id == CHARGER


def test_a_value_that_opens_something_is_not_kept() -> None:
    assert one(body(StateId=863, ValueAsString="C0FFEE")).value == "(hidden)"
    items = [{"StateId": 1140, "Timestamp": "2026-03-02T05:00:00", "ValueAsString": "4912"}]
    assert [found.value for found in read_states(items, CHARGER, NOW)] == ["(hidden)"]
    unreadable = read([(body(StateId=863, ValueAsString="C0FFEE", Timestamp="soon"), NOW)]).unreadable
    assert "C0FFEE" not in unreadable[0].reason


def test_messages_of_charger_zero_are_counted_and_nothing_else() -> None:
    reading = read([(body(ChargerId="00000000-0000-0000-0000-000000000000"), NOW)] * 3)
    assert (reading.of_nobody, reading.observations, reading.unreadable) == (3, [], [])


def test_a_clock_that_is_ahead_counts_from_when_the_message_was_enqueued() -> None:
    ahead = one(body(Timestamp="2036-03-02T05:59:58.5Z"))
    assert ahead.at == NOW
    assert ahead.clock_at == datetime(2036, 3, 2, 5, 59, 58, 500_000, tzinfo=UTC)
    at_the_limit = one(body(Timestamp=(NOW + timedelta(minutes=5)).isoformat()))
    assert (at_the_limit.at, at_the_limit.clock_at) == (NOW + timedelta(minutes=5), None)


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59.9Z"])
def test_a_clock_that_says_a_time_before_1970_counts_from_when_the_message_was_enqueued(written: str) -> None:
    found = one(body(Timestamp=written))
    assert found.at == NOW
    assert found.clock_at is not None
    assert found.clock_at < EPOCH
    items = [{"StateId": 710, "Timestamp": written, "ValueAsString": "1"}]
    (over_rest,) = read_states(items, CHARGER, NOW)
    assert (over_rest.at, over_rest.clock_at) == (NOW, found.clock_at)
    assert one(body(Timestamp="1970-01-01T00:00:00Z")).clock_at is None


def test_a_body_that_a_host_took_for_text_is_read_and_counted() -> None:
    mangled = body().decode("utf-8", "replace").encode()
    reading = read([(mangled, NOW)])
    assert [observation.value for observation in reading.observations] == ["7400.000"]
    assert reading.degraded == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"{", "truncated"),
        (b"{}", "ChargerId"),
        (body(ChargerId="not a uuid"), "UUID"),
        (body(StateId=2**31), "StateId"),
        (body(StateId="mode"), "StateId"),
        (body(Timestamp="yesterday"), "Timestamp"),
        (body(DeviceId="Z" * 40_000), "device"),
        (body(ValueAsString="x" * 250_001), "more than"),
        (body()[:-20], "no JSON"),
    ],
)
def test_one_bad_message_is_set_aside_with_a_reason_and_the_others_go_on(message: bytes, reason: str) -> None:
    reading = read([(body(), NOW), (message, NOW), (body(), NOW)])
    assert len(reading.observations) == 2
    (unreadable,) = reading.unreadable
    assert (unreadable.body, unreadable.enqueued_at) == (message, NOW)
    assert reason.lower() in unreadable.reason.lower()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
fields = st.fixed_dictionaries(
    {},
    optional={name: json_values | st.just(usual) for name, usual in state().items()},
)


@given(st.lists(st.binary(max_size=200) | fields.map(lambda given: json.dumps(given).encode()), max_size=5))
def test_whatever_comes_it_never_raises_and_nothing_is_lost(bodies: list[bytes]) -> None:
    reading = read([(one, NOW) for one in bodies])
    assert len(reading.observations) + len(reading.unreadable) + reading.of_nobody == len(bodies)


instants = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
observations = st.builds(
    Observation,
    charger_id=st.just(CHARGER),
    state_id=st.integers(-1000, 1200),
    at=instants,
    value=st.none() | st.text(max_size=30) | st.text("ab", min_size=1990, max_size=2010),
    clock_at=st.none() | instants,
)


@given(observations)
def test_the_stored_text_of_an_observation_says_all_of_it(observation: Observation) -> None:
    long_value = observation.value if observation.is_long else None
    stored = observation_from(CHARGER, observation.state_id, text_of(observation), long_value)
    assert stored == observation


@given(observations, observations)
def test_the_order_of_texts_is_the_order_of_observations(first: Observation, second: Observation) -> None:
    assert first.is_after(second) == (text_of(first) > text_of(second))
    assert not (first.is_after(second) and second.is_after(first))


def test_states_from_the_rest_api_are_read_like_messages() -> None:
    items = [
        {"ChargerId": CHARGER, "StateId": 710, "Timestamp": "2026-03-02T05:00:00.5", "ValueAsString": "3"},
        {"StateId": -1, "Timestamp": "2026-03-02T05:00:00"},
        {"StateId": 201, "Timestamp": "2036-03-02T05:00:00", "ValueAsString": "20"},
        {"StateId": "x"},
        None,
    ]
    found = read_states(items, CHARGER, NOW)
    assert [(one.state_id, one.value) for one in found] == [(710, "3"), (-1, None), (201, "20")]
    assert found[0].at == datetime(2026, 3, 2, 5, 0, 0, 500_000, tzinfo=UTC)
    assert (found[2].at, found[2].clock_at) == (NOW, datetime(2036, 3, 2, 5, tzinfo=UTC))
