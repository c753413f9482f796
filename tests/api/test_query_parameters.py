"""A query parameter that a call does not have is refused by name, so that a misspelt filter gives no wrong bill. Which
ones a call has is what docs/openapi.yaml says."""

from collections.abc import Iterator

import httpx
import pytest

from devhost.stack import Stack
from tests.api.promised import DOCUMENT

OPEN_TO_ALL = {"POST /hooks/session-start", "POST /hooks/session-end", "POST /oauth/token", "GET /health"}
MANAGED = {
    found.ok().label: found.ok() for found in DOCUMENT.get_all_operations() if found.ok().label not in OPEN_TO_ALL
}
OF_THE_HOST = {"code", "clientId"}
NOBODY = "of-nobody"
"""In place of every id, so that nothing is changed."""


def documented(label: str) -> set[str]:
    return {parameter.name for parameter in MANAGED[label].query}


EVERY_NAME = (
    OF_THE_HOST
    | {"froom", "From", "billable", "timezone", "intervall"}
    | {name for label in MANAGED for name in documented(label)}
)


@pytest.fixture(scope="module")
def operator(stack: Stack) -> Iterator[httpx.Client]:
    key = {"x-functions-key": stack.host.function_key}
    with httpx.Client(base_url=stack.host.api, timeout=30, headers=key) as client:
        yield client


def refused(operator: httpx.Client, label: str, name: str) -> bool:
    """Whether a call is refused for having the parameter at all."""
    method, path = label.split(" ")
    path = path.format(id=NOBODY, name=NOBODY, grant=NOBODY)
    answer = operator.request(method, path, params={name: "x"})
    if answer.status_code != 400:
        return False
    return bool(answer.json().get("errors") == {name: "is no parameter of this call"})


@pytest.mark.parametrize("label", MANAGED)
def test_a_call_takes_the_parameters_of_the_document_and_no_others(operator: httpx.Client, label: str) -> None:
    taken = {name for name in EVERY_NAME if not refused(operator, label, name)}
    assert taken == documented(label) | OF_THE_HOST


def test_whether_a_call_would_be_refused_is_told_to_no_stranger(stack: Stack) -> None:
    assert httpx.get(f"{stack.host.api}/sessions", params={"froom": "2020-01-01"}).status_code == 401
