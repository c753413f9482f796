"""docs/openapi.yaml against the running app: whatever is sent, the answer is one that the document promises.

For each operation requests are made up from its schemas, the same in every run: ones that fit, ones that do not, and
ones that fit and name things that exist.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from devhost.stack import HOOK_CREDENTIAL, Stack
from functions.services import Services
from shared.streams.intake import KIND as STREAM_MESSAGE
from simulator.shapes import InstallationView
from tests.api.inside import STREAM, message

CONFIG = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
DOCUMENT = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs" / "openapi.yaml", config=CONFIG)
OPERATIONS = {found.ok().label: found.ok() for found in DOCUMENT.get_all_operations()}
HOOKS = {"POST /hooks/session-start", "POST /hooks/session-end"}
TOKEN_SERVICE = "POST /oauth/token"
WITH_INPUT = [label for label, operation in OPERATIONS.items() if operation.body or list(operation.iter_parameters())]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

type Send = Callable[[schemathesis.Case], requests.Response]


class Existing(NamedTuple):
    """One of each thing that a request can name."""

    installation: str
    charger: str
    card: str
    token: str
    driver: str
    session: str
    grant: str
    credential: str
    quarantined: str

    def put_into(self, case: schemathesis.Case) -> None:
        """In the place of what was made up."""
        collection = case.path.split("/")[1]
        ids = {"tokens": self.token, "installations": self.installation, "chargers": self.charger}
        ids |= {"quarantine": self.quarantined, "drivers": self.driver}
        path = {"id": ids.get(collection, self.session), "grant": self.grant, "name": self.credential}
        body = {
            "token": self.card,
            "tokenCode": self.card,
            "chargerId": self.charger,
            "installationId": self.installation,
            "sessionId": self.session,
        }
        case.path_parameters.update({name: path[name] for name in case.path_parameters})
        if "installation" in case.query:
            case.query["installation"] = self.installation
        if isinstance(case.body, dict):
            case.body.update({name: body[name] for name in case.body.keys() & body})


@pytest.fixture(scope="module")
async def installation(stack: Stack) -> InstallationView:
    return await stack.add_installation("Made up requests", 1)


@pytest.fixture
async def existing(
    stack: Stack, inside: Services, installation: InstallationView, card: str, now: datetime
) -> Existing:
    charger = installation.chargers[0].id
    observed = message(charger, 513, "7400", now - timedelta(minutes=1))
    await inside.streams.intake.take(STREAM, [(observed, now)])
    async with stack.host.management() as management, stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as zap:

        async def known(answer: httpx.Response, field: str) -> str:
            return str(answer.raise_for_status().json()[field])

        await known(await management.put(f"/installations/{installation.id}", json={"mode": "open"}), "id")
        start = {"chargerId": charger, "tokenCode": card}
        return Existing(
            installation=installation.id,
            charger=charger,
            card=card,
            token=await known(await management.put("/tokens", json={"token": card, "driver": "Ada"}), "id"),
            driver=await known(await management.put("/drivers", json={"driver": f"Whose card is {card}"}), "id"),
            session=await known(await zap.post("/hooks/session-start", json=start), "sessionId"),
            grant=await known(await management.post(f"/chargers/{charger}/grants", json={"driver": "Grace"}), "id"),
            credential=await known(
                await management.put("/hook-credentials/made-up", json={"installations": ["*"]}), "name"
            ),
            quarantined=await inside.quarantine.keep(STREAM_MESSAGE, "not readable then", observed, now),
        )


@pytest.fixture(scope="module")
def send(stack: Stack) -> Iterator[Send]:
    """Sends a request with what its operation is authenticated by."""
    with requests.Session() as session:

        def sent(case: schemathesis.Case) -> requests.Response:
            auth = (HOOK_CREDENTIAL, stack.hook_password) if case.operation.label in HOOKS else None
            key = {"x-functions-key": stack.host.function_key}
            return case.call(base_url=stack.host.api, session=session, headers=key, auth=auth)

        yield sent


def send_made_up(
    label: str,
    mode: GenerationMode,
    send: Send,
    existing: Existing | None = None,
    most: int = 10,
) -> set[int]:
    """Check the answers to requests of an operation that were made up; returns the statuses they had."""
    statuses: set[int] = set()

    @settings(
        max_examples=most, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        if existing:
            existing.put_into(case)
        response = send(case)
        case.validate_response(response, checks=CHECKS)
        statuses.add(response.status_code)

    check()
    return statuses


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_answer_to_what_fits_is_one_the_document_promises(send: Send, label: str) -> None:
    statuses = send_made_up(label, GenerationMode.POSITIVE, send)
    assert statuses != {401} or label in {*HOOKS, TOKEN_SERVICE}


@pytest.mark.parametrize("label", WITH_INPUT)
def test_the_answer_to_what_does_not_fit_is_one_the_document_promises(send: Send, label: str) -> None:
    send_made_up(label, GenerationMode.NEGATIVE, send)


@pytest.mark.parametrize("label", [label for label in OPERATIONS if label != TOKEN_SERVICE])
def test_what_fits_and_exists_is_taken(send: Send, existing: Existing, label: str) -> None:
    statuses = send_made_up(label, GenerationMode.POSITIVE, send, existing)
    assert statuses & {200, 201, 202, 204}


@pytest.mark.parametrize("label", OPERATIONS)
def test_without_credentials_nothing_is_told(stack: Stack, existing: Existing, label: str) -> None:
    """But for the two calls that are there for whoever has none yet."""

    def send(case: schemathesis.Case) -> requests.Response:
        return case.call(base_url=stack.host.api)

    statuses = send_made_up(label, GenerationMode.POSITIVE, send, existing, most=2)
    assert statuses <= {"GET /health": {200}, TOKEN_SERVICE: {400, 401}}.get(label, {401})


def test_instants_are_answered_in_utc_whatever_offset_they_were_sent_with(send: Send, card: str) -> None:
    times = {"validFrom": "2026-03-02T07:00:00+01:00", "validTo": "2026-03-09T00:30:00-05:30"}
    case = OPERATIONS["PUT /tokens"].Case(body={"token": card, **times}, media_type="application/json")
    answer = send(case)
    case.validate_response(answer, checks=CHECKS)
    assert answer.json()["validFrom"] == "2026-03-02T06:00:00Z"
    assert answer.json()["validTo"] == "2026-03-09T06:00:00Z"


def test_pages_put_together_are_the_whole_list(stack: Stack, existing: Existing) -> None:
    """Of tokens, sessions and chargers: nothing is missing between two pages, and nothing is there twice."""
    key = {"x-functions-key": stack.host.function_key}
    with httpx.Client(base_url=stack.host.api, headers=key) as operator:
        for number in range(5):
            operator.put("/tokens", json={"token": f"{existing.card[:-2]}F{number}"}).raise_for_status()
        for path, name in (("/tokens", "id"), ("/sessions", "sessionId"), ("/chargers", "id")):
            whole = operator.get(path, params={"limit": 1000}).raise_for_status().json()
            paged, cursor = [], {}
            while cursor is not None:
                page = operator.get(path, params={"limit": 2, **cursor}).raise_for_status().json()
                paged += page["items"]
                cursor = {"cursor": page["cursor"]} if page["cursor"] else None
            assert [item[name] for item in paged] == [item[name] for item in whole["items"]]
            assert whole["items"]
