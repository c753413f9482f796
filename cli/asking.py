"""Asking the operator. A secret is typed unseen, read from stdin, or taken from the environment, never an argument."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cli.exits import Exit, Failure
from cli.output import Output


def confirm(question: str, *, yes: bool) -> None:
    """Raises Failure unless the operator says yes, on the line with --yes or when asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(Exit.NOT_DONE, "nobody can be asked here, so nothing was changed; say --yes if you mean it")
    with _interruptible():
        if not typer.confirm(question, err=True):
            raise Failure(Exit.NOT_DONE, "nothing was changed")


def ask(what: str, given: str, option: str) -> str:
    """What was given on the line or in the environment, or else is typed."""
    if given:
        return given
    if not sys.stdin.isatty():
        raise Failure(Exit.NOT_DONE, f"the {what} is missing; say it by {option}")
    with _interruptible():
        return str(typer.prompt(what, err=True)).strip()


def ask_secret(what: str, variable: str, *, from_stdin: bool) -> str:
    """A secret from the first line of stdin, from an environment variable, or typed unseen; raises Failure."""
    if from_stdin:
        secret = sys.stdin.readline().rstrip("\r\n")
    elif variable in os.environ:
        secret = os.environ[variable]
    elif sys.stdin.isatty():
        with _interruptible():
            secret = str(typer.prompt(what, hide_input=True, err=True))
    else:
        raise Failure(Exit.NOT_DONE, f"the {what} is missing; pipe it in with --password-stdin, or set {variable}")
    if not secret:
        raise Failure(Exit.NOT_DONE, f"the {what} is empty; nothing was changed")
    return secret


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and Ctrl-D at a question are a no. While asyncio runs, the first Ctrl-C would only cancel its task, which
    does not run while the operator is asked (CPython, `asyncio.Runner`)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except typer.Abort as abort:
        raise Failure(Exit.NOT_DONE, "nothing was changed") from abort
    finally:
        signal.signal(signal.SIGINT, before)


def require_a_place_for_a_secret(output: Output) -> None:
    """A new secret is shown once: on a terminal, or in the JSON of the command that makes it, and in no other log."""
    if not (output.as_json or output.console.is_terminal):
        reason = "a new secret would be shown here, and this is no terminal"
        raise Failure(Exit.NOT_DONE, f"{reason}; run it on one, or with --json, whose output then holds the secret")
