"""What every command is run with: the options that stand before it, and the app they mean."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import typer

from cli.exits import Exit, Failure
from cli.opening import App, opened
from cli.output import Output
from cli.target import Choice, find_target
from shared.errors import HostControlFailed, SecretStoreUnavailable

Work = Callable[[App, Output], Awaitable[int | None]]
"""What a command does; its exit code, None for 0."""


class Options(msgspec.Struct, frozen=True):
    target: Choice
    outputs: Path | None
    output: Output


def run(context: typer.Context, work: Work, *, changing: str = "") -> None:
    """Find the app, open it, do the work, and end with the exit code it gives. `changing` says in words what will be
    changed there, which stderr names before it happens."""
    options: Options = context.obj
    target = find_target(options.target, options.outputs, Path.cwd(), os.environ)
    if changing:
        options.output.note(f"{changing}: {target.name}")

    async def work_there() -> int | None:
        async with opened(target) as app:
            return await work(app, options.output)

    try:
        ended = asyncio.run(work_there())
    except (SecretStoreUnavailable, HostControlFailed) as error:
        raise Failure(Exit.AZURE, str(error)) from error
    if ended:
        raise typer.Exit(ended)
