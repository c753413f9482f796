"""Finished sessions as ZapCloud writes them down: what is there is read, what is wrong is named."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.zapcloud.commit import Commit
from shared.zapcloud.history import PastSession, read_archived, read_history

ID = "29ebc8fc-04a6-4ff7-bd9e-a6ca3982493b"
CHARGER = "5b7e1c9e-2b1f-4b7b-9a55-3f6a5c1d2e3f"


def lowered(item: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in item.items()}


def of(**changes: Any) -> dict[str, Any]:
    return lowered(
        {
            "Id": ID,
            "ChargerId": CHARGER,
            "StartDateTime": "2025-06-07T09:20:55.967",
            "EndDateTime": "2025-06-07T16:50:00",
            "CommitEndDateTime": "2025-06-07T16:46:56.877",
            "Energy": 2.527,
            "CommitMetadata": 21,
            "ExternallyEnded": True,
            "EnergyDetails": [
                {"Timestamp": "2025-06-07T09:30:01.007+00:00", "Energy": 0.509},
                {"Timestamp": "2025-06-07T09:20:55.943+00:00", "Energy": 0.0},
            ],
        }
        | changes
    )


def test_an_item_of_charge_history_is_read() -> None:
    found = read_history(of())
    report = found.report
    assert (report.session_id, report.energy_kwh) == (ID, 2.527)
    assert report.start == datetime(2025, 6, 7, 9, 20, 55, 967000, tzinfo=UTC), "an instant without a zone is UTC"
    assert report.end == datetime(2025, 6, 7, 16, 46, 56, 877000, tzinfo=UTC), "when it truly ended"
    assert found.commit == Commit.ONLINE | Commit.RELIABLE_CLOCK | Commit.SIGNED
    assert [energy for _, energy in found.energy_details] == [0.0, 0.509], "in order of time"
    assert not found.abandoned


def test_one_that_runs_has_no_end() -> None:
    assert read_history(of(EndDateTime=None, CommitEndDateTime=None)).report.end is None


def test_one_that_only_zapcloud_closed_is_abandoned() -> None:
    found = read_history(of(CommitEndDateTime=None, CommitMetadata=0))
    assert found.abandoned
    assert found.report.end == datetime(2025, 6, 7, 16, 50, tzinfo=UTC)


@pytest.mark.parametrize("metadata", [21, None])
def test_one_of_old_firmware_which_has_no_true_end_is_not(metadata: int | None) -> None:
    assert not read_history(of(CommitEndDateTime=None, CommitMetadata=metadata)).abandoned


def test_an_item_of_the_archive_says_the_same() -> None:
    item = lowered(
        {
            "id": ID,
            "chargerId": CHARGER,
            "startDateTime": "2025-06-07T09:20:55.967Z",
            "endDateTime": "2025-06-07T16:46:56.877Z",
            "energy": 2.527,
            "offline": False,
            "reliableClock": True,
            "signed": True,
            "voided": False,
            "externallyAbandoned": False,
            "authorizedUser": {"id": "u", "email": "kari@example.com", "fullName": "Kari Nordmann"},
            "energyDetails": [{"timestamp": "2025-06-07T09:30:01.007Z", "energy": 0.509}],
        }
    )
    found, history = read_archived(item), read_history(of())
    assert (found.report, found.commit, found.charger_id) == (history.report, history.commit, history.charger_id)
    assert (found.user_id, found.user_name, found.user_email) == ("u", "Kari Nordmann", "kari@example.com")
    assert read_archived(item | {"externallyabandoned": True}).abandoned


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Id", None),
        ("Id", "not-a-uuid"),
        ("Energy", -1),
        ("Energy", "2.5"),
        ("Energy", True),
        ("StartDateTime", "yesterday"),
        ("EndDateTime", 5),
    ],
)
def test_what_a_session_cannot_be_without_is_named_where_it_is_wrong(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_history(of(**{field: value}))
    assert set(raised.value.fields) == {field.lower()}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ChargerId", "xxx"),
        ("CommitMetadata", "21"),
        ("CommitMetadata", -1),
        ("EnergyDetails", "none"),
        ("EnergyDetails", [{"Timestamp": "2025-06-07T09:20:55Z"}]),
        ("EnergyDetails", [{"Timestamp": "2025-06-07T09:20:55Z", "Energy": -0.001}]),
        ("EnergyDetails", [{"Energy": 1.0}]),
        ("SignedSession", "half a \ud800 pair"),
        ("TokenName", 7),
        ("ReplacedBySessionId", "none"),
    ],
)
def test_whatever_else_is_wrong_is_left_out_and_named(field: str, value: object) -> None:
    found = read_history(of(**{field: value}))
    assert found.report.energy_kwh == 2.527
    assert field.lower() in found.odd


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00", "1970-01-01T00:12:00Z"])
def test_a_clock_that_was_never_set_tells_nothing(instant: str) -> None:
    found = read_history(of(StartDateTime=instant, CommitEndDateTime=instant))
    assert found.report.start is None
    assert found.report.end == datetime(2025, 6, 7, 16, 50, tzinfo=UTC), "when ZapCloud closed it"


@pytest.mark.parametrize("nobody", ["00000000-0000-0000-0000-000000000000", ID])
def test_a_session_is_not_replaced_by_none_or_by_itself(nobody: str) -> None:
    assert read_history(of(ReplacedBySessionId=nobody)).replaced_by is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted(of() | lowered(dict.fromkeys(["TokenName", "ReplacedBySessionId", "SignedSession", "AuthorizedUser"])))


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.dictionaries(st.sampled_from(NAMES), json_values))
def test_no_item_however_strange_does_more_than_be_refused(changes: dict[str, Any]) -> None:
    for read in (read_history, read_archived):
        with contextlib.suppress(InvalidInput):
            assert isinstance(read(of() | changes), PastSession)


def test_the_published_bits_are_ours() -> None:
    constants = json.loads((Path(__file__).parents[2] / "simulator" / "constants.json").read_text())
    published = {name.replace("_", "").lower(): bit for name, bit in constants["SessionCommitMetadata"].items() if bit}
    assert {bit.name.replace("_", "").lower(): bit.value for bit in Commit if bit.name} == published
