"""The modules of monitoring as pycep reads them: which alerts and charts there are, and with which queries."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pycep

MODULES = Path(__file__).parents[2] / "infra" / "modules"


class Alert(msgspec.Struct, frozen=True):
    """One on logs; `dimension` is the column an alert is told apart by, None where it is one for all."""

    name: str
    title: str
    severity: int
    every: str
    window: str
    query: str
    dimension: str | None


def module(name: str) -> dict[str, Any]:
    tree: dict[str, Any] = pycep.BicepParser().parse(text=(MODULES / f"{name}.bicep").read_text())
    return tree


def loaded(value: dict[str, Any]) -> str:
    """The file that a loadTextContent(…) reads."""
    path: str = value["function"]["parameters"]["file_path"]
    return path


def variable(name: str, variables: dict[str, Any]) -> Any:
    return variables[name]["value"]


def alerts() -> list[Alert]:
    variables = module("alerts")["variables"]
    return [
        Alert(
            name=one["name"],
            title=one["title"],
            severity=one["severity"],
            every=one["every"],
            window=one["window"],
            query=loaded(one["query"]),
            dimension=variable(one["dimensions"], variables)[0]["name"] if one["dimensions"] else None,
        )
        for one in variable("alerts", variables)
    ]


def severities() -> dict[str, int]:
    """Of every alert by its name: those on logs, and the one on what is asked from outside."""
    outside = module("availability")["resources"]["alert"]["config"]
    name = outside["name"].removeprefix("zapbridge-")
    return {alert.name: alert.severity for alert in alerts()} | {name: outside["properties"]["severity"]}


def charts() -> dict[str, str]:
    """The query files of the workbook by the names of its charts."""
    return {one["name"]: loaded(one["query"]) for one in variable("panels", module("workbook")["variables"])}


def anchors_of(text: str) -> set[str]:
    """What a heading is linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
