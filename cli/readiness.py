"""The app's judgement of an installation (`GET /api/installations/{id}/readiness`), and what zapctl makes of it."""

from collections.abc import Iterable
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cli.api import path_part
from cli.opening import App
from cli.output import lines, plain
from shared.readiness.finding import Severity

_STYLES = {Severity.LOCKOUT: "bold red", Severity.WARNING: "yellow", Severity.NOTE: ""}


async def readiness(app: App, installation_id: str, mode: str = "") -> dict[str, Any]:
    """As it is now, or as it would be in another mode."""
    parameters = {"base": app.target.url} | ({"mode": mode} if mode else {})
    answer: dict[str, Any] = await app.api.get(f"/installations/{path_part(installation_id)}/readiness", **parameters)
    return answer


def lockouts(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for finding in answer["findings"] if finding["severity"] == Severity.LOCKOUT]


def findings_view(findings: Iterable[dict[str, Any]]) -> RenderableType:
    return lines(*(part for finding in findings for part in _finding(finding)))


def _finding(finding: dict[str, Any]) -> list[Text]:
    severity = finding["severity"]
    said = Text.assemble((f"{severity}: ", _STYLES.get(severity, "")), plain(finding["sentence"]))
    remedy = finding.get("remedy")
    return [said, *([plain(f"  → {remedy}")] if remedy else [])]
