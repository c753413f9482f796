"""Events: one line of JSON each."""

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import telemetry
from shared.storage.installations import Mode

NOW = datetime(2026, 3, 2, 6, 0, 0, 250000, tzinfo=UTC)
EXAMPLES = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def last(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    line = caplog.records[-1].getMessage()
    found = json.loads(line, parse_constant=pytest.fail)
    assert isinstance(found, dict)
    return found


def test_an_event_is_its_name_and_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    telemetry.event("start.authorized", chargerId="c", energyKwh=7.5, count=0, known=False, mode=Mode.OPEN, at=NOW)

    assert last(caplog) == {
        "event": "start.authorized",
        "chargerId": "c",
        "energyKwh": 7.5,
        "count": 0,
        "known": False,
        "mode": "open",
        "at": "2026-03-02T06:00:00.250000Z",
    }
    assert (caplog.records[-1].levelno, caplog.records[-1].name) == (logging.INFO, "zapbridge")


def test_what_is_not_known_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    telemetry.event("e", driver=None, empty="", no=False)

    assert last(caplog) == {"event": "e", "empty": "", "no": False}


def test_what_somebody_may_have_to_act_on_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    telemetry.warning("outage.end", at=NOW)

    assert caplog.records[-1].levelno == logging.WARNING
    assert last(caplog)["event"] == "outage.end"


@given(st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]) | st.sampled_from('\n\r\t"\\\x00')))
@EXAMPLES
def test_an_event_is_one_line_whatever_a_field_holds(caplog: pytest.LogCaptureFixture, text: str) -> None:
    telemetry.event("e", reason=text)

    assert last(caplog) == {"event": "e", "reason": text}
    assert len(caplog.records[-1].getMessage().splitlines()) == 1
    assert "%" not in text or last(caplog)["reason"] == text


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"], ids=ascii)
def test_the_line_separators_of_unicode_make_no_second_line(caplog: pytest.LogCaptureFixture, separator: str) -> None:
    telemetry.event("e", reason=f"a{separator}b")

    assert len(caplog.records[-1].getMessage().splitlines()) == 1


def test_half_a_surrogate_pair_can_be_written(caplog: pytest.LogCaptureFixture) -> None:
    """A body may hold one, and a handler that encodes the line would fail over it."""
    telemetry.event("e", chargerId="\ud83d")

    caplog.records[-1].getMessage().encode()


def test_instants_are_in_utc_wherever_they_come_from(caplog: pytest.LogCaptureFixture) -> None:
    telemetry.event("e", at=NOW.astimezone(timezone(timedelta(hours=2))))

    assert last(caplog)["at"] == "2026-03-02T06:00:00.250000Z"


def test_what_cannot_be_a_field_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="bytes"):
        telemetry.event("e", body=b"x")  # type: ignore[arg-type]
