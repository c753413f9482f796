"""What an import would change, decided from the file and what is stored."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.token_file import Card, Row, read
from cli.token_plan import plan

ADA = Card(token="04A1B2C3", driver="Ada", label="blue", valid_to=datetime(2030, 1, 1, tzinfo=UTC))


def rows(text: str) -> list[Row]:
    found, faults = read(text.encode())
    assert not faults
    return found


def test_new_changed_and_unchanged_are_told_apart() -> None:
    text = "token,driver\n04A1B2C3,Ada\n04A1B2C4,Grace\n04A1B2C5,Kari\n"
    stored = {card.token: card for card in (ADA, Card(token="04A1B2C4", driver="Greta"))}
    found = plan(rows(text), stored)
    assert [step.after.driver for step in found.new] == ["Kari"]
    assert [(step.after.driver, step.changed) for step in found.changed] == [("Grace", ("driver",))]
    assert (found.unchanged, found.merged, found.faults) == (1, 0, ())


def test_what_the_file_has_no_column_for_stays_as_it_is_stored() -> None:
    (step,) = plan(rows("token,driver\n04A1B2C3,Ada L.\n"), {ADA.token: ADA}).steps
    assert step.after == Card(token="04A1B2C3", driver="Ada L.", label="blue", valid_to=ADA.valid_to)


def test_an_empty_cell_clears() -> None:
    (step,) = plan(rows("token,validTo\n04A1B2C3,\n"), {ADA.token: ADA}).steps
    assert (step.after.valid_to, step.changed) == (None, ("validTo",))


def test_an_instant_in_another_zone_is_no_change() -> None:
    text = "token,validTo\n04A1B2C3,2030-01-01T01:00:00+01:00\n"
    assert plan(rows(text), {ADA.token: ADA}).unchanged == 1


@pytest.mark.parametrize("again", ["nfc-04A1B2C3", "04:a1:b2:c3", "04-A1-B2-C3", "04A1B2C3"])
def test_spellings_of_one_card_are_one_line(again: str) -> None:
    found = plan(rows(f"token,driver\n04A1B2C3,Ada\n{again},Ada\n"), {})
    assert [step.line for step in found.new] == [2]
    assert (found.merged, found.faults) == (1, ())


def test_spellings_of_one_card_that_contradict_each_other_are_a_fault() -> None:
    found = plan(rows("token,driver,blocked\n04A1B2C3,Ada,no\n04:a1:b2:c3,Grace,yes\n"), {})
    assert [(fault.line, fault.column) for fault in found.faults] == [(3, "driver"), (3, "blocked")]
    assert "line 2" in found.faults[0].fault


@pytest.mark.parametrize("stored", [{}, {"04A1B2C3": ADA}], ids=["in the file", "with what is stored"])
def test_a_card_that_would_never_be_valid_is_a_fault(stored: dict[str, Card]) -> None:
    columns = "token,validFrom" if stored else "token,validTo,validFrom"
    cells = "04A1B2C3,2031-01-01T00:00:00Z" if stored else "04A1B2C3,2030-01-01T00:00:00Z,2031-01-01T00:00:00Z"
    assert [fault.line for fault in plan(rows(f"{columns}\n{cells}\n"), stored).faults] == [2]


_Cards = st.builds(
    Card,
    token=st.sampled_from(["04A1B2C3", "04A1B2C4", "04A1B2C5"]),
    driver=st.sampled_from([None, "Ada", "Grace"]),
    blocked=st.booleans(),
)
_Drivers = st.sampled_from([None, "Ada", "Kari"])


@given(
    st.lists(_Cards, unique_by=lambda card: card.token),
    st.dictionaries(st.sampled_from(["04A1B2C3", "04A1B2C5", "04A1B2C6"]), _Drivers),
)
def test_once_it_is_carried_out_nothing_is_left_to_do(stored: list[Card], said: dict[str, str | None]) -> None:
    before = {card.token: card for card in stored}
    file = [Row(line, token, {"driver": driver}) for line, (token, driver) in enumerate(said.items(), 2)]
    planned = plan(file, before)
    after = before | {step.after.token: step.after for step in planned.steps}
    assert plan(file, after).steps == ()
    assert {token: after[token].driver for token in said} == said
    assert all(after[token] == card for token, card in before.items() if token not in said)
    assert len(planned.steps) + planned.unchanged == len(said)
