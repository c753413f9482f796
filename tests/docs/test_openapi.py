"""docs/openapi.yaml says what the app answers to, and its examples are what it says they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
import schemathesis
import yaml
from azure.functions.decorators.http import HttpTrigger
from jsonschema_rs import Draft202012Validator

import function_app

OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(OPENAPI.read_text())
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}

type Route = tuple[str, str]


def registered() -> dict[Route, func.AuthLevel]:
    """Every HTTP route of the app, as (method, path), with who may call it as far as the host checks that.

    On an app of its own, since one can be asked for its functions only once. The other role has no route of its own.
    """
    app = func.FunctionApp()
    for blueprint in function_app.HOOKS:
        app.register_functions(blueprint)
    triggers = [function.get_trigger() for function in app.get_functions()]
    return {
        (method.value, f"/{trigger.route}"): trigger.auth_level
        for trigger in triggers
        if isinstance(trigger, HttpTrigger)
        for method in trigger.methods
    }


def documented() -> dict[Route, dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def described(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every bodily form and parameter of the document: whatever has a schema."""
    if isinstance(node, dict):
        if "schema" in node:
            yield where, node
        for name, part in node.items():
            yield from described(part, f"{where}/{name}")
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from described(part, f"{where}/{number}")


def examples() -> list[Any]:
    found = []
    for where, described_by in described(DOCUMENT):
        named = {name: example["value"] for name, example in described_by.get("examples", {}).items()}
        if "example" in described_by:
            named[""] = described_by["example"]
        found += [
            pytest.param(described_by["schema"], value, id=f"{where}/{name}".strip("/"))
            for name, value in named.items()
        ]
    return found


def test_every_route_of_the_app_is_documented_and_every_documented_one_exists() -> None:
    assert set(documented()) == set(registered())


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_path(OPENAPI).validate()


def test_it_says_which_calls_need_a_function_key() -> None:
    needed = {route for route, level in registered().items() if level is not func.AuthLevel.ANONYMOUS}
    said = {
        route
        for route, operation in documented().items()
        if {"functionKey": []} in operation.get("security", DOCUMENT["security"])
    }
    assert said == needed


@pytest.mark.parametrize(("schema", "example"), examples())
def test_an_example_is_what_its_schema_says(schema: dict[str, Any], example: object) -> None:
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)
    assert [str(error) for error in validator.iter_errors(example)] == []


def test_every_body_has_an_example() -> None:
    without = [
        where
        for where, described_by in described(DOCUMENT)
        if "/content/" in where and not {"example", "examples"} & described_by.keys()
    ]
    assert without == []


def test_card_numbers_stand_in_bodies_only() -> None:
    parameters = {
        described_by["name"].lower() for where, described_by in described(DOCUMENT) if "/parameters/" in where
    }
    assert parameters
    assert not parameters & {"token", "card", "rfid", "tokencode"}
