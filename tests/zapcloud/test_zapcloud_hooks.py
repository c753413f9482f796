"""The web hooks' bodies, read tolerantly where they may differ and strictly where figures depend on them."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.zapcloud.hooks import (
    CHARGER_NAMES,
    INSTALLATION_NAMES,
    MAX_BODY_BYTES,
    TOKEN_NAMES,
    aliases_with,
    json_object,
    parse_instant,
    read_end,
    read_start,
)

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=120)
ALIASES = aliases_with()
KNOWN = {name.lower() for name in (*TOKEN_NAMES, *CHARGER_NAMES, *INSTALLATION_NAMES)}
HERE = "1b0d3c0e-0000-4000-8000-00000000000a"
SESSION = "3d0d3c0e-0000-4000-8000-00000000000b"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)


@st.composite
def recased(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    return "".join(c.upper() if draw(st.booleans()) else c.lower() for c in draw(st.sampled_from(names)))


@given(
    recased(TOKEN_NAMES),
    recased(CHARGER_NAMES),
    recased(INSTALLATION_NAMES),
    TEXT,
    TEXT,
    st.uuids(),
    st.dictionaries(TEXT.filter(lambda name: name.lower() not in KNOWN), st.none() | st.booleans() | TEXT, max_size=4),
)
@EXAMPLES
def test_a_start_is_read_under_any_alias_in_any_case_among_anything_else(
    token_name: str, charger_name: str, place_name: str, token: str, charger: str, place: Any, others: dict[str, Any]
) -> None:
    body = {**others, token_name: token, place_name: str(place).upper(), charger_name: charger}

    fields = read_start(body, ALIASES)

    assert fields.token == token.strip()
    assert fields.charger in {charger.strip(), charger.strip().lower()}
    assert fields.installation_id == str(place)
    assert fields.unreadable == {}
    assert {text for text in others.values() if isinstance(text, str)} <= set(fields.strings)


@given(recased(("myCard", "customToken")), st.permutations(["myCard", "tokenCode"]))
@EXAMPLES
def test_an_operators_own_names_come_before_the_built_in(name: str, order: list[str]) -> None:
    body = {("tokenCode" if key == "tokenCode" else name): key for key in order}

    assert read_start(body, aliases_with(token=" customtoken , MYCARD,,")).token == "myCard"


def test_the_built_in_names_have_an_order_too() -> None:
    body = dict.fromkeys(reversed(TOKEN_NAMES), "")
    for name in TOKEN_NAMES:
        assert read_start({**body, name: name, "idTag": "idTag"}, ALIASES).token == name


def test_a_charger_by_id_is_canonical_and_by_anything_else_as_sent() -> None:
    assert read_start({"chargerId": HERE.upper()}, ALIASES).charger == HERE
    assert read_start({"deviceId": " zap000123 "}, ALIASES).charger == "zap000123"


@pytest.mark.parametrize("nothing", [None, "", "  ", "\t"])
def test_what_is_blank_is_not_there(nothing: str | None) -> None:
    body = {"tokenCode": nothing, "chargerId": nothing, "installationId": nothing}

    fields = read_start(body, ALIASES)

    assert (fields.token, fields.charger, fields.installation_id, fields.unreadable) == (None, None, None, {})
    assert read_start({"tokenCode": nothing, "rfid": "04A1"}, ALIASES).token == "04A1"


@pytest.mark.parametrize("wrong", [7, 1.5, True, False, [], ["a"], {}, {"id": "a"}, "x" * 201])
def test_a_field_of_the_wrong_kind_is_named_and_the_others_are_read(wrong: Any) -> None:
    for name, meaning in (("tokenCode", "token"), ("chargerId", "charger"), ("installationId", "installation")):
        body: dict[str, Any] = {"tokenCode": "04A1", "chargerId": "ZAP000123", "installationId": HERE}

        fields = read_start({**body, name: wrong}, ALIASES)

        assert set(fields.unreadable) == {meaning}
        read = {"token": fields.token, "charger": fields.charger, "installation": fields.installation_id}
        assert read == {"token": "04A1", "charger": "ZAP000123", "installation": HERE} | {meaning: None}


def test_an_installation_that_is_no_uuid_is_named() -> None:
    assert read_start({"installationId": "the car park"}, ALIASES).unreadable == {"installation": "is not a UUID"}


def test_a_name_that_can_be_read_makes_up_for_one_that_cannot() -> None:
    fields = read_start({"charger": {"id": 1}, "deviceId": "ZAP000123"}, ALIASES)

    assert (fields.charger, fields.unreadable) == ("ZAP000123", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=10) | recased(TOKEN_NAMES + CHARGER_NAMES + INSTALLATION_NAMES), JSON))
@EXAMPLES
def test_reading_a_start_never_raises(body: dict[str, Any]) -> None:
    fields = read_start(body, ALIASES)

    assert set(fields.unreadable) <= {"token", "charger", "installation"}
    assert all(len(text) <= 64 for text in fields.strings)


def test_of_two_spellings_of_one_name_the_first_counts() -> None:
    assert read_start({"tokenCode": "first", "TOKENCODE": "second"}, ALIASES).token == "first"


@pytest.mark.parametrize("style", [str, str.lower, str.upper, lambda name: name[0].lower() + name[1:]])
def test_an_end_is_read_in_any_case(style: Any) -> None:
    body = {
        "SessionId": SESSION.upper(),
        "SessionStart": "2026-03-02T06:00:00Z",
        "SessionEnd": "2026-03-02T07:30:00.5",
        "Energy": 12.345,
        "SignedSession": "OCMF|{}|{}",
        "Another": {"kept": "out"},
    }

    report = read_end({style(name): value for name, value in body.items()})

    assert report.session_id == SESSION
    assert report.start == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert report.end == datetime(2026, 3, 2, 7, 30, 0, 500000, tzinfo=UTC)
    assert (report.energy_kwh, report.signed_session) == (12.345, "OCMF|{}|{}")


def test_an_end_needs_no_more_than_the_session() -> None:
    for nothing in ({}, dict.fromkeys(("SessionStart", "SessionEnd", "Energy", "SignedSession")), {"SessionEnd": ""}):
        report = read_end({"SessionId": SESSION, **nothing})
        assert (report.start, report.end, report.energy_kwh, report.signed_session) == (None, None, None, None)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1)),  # noqa: DTZ001
    st.integers(0, 7),
    st.sampled_from(["", "Z", "+00:00", "+02:00", "-09:30"]),
)
@EXAMPLES
def test_an_instant_has_up_to_seven_decimals_and_is_utc_unless_it_says_otherwise(
    moment: datetime, decimals: int, zone: str
) -> None:
    digits = f"{moment.microsecond:06}7"[:decimals]
    text = f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{digits}" if decimals else "") + zone
    offset = {"+02:00": timedelta(hours=2), "-09:30": -timedelta(hours=9, minutes=30)}.get(zone, timedelta(0))

    instant = parse_instant(text)

    assert instant.tzinfo is UTC
    microsecond = int(digits[:6].ljust(6, "0")) if decimals else 0
    assert instant == moment.replace(microsecond=microsecond, tzinfo=UTC) - offset


@pytest.mark.parametrize(
    "wrong",
    ["soon", "2026-03-02T06:00:61Z", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00",
     " 2026-03-02T06:00:00Z", 1772431200, True, [], {}],
    ids=str,
)  # fmt: skip
def test_an_instant_that_is_none_is_named(wrong: Any) -> None:
    for name in ("SessionStart", "SessionEnd"):
        with pytest.raises(InvalidInput) as refused:
            read_end({"SessionId": SESSION, name: wrong})
        assert set(refused.value.fields) == {name}


def test_an_instant_without_a_zone_is_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        instant = parse_instant("2026-03-02T06:00:00")
    time.tzset()

    assert instant == datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize("energy", [0, 0.0, 7, 7.25, 999_999_999, 1e-9, -0.0])
def test_energy_is_a_number_of_kwh(energy: float) -> None:
    report = read_end({"SessionId": SESSION, "Energy": energy})

    assert report.energy_kwh == energy
    assert type(report.energy_kwh) is float


@pytest.mark.parametrize(
    "wrong",
    [True, False, -0.001, -1, "7", "", [], {}, float("nan"), float("inf"), float("-inf"), 1e9, 1e300, 10**400],
    ids=lambda value: str(value)[:12],
)
def test_energy_that_is_none_is_named(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_end({"SessionId": SESSION, "Energy": wrong})
    assert set(refused.value.fields) == {"Energy"}


@pytest.mark.parametrize(
    "wrong", [None, "", "x", SESSION.replace("-", ""), f"{{{SESSION}}}", f" {SESSION}", 7, SESSION[:-1]]
)
def test_a_session_has_a_hyphenated_uuid(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_end({"SessionId": wrong})
    assert set(refused.value.fields) == {"SessionId"}


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_end({"SessionStart": "x", "SessionEnd": 7, "Energy": True, "SignedSession": {}})
    assert set(refused.value.fields) == {"SessionId", "SessionStart", "SessionEnd", "Energy", "SignedSession"}


@given(st.dictionaries(recased(("SessionId", "SessionStart", "SessionEnd", "Energy", "SignedSession")), JSON))
@EXAMPLES
def test_an_end_is_read_or_refused_and_nothing_else(body: dict[str, Any]) -> None:
    try:
        report = read_end(body)
    except InvalidInput:
        return
    assert report.energy_kwh is None or 0 <= report.energy_kwh < 1e9


def test_signed_text_with_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidInput):
        read_end(json_object(b'{"SessionId": "%s", "SignedSession": "\\ud83d"}' % SESSION.encode()))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), JSON))
@EXAMPLES
def test_a_json_object_is_read_whatever_is_in_it(value: dict[str, Any]) -> None:
    try:
        body = json.dumps(value, allow_nan=False).encode()
    except ValueError:
        assume(False)

    assert json_object(body) == value


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"[]", b"null", b"1", b'"text"', b"{}{}", b"{'a': 1}", b'{"a": NaN}', b'{"a": -Infinity}',
     b'{"a": Infinity}', b"\xff\xfe{", b'{"a": "\xff"}', b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000,
     b'{"a": ' + b"9" * 5000 + b"}"],
    ids=lambda body: ascii(body[:12]),
)  # fmt: skip
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        json_object(body)


def test_a_body_may_have_256_kib() -> None:
    frame = len(json.dumps({"a": ""}))
    largest = json.dumps({"a": "x" * (MAX_BODY_BYTES - frame)}).encode()
    assert len(largest) == 256 * 1024

    assert json_object(largest)
    with pytest.raises(InvalidInput, match="at most"):
        json_object(largest + b" ")
