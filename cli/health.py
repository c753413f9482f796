"""`zapctl health` and `zapctl credentials`: is everything well, and what is it that lets us in where."""

from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.context import run
from cli.exits import Exit, Failure
from cli.opening import App
from cli.output import Output, Rows, lines, local, plain


def health(context: typer.Context) -> None:
    """Is the app up, do its streams bring something, and what could it not understand?

    Ends with 0 while the app is up, however little its streams bring: those are in the answer.
    """
    run(context, _health)


def credentials(context: typer.Context) -> None:
    """What opens what: ZapCloud's login, each stream's connection, the web hooks' credentials. No secrets."""
    run(context, _credentials)


async def _health(app: App, output: Output) -> None:
    answer = await app.api.get("/health/details")
    if not await app.api.is_up():
        reason = "the app says that it is down, since its tables were written by a newer version"
        raise Failure(Exit.UNAVAILABLE, f"{reason}; deploy that one")
    output.result(answer, lambda: _view(answer, app.target.url))


def _view(answer: dict[str, Any], url: str) -> RenderableType:
    quarantine, swept = answer["quarantine"], answer["sweptUntil"]
    kept = f"{quarantine['count']} in quarantine"
    streams = Rows(
        ("Stream", "State", "Newest observation", "Last message"),
        (
            (
                one["name"],
                _moving(one),
                local(one["newest"]),
                local(one["receivedAt"]),
            )
            for one in answer["streams"]
        ),
    )
    return lines(
        f"{url} is {answer['status']}.",
        f"Session log checked until {local(swept)}." if swept else "The session log was not checked yet.",
        f"{kept}, the newest of {local(quarantine['newest'])}." if quarantine["count"] else f"{kept}.",
        streams if answer["streams"] else "No message stream is configured (ZAPBRIDGE_STREAMS).",
    )


def _moving(stream: dict[str, Any]) -> Text:
    if stream["silent"]:
        return plain("silent", "bold red")
    return plain("moving", "green") if stream["receivedAt"] else plain("nothing came yet", "yellow")


async def _credentials(app: App, output: Output) -> None:
    ours = (await app.api.get("/health/details"))["credentials"]
    hooks = (await app.api.get("/hook-credentials"))["items"]
    known_to_us = Rows(
        ("To log in elsewhere", "State", "Since", "Next"),
        ((one["name"], one.get("step", "-"), local(one["since"]), _next(one)) for one in ours),
    )
    known_to_zapcloud = Rows(
        ("For ZapCloud's calls to us", "Valid secrets", "For"),
        (
            (
                one["name"],
                "Entra application" if one.get("entraAppId") else f"{one['secrets']}{_rotating(one)}",
                "all installations" if one["installations"] == ["*"] else "\n".join(one["installations"]),
            )
            for one in hooks
        ),
    )
    output.result(
        {"credentials": ours, "hookCredentials": hooks},
        lambda: lines(
            known_to_us if ours else "The app has not logged in to ZapCloud yet.",
            "",
            known_to_zapcloud
            if hooks
            else "ZapCloud has no credential for the web hooks yet; `zapctl setup` makes one.",
        ),
    )


def _next(credential: dict[str, Any]) -> str:
    if renewed := credential.get("renewAt"):
        return f"renewed at {local(renewed)}"
    return f"asked about at {local(credential['checkedAt'])}"


def _rotating(credential: dict[str, Any]) -> str:
    return ", being rotated" if credential["secrets"] > 1 else ""
