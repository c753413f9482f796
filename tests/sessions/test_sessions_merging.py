"""Whatever part of the sources is heard, in whatever order, at whatever instants and how often: one result."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.billing.ocmf import digest_of
from shared.sessions.flags import Flag
from shared.sessions.folding import fold
from shared.sessions.view import Event, SessionView, Source, Status
from shared.storage.sessions import Fact
from shared.zapcloud.commit import Commit
from tests.conftest import MONDAY_MORNING

SOURCES = (
    Source.COMPLETED_SESSION,
    Source.END_HOOK,
    Source.SESSION_API,
    Source.ARCHIVED_SESSIONS,
    Source.CHARGE_HISTORY,
)
RISING = (*SOURCES, Source.SIGNED_METER_VALUE)

minutes = st.integers(0, 600)
energies = st.integers(0, 100_000).map(lambda wh: wh / 1000)
cards = st.sampled_from(["card-1", "card-2"])


def text(minute: int) -> str:
    return (MONDAY_MORNING + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def facts_of(source: Source, event: Event, data: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Fact]:
    heard = minutes.map(lambda minute: MONDAY_MORNING + timedelta(minutes=minute))
    return st.builds(Fact, at=heard, source=st.just(source), event=st.just(event), data=data)


DOCUMENTS = ("OCMF|{}|{1}", "OCMF|{}|{2}")
figures = st.fixed_dictionaries(
    {},
    optional={
        "energyKwh": energies,
        "start": minutes.map(text),
        "end": minutes.map(text),
        "signedSession": st.sampled_from(DOCUMENTS),
        "installationId": st.sampled_from(["home", "elsewhere"]),
        "chargerId": st.sampled_from(["c1", "c2"]),
    },
)
listed = st.fixed_dictionaries(
    {"energyKwh": energies, "installationId": st.just("home"), "commitMetadata": st.integers(0, 255)},
    optional={
        "end": minutes.map(text),
        "replacedBy": st.sampled_from(["b", "c"]),
        "abandoned": st.just(True),
        "signedSession": st.sampled_from(DOCUMENTS),
        "userName": st.sampled_from(["Kari Nordmann", "Ola Nordmann"]),
        "tokenName": st.sampled_from(["blue", "red"]),
    },
)
claims = st.fixed_dictionaries(
    {"at": minutes.map(text), "installationId": st.just("home"), "chargerId": st.just("c1"), "tokenId": cards},
    optional={"driver": st.sampled_from(["Kari", "Ola"]), "limited": st.just(True)},
)
assessments = st.fixed_dictionaries(
    {
        "document": st.sampled_from(DOCUMENTS).map(digest_of),
        "verdict": st.sampled_from(["valid", "invalid", "no-key", "unsigned", "unreadable"]),
        "counts": st.booleans(),
        "energyKwh": energies,
    }
)
any_fact = st.one_of(
    facts_of(Source.START_HOOK, Event.AUTHORIZED, claims),
    facts_of(Source.ZAPBRIDGE, Event.ATTRIBUTED, claims),
    facts_of(Source.OBSERVATION, Event.CHARGING, st.fixed_dictionaries({"at": minutes.map(text)})),
    facts_of(Source.OBSERVATION, Event.DISCONNECTED, st.fixed_dictionaries({"at": minutes.map(text)})),
    facts_of(Source.ZAPBRIDGE, Event.SUPERSEDED, st.just({"by": "x"})),
    facts_of(Source.COMPLETED_SESSION, Event.ENDED, figures),
    facts_of(Source.END_HOOK, Event.ENDED, figures),
    facts_of(Source.SESSION_API, Event.ENDED, figures),
    facts_of(Source.ARCHIVED_SESSIONS, Event.ENDED, listed),
    facts_of(Source.CHARGE_HISTORY, Event.ENDED, listed),
    facts_of(Source.CHARGE_HISTORY, Event.REPLACES, st.sampled_from(["a", "z"]).map(lambda one: {"session": one})),
    facts_of(Source.SIGNED_METER_VALUE, Event.ASSESSED, assessments),
)
fact_lists = st.lists(any_fact, max_size=10)


def stored(heard: list[Fact]) -> tuple[Fact, ...]:
    """As the table keeps them: a fact heard again is there already."""
    kept: dict[str, Fact] = {}
    for fact in heard:
        kept.setdefault(fact.key, fact)
    return tuple(kept.values())


def result(view: SessionView) -> SessionView:
    """Without the instants at which we heard of things."""
    return msgspec.structs.replace(view, timeline=())


def heard_otherwise(facts: list[Fact], random: Random) -> list[Fact]:
    """The same statements again: shuffled, some of them twice, each heard at some other instant."""
    again = [*facts, *random.choices(facts, k=len(facts))] if facts else []
    random.shuffle(again)
    return [msgspec.structs.replace(fact, at=some_instant(random)) for fact in again]


def some_instant(random: Random) -> datetime:
    return MONDAY_MORNING + timedelta(seconds=random.randrange(10**6))


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(fact_lists, fact_lists, st.integers(0, 2**32))
def test_any_statements_in_any_order_any_number_of_times_give_one_result(
    facts: list[Fact], of_the_replaced: list[Fact], seed: int
) -> None:
    random = Random(seed)
    replaced = (fold("a", stored(of_the_replaced)),)
    replaced_again = (fold("a", stored(heard_otherwise(of_the_replaced, random))),)
    once = fold("s", stored(facts), replaced)
    again = fold("s", stored(heard_otherwise(facts, random)), replaced_again)
    assert result(again) == result(once)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(fact_lists)
def test_energy_is_that_of_the_highest_authority_which_states_any(facts: list[Fact]) -> None:
    view = fold("s", stored(facts))
    here = [
        fact
        for fact in facts
        if fact.event == Event.ENDED and fact.data.get("installationId", view.installation_id) == view.installation_id
    ]
    assert (view.status is Status.ENDED) == bool(here)
    about = [digest_of(view.signed_session)] if view.signed_session else [digest_of(one) for one in DOCUMENTS]
    metered = [
        fact
        for fact in facts
        if fact.event == Event.ASSESSED and fact.data["counts"] and fact.data["document"] in about
    ]
    if here and metered:
        assert view.source == Source.SIGNED_METER_VALUE
        assert view.energy_kwh in [fact.data["energyKwh"] for fact in metered]
        return
    stating = [fact for fact in here if "energyKwh" in fact.data]
    best = max((SOURCES.index(fact.source) for fact in stating), default=None)
    expected = [fact.data["energyKwh"] for fact in stating if SOURCES.index(fact.source) == best] or [None]
    assert view.energy_kwh in expected


@settings(derandomize=True, deadline=None, max_examples=500)
@given(fact_lists)
def test_what_was_taken_back_or_is_not_over_is_never_billable(facts: list[Fact]) -> None:
    view = fold("s", stored(facts))
    if view.billable:
        assert view.status is Status.ENDED
        assert view.energy_kwh
        assert not {Flag.VOID, Flag.REPLACED} & set(view.flags)


def test_within_charge_history_what_was_taken_back_stays_so() -> None:
    """A page that was read before the session was voided and is stored after it changes nothing."""
    before = {"energyKwh": 9.0, "end": text(60), "commitMetadata": Commit.ONLINE, "installationId": "home"}
    void = before | {"energyKwh": 0.0, "end": text(0), "commitMetadata": Commit.ONLINE | Commit.VOID}
    heard = [
        Fact(at=MONDAY_MORNING, source=Source.CHARGE_HISTORY, event=Event.ENDED, data=data) for data in (void, before)
    ]
    view = fold("s", tuple(heard))
    assert (view.energy_kwh, view.billable, view.flags) == (0.0, False, (Flag.NOT_OURS, Flag.VOID))


def listed_as(**data: Any) -> Fact:
    at_home = {"installationId": "home", "commitMetadata": Commit.ONLINE | Commit.RELIABLE_CLOCK} | data
    return Fact(at=MONDAY_MORNING, source=Source.CHARGE_HISTORY, event=Event.ENDED, data=at_home)


def test_what_the_charger_commits_stands_over_what_zapcloud_closed_before() -> None:
    closed = listed_as(energyKwh=5.0, end=text(240), commitMetadata=0, abandoned=True)
    committed = listed_as(energyKwh=7.5, end=text(210))
    view = fold("s", (closed, committed))
    assert (view.energy_kwh, view.contradicted, Flag.ABANDONED in view.flags) == (7.5, False, False)


def test_only_the_document_that_stands_is_counted_by() -> None:
    first = listed_as(energyKwh=5.0, end=text(60), signedSession=DOCUMENTS[0])
    second = listed_as(energyKwh=7.5, end=text(90), signedSession=DOCUMENTS[1])
    assessed = [
        Fact(
            at=MONDAY_MORNING,
            source=Source.SIGNED_METER_VALUE,
            event=Event.ASSESSED,
            data={"document": digest_of(document), "verdict": "valid", "counts": True, "energyKwh": energy},
        )
        for document, energy in zip(DOCUMENTS, (5.001, 7.501), strict=True)
    ]
    assert fold("s", (first, second, *assessed)).energy_kwh == 7.501


def test_a_session_that_charged_did_begin_whatever_zapcloud_knows_of_it() -> None:
    charged = Fact(at=MONDAY_MORNING, source=Source.OBSERVATION, event=Event.CHARGING, data={"at": text(5)})
    unknown = Fact(at=MONDAY_MORNING, source=Source.SESSION_API, event=Event.NEVER_BEGAN, data={})
    assert fold("s", (charged, unknown)).status is Status.CHARGING
