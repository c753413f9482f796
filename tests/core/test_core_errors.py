"""The tree of errors, and the one form of identifiers."""

import inspect
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import errors
from shared.identifiers import canonical_uuid, new_session_id

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=100)


def test_every_error_is_one_of_ours_and_in_the_tree_of_the_docstring() -> None:
    found = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}

    assert all(issubclass(getattr(errors, name), errors.ZapbridgeError) for name in found)
    assert all(name in str(errors.__doc__) for name in found)
    assert issubclass(errors.ZapCloudUnavailable, errors.ZapCloudError)


def test_invalid_input_names_the_fields() -> None:
    error = errors.InvalidInput("the body does not fit", {"token": "is missing"})

    assert (str(error), error.fields) == ("the body does not fit", {"token": "is missing"})
    assert errors.InvalidInput("not JSON").fields == {}


@given(st.uuids())
@EXAMPLES
def test_a_uuid_is_written_in_one_way(value: uuid.UUID) -> None:
    assert canonical_uuid(str(value)) == canonical_uuid(str(value).upper()) == str(value)


@pytest.mark.parametrize("form", ["{%s}", "urn:uuid:%s", " %s", "%s ", "%s\n", "%s0"])
def test_other_forms_of_a_uuid_are_not_taken(form: str) -> None:
    assert canonical_uuid(form % uuid.uuid4()) is None


@pytest.mark.parametrize(
    "value", [None, 7, "", uuid.uuid4(), "9b2f4c1e8d3a4e57b6c01a2d3e4f5a6b", b"x", "g" * 36, "٣" * 36]
)
def test_what_is_no_uuid_in_text_is_not_taken(value: object) -> None:
    assert canonical_uuid(value) is None


def test_a_session_id_is_new_and_canonical() -> None:
    ids = {new_session_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(canonical_uuid(one) == one and uuid.UUID(one).version == 4 for one in ids)
