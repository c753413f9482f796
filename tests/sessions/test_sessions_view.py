"""A session follows from the set of facts about it: any order, any repetition, one result."""

from datetime import timedelta
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.sessions.folding import fold
from shared.sessions.view import Event, Source, Status
from shared.storage.sessions import Fact
from tests.conftest import MONDAY_MORNING

HOME, ELSEWHERE = "home", "elsewhere"

instants = st.integers(0, 5000).map(lambda seconds: MONDAY_MORNING + timedelta(seconds=seconds))
authorizations = st.builds(
    Fact,
    at=instants,
    source=st.just(Source.START_HOOK),
    event=st.just(Event.AUTHORIZED),
    data=st.sampled_from(["Kari", "Ola"]).map(
        lambda driver: {"at": "2026-03-02T06:00:00Z", "installationId": HOME, "chargerId": "c", "driver": driver}
    ),
)
ends = st.builds(
    Fact,
    at=instants,
    source=st.sampled_from([Source.END_HOOK, Source.SESSION_API, "a source of the future"]),
    event=st.just(Event.ENDED),
    data=st.fixed_dictionaries(
        {"energyKwh": st.floats(0, 100)}, optional={"installationId": st.sampled_from([HOME, ELSEWHERE])}
    ),
)
superseded = st.builds(
    Fact, at=instants, source=st.just(Source.ZAPBRIDGE), event=st.just(Event.SUPERSEDED), data=st.just({"by": "x"})
)
fact_lists = st.lists(st.one_of(authorizations, ends, superseded), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(fact_lists, st.integers(0, 2**32))
def test_the_order_of_the_facts_changes_nothing(facts: list[Fact], shuffle: int) -> None:
    shuffled = facts.copy()
    Random(shuffle).shuffle(shuffled)
    assert fold("s", tuple(shuffled)) == fold("s", tuple(facts))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(fact_lists, ends)
def test_a_fact_heard_again_later_changes_no_figure(facts: list[Fact], end: Fact) -> None:
    """Storage keeps the first; should both be there, they still mean the same."""
    later = msgspec.structs.replace(end, at=end.at + timedelta(hours=3))
    assert later.key == end.key
    once, twice = fold("s", (*facts, end)), fold("s", (*facts, end, later))
    assert (once.energy_kwh, once.status, once.driver) == (twice.energy_kwh, twice.status, twice.driver)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(fact_lists)
def test_figures_come_from_the_highest_authority_of_the_right_place(facts: list[Fact]) -> None:
    view = fold("s", tuple(facts))
    heard = [fact for fact in facts if fact.event == Event.ENDED]
    if view.status is not Status.ENDED:
        assert all(fact.data.get("installationId") not in {None, view.installation_id} for fact in heard)
        return
    sources = {
        fact.source for fact in heard if fact.data.get("installationId", view.installation_id) == view.installation_id
    }
    best = next(
        source for source in (Source.SESSION_API, Source.END_HOOK, "a source of the future") if source in sources
    )
    assert view.source == best


def test_a_caller_of_another_installation_contributes_no_figures() -> None:
    start = Fact(
        at=MONDAY_MORNING,
        source=Source.START_HOOK,
        event=Event.AUTHORIZED,
        data={"at": "2026-03-02T06:00:00Z", "installationId": HOME, "chargerId": "c", "driver": "Kari"},
    )
    foreign = Fact(
        at=MONDAY_MORNING,
        source=Source.END_HOOK,
        event=Event.ENDED,
        data={"installationId": ELSEWHERE, "energyKwh": 99.0},
    )
    view = fold("s", (foreign, start))
    assert (view.status, view.energy_kwh, view.driver) == (Status.AUTHORIZED, None, "Kari")
    assert foreign in view.timeline


def test_what_is_drawn_after_an_erasure_is_newer_than_what_was_drawn_before() -> None:
    named = Fact(
        at=MONDAY_MORNING,
        source=Source.START_HOOK,
        event=Event.AUTHORIZED,
        data={"at": "2026-03-02T06:00:00Z", "installationId": HOME, "chargerId": "c", "driver": "Kari"},
    )
    erased = msgspec.structs.replace(named, data=named.data | {"driver": "erased-1"}, stored_as=named.key)
    assert fold("s", (erased,)).weight > fold("s", (named,)).weight
