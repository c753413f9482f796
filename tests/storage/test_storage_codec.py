"""Whatever a repository stores comes back as it was, through a real Azurite."""

import uuid
from datetime import UTC, datetime
from enum import Enum
from types import NoneType
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import StorageUnavailable
from shared.storage.authorizations import Claim, Evidence, Grant, Waiting
from shared.storage.chargers import Charger
from shared.storage.codec import from_properties, to_properties
from shared.storage.credentials import HookCredential
from shared.storage.decisions import Refusal, SeenToken
from shared.storage.installations import Installation
from shared.storage.quarantine import Quarantined, Shape
from shared.storage.session_index import SessionEntry
from shared.storage.sessions import Fact, Sessions
from shared.storage.table import Tables
from shared.storage.tokens import Token

KINDS = (
    Token,
    Claim,
    Grant,
    Evidence,
    Waiting,
    Charger,
    Installation,
    SessionEntry,
    HookCredential,
    Refusal,
    SeenToken,
    Quarantined,
    Shape,
)
EXAMPLES = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
INSTANTS = st.datetimes(datetime(1601, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: INSTANTS,
    NoneType: st.none(),
    tuple[str, ...]: st.lists(TEXT, max_size=4).map(tuple),
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    return st.one_of(*(values(option) for option in get_args(annotation)))


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
    if kind is Grant:
        fields["driver"] = TEXT
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@EXAMPLES
async def test_every_struct_comes_back_as_it_was(
    tables: Tables, kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    table = tables["Things"]
    value = data.draw(structs(kind))

    await table.upsert("p", "r", to_properties(value))

    row = await table.get("p", "r")
    assert row is not None
    assert from_properties(kind, row.properties) == value


def test_a_grant_without_a_driver_comes_back() -> None:
    """One such row would make all of its charger's partition unreadable."""
    grant = Grant(id="g", charger_id="c", driver=None, created_at=NOW, expires_at=NOW)
    assert from_properties(Grant, to_properties(grant)) == grant


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FACTS = st.builds(Fact, at=INSTANTS, source=TEXT, event=TEXT, data=st.dictionaries(TEXT, JSON, max_size=4))


@given(facts=st.lists(FACTS, max_size=3, unique_by=lambda fact: fact.key))
@settings(EXAMPLES, max_examples=12)
async def test_facts_come_back_as_they_were(tables: Tables, facts: list[Fact]) -> None:
    sessions, session_id = Sessions(tables), str(uuid.uuid4())

    for fact in facts:
        await sessions.add(session_id, fact, fact.at)

    record = await sessions.read(session_id)
    assert record.facts == tuple(sorted(facts, key=lambda fact: (fact.at, fact.key)))
    assert record.listed_at == (facts[0].at if facts else None)


@pytest.mark.parametrize("piece", ["x", "\U0001f50c", 'ä"\\\n'], ids=["ascii", "astral", "escaped"])
@pytest.mark.parametrize("characters", [16 * 1024 - 20, 16 * 1024 + 20, 60_000])
async def test_a_large_fact_is_stored_in_pieces(tables: Tables, piece: str, characters: int) -> None:
    document = piece * (characters // len(piece))
    fact = Fact(at=NOW, source="end-hook", event="ended", data={"signedSession": document})

    await Sessions(tables).add("s", fact, NOW)

    assert (await Sessions(tables).read("s")).facts == (fact,)


def test_the_least_that_can_be_known_takes_no_property() -> None:
    assert to_properties(Evidence()) == {}
    assert from_properties(Evidence, {}) == Evidence()


def test_what_a_newer_version_added_is_not_looked_at() -> None:
    newer = to_properties(Charger(id="c", installation_id="i")) | {"colour": "red", "openSessions": "[]"}

    assert from_properties(Charger, newer) == Charger(id="c", installation_id="i")


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (Token, {"id": "1", "token": "A", "chargers": "[not JSON"}),
        (Token, {"id": "1", "token": "A", "chargers": '{"a": 1}'}),
        (Token, {"id": "1", "token": "A", "blocked": "yes"}),
        (Token, {"id": "1"}),
        (Installation, {"id": "i", "mode": "a mode of next year"}),
    ],
)
def test_a_row_that_cannot_be_read_is_storage_that_is_not_there(
    kind: type[msgspec.Struct], properties: dict[str, Any]
) -> None:
    """So that the outage policy decides, instead of a crash."""
    with pytest.raises(StorageUnavailable, match=kind.__name__):
        from_properties(kind, properties)
