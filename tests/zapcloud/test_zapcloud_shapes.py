"""A body's shape and its sample: enough to see its form, and nothing of what it says."""

import json
import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.zapcloud.shapes import sample_of, shape_of

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=100)
ASCII = st.text(string.printable, max_size=30)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KEYS = st.sampled_from(["chargerId", "tokenCode", "a", "_x", "Installation_Id"])


def bodies(texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(KEYS, values, max_size=5)


def texts_in(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for item in value for text in texts_in(item)]
        case dict():
            return [text for item in value.values() for text in texts_in(item)]
    return []


@given(bodies(ASCII))
@EXAMPLES
def test_a_sample_masks_every_letter_and_digit_of_the_values(body: dict[str, Any]) -> None:
    for text in texts_in(json.loads(sample_of(body))):
        assert set(text) & set(string.ascii_letters + string.digits) <= set("aA9")


@given(bodies(ANY))
@EXAMPLES
def test_a_sample_masks_the_letters_and_digits_of_every_script(body: dict[str, Any]) -> None:
    for text in texts_in(json.loads(sample_of(body))):
        assert all(character in "aA9" for character in text if character.isalnum())


def test_numbers_do_not_show_and_forms_do() -> None:
    body = {"tokenCode": "nfc-04A3:b2", "energy": 12.5, "n": -7, "yes": True, "none": None, "deep": {"a": ["Bb1", 2]}}

    assert json.loads(sample_of(body)) == {
        "tokenCode": "aaa-99A9:a9",
        "energy": 9,
        "n": 9,
        "yes": True,
        "none": None,
        "deep": {"a": ["Aa9", 9]},
    }


@given(bodies(ANY))
@EXAMPLES
def test_bodies_of_the_same_kinds_have_the_same_shape(body: dict[str, Any]) -> None:
    def other(value: Any) -> Any:
        match value:
            case None | bool():
                return value
            case int() | float():
                return 42
            case str():
                return value and "something else"
            case list():
                return [other(item) for item in value]
        return {name: other(item) for name, item in reversed(value.items())}

    assert shape_of(body) == shape_of(other(body))
    assert shape_of(body) == shape_of(dict(reversed(body.items())))


@given(bodies(st.just("0a1b2c3d-secret-value")))
@EXAMPLES
def test_a_shape_says_nothing_of_the_values(body: dict[str, Any]) -> None:
    assert "secret" not in shape_of(body)
    assert not re.search(r"\d", shape_of(body))


def test_a_shape_tells_kinds_apart() -> None:
    values: list[Any] = [None, True, 1, "", "x", "1b0d3c0e-0000-4000-8000-000000000001", [], [1], ["x"], [1, "x"], {},
                         {"a": 1}]  # fmt: skip

    assert len({shape_of({"a": value}) for value in values}) == len(values)
    assert shape_of({"tokenCode": "x", "chargerId": "1B0D3C0E-0000-4000-8000-000000000001"}) == (
        "chargerId:uuid tokenCode:text"
    )
    assert shape_of({"a": [1, 2.5]}) == shape_of({"a": [7]})


ODD = ["04A3B2C1D0E5F6", "nfc-04A3", "ada@example.com", "a b", "", "ключ", "x" * 41, "card1234"]


@pytest.mark.parametrize("key", ODD)
def test_a_key_that_could_be_data_is_not_shown(key: str) -> None:
    for shown in (shape_of({key: 1}), sample_of({key: 1}), shape_of({"a": {key: 1}}), sample_of({"a": {key: 1}})):
        assert not key or key not in shown
        assert "(odd key)" in shown


@pytest.mark.parametrize("key", ["A3B2C1D0E5F604", "nfc04A3B2C1", "ABCDEF01A2B3C4"])
def test_a_card_number_as_a_key_is_not_shown(key: str) -> None:
    assert key not in shape_of({key: 1})


def test_the_largest_and_deepest_body_has_a_bounded_shape_and_sample() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"a": deep, "b": [deep]}
    wide: dict[str, Any] = {f"key_{letter * 2}": "x" * 10_000 for letter in string.ascii_letters}

    assert len(shape_of(deep)) < 1000
    assert len(sample_of(deep)) < 1000
    assert len(sample_of(wide)) < 40 * 80
    assert "…" in json.loads(sample_of({"a": {"a": {"a": {"a": {"a": 1}}}}}))["a"]["a"]["a"].values()
