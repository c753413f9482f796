"""docs/zapbridge.http has every call of docs/openapi.yaml, and all of them work when played from top to bottom."""

import base64
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from devhost.stack import HOOK_CREDENTIAL, OAUTH_CREDENTIAL, Stack
from shared.streams.intake import KIND as STREAM_MESSAGE
from tests.api.inside import add_site, message, services_of

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "zapbridge.http").read_text()
VARIABLE = re.compile(r"\{\{(.+?)\}\}")


class Request(NamedTuple):
    """`name` is what later requests call its answer by."""

    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: str


def read_variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"^@(\w+) = (.*)$", text, re.MULTILINE))


def read_requests(text: str) -> list[Request]:
    requests = []
    for block in re.split(r"^###.*\n", text, flags=re.MULTILINE)[1:]:
        names = re.findall(r"^# @name (\w+)$", block, re.MULTILINE)
        head, _, body = re.sub(r"^#.*\n", "", block, flags=re.MULTILINE).strip().partition("\n\n")
        first, *rest = head.splitlines()
        method, url = first.split(" ")
        headers = dict(line.split(": ", 1) for line in rest)
        requests.append(Request(names[0] if names else "", method, url, headers, body))
    return requests


OPENAPI: dict[str, Any] = yaml.safe_load((DOCS / "openapi.yaml").read_text())
REQUESTS = read_requests(TEXT)


def route_of(request: Request) -> str:
    """The documented path a request goes to, the most literal one that fits; a variable stands for a parameter."""
    path = request.url.removeprefix("{{base}}").partition("?")[0]
    patterns = {known: "[^/]+".join(map(re.escape, re.split(r"\{\w+\}", known))) for known in OPENAPI["paths"]}
    fitting = [known for known, pattern in patterns.items() if re.fullmatch(pattern, path)]
    return min(fitting, key=lambda known: known.count("{"), default=path)


def test_it_has_every_documented_call_and_no_other() -> None:
    documented = {
        (method.upper(), path)
        for path, operations in OPENAPI["paths"].items()
        for method in operations.keys() & {"get", "put", "post", "delete"}
    }
    assert {(request.method, route_of(request)) for request in REQUESTS} == documented


def test_everything_it_refers_to_is_defined_before() -> None:
    known = set(read_variables(TEXT))
    for request in REQUESTS:
        used = VARIABLE.findall(" ".join([request.url, *request.headers.values(), request.body]))
        assert {name.partition(".")[0] for name in used} <= known, request
        known.add(request.name)


def test_it_holds_no_secret_and_no_card_in_an_address() -> None:
    variables = read_variables(TEXT)
    assert all(variables[name].startswith("<") for name in variables.keys() - {"base", "card"})
    assert not [request.url for request in REQUESTS if "card" in request.url]


async def quarantined(stack: Stack, charger_id: str) -> str:
    """The id of a message that an older version could not understand."""
    async with services_of(stack) as services:
        now = services.clock()
        return await services.quarantine.keep(
            STREAM_MESSAGE, "not readable then", message(charger_id, 710, "1", now), now
        )


async def test_every_call_works_in_the_order_of_the_file(stack: Stack, card: str) -> None:
    installation = await add_site(stack, "The co-op of the .http file", 1)
    async with stack.host.management() as management:
        await management.delete("/hook-credentials/spare")  # other tests of the same stack may have made it
    values = read_variables(TEXT) | {
        "base": stack.host.api,
        "functionKey": stack.host.function_key,
        "hookUser": HOOK_CREDENTIAL,
        "hookPassword": stack.hook_password,
        "clientId": OAUTH_CREDENTIAL,
        "clientSecret": stack.oauth_secret,
        "installation": installation.id,
        "charger": installation.chargers[0].id,
        "card": card,
        "quarantined": await quarantined(stack, installation.chargers[0].id),
    }

    def filled(text: str) -> str:
        return VARIABLE.sub(lambda match: values[match[1]], text)

    def sent(headers: dict[str, str]) -> dict[str, str]:
        """With the `user:password` of Basic encoded, as the editor does it."""
        ready = {name: filled(value) for name, value in headers.items()}
        scheme, _, parameter = ready.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            ready["Authorization"] = f"Basic {base64.b64encode(parameter.encode()).decode()}"
        return ready

    async with httpx.AsyncClient(timeout=30) as client:
        for request in REQUESTS:
            answer = await client.request(
                request.method, filled(request.url), headers=sent(request.headers), content=filled(request.body)
            )
            assert answer.is_success, f"{request.method} {request.url}: {answer.status_code} {answer.text}"
            if request.name:
                values |= {
                    f"{request.name}.response.body.{field}": str(value)
                    for field, value in json.loads(answer.content).items()
                }
