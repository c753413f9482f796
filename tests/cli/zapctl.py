"""zapctl as an operator runs it: the script at the top of the project, from any folder, in a process of its own."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from devhost.stack import ROOT

SCRIPT = ROOT / "zapctl"
STDOUT_IS_FULL = (
    "zapctl: standard output could not be written: No space left on device; what it was to hold is not whole\n"
)
_KEPT = {"PATH", "HOME", "LANG"}
_LONGEST_SECONDS = 180
"""After so long a command is taken to hang."""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Zapctl:
    """From a folder; nothing of the tests' own environment is there but where programs are, and the time zone."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str] | None = None, longest_seconds: float = _LONGEST_SECONDS
    ) -> None:
        self.folder = folder
        self._longest_seconds = longest_seconds
        self.environment = {name: value for name, value in os.environ.items() if name in _KEPT}
        self.environment |= {"TZ": "Europe/Oslo"} | dict(environment or {})

    @asynccontextmanager
    async def started(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """With pipes for what goes in and comes out; if it has not ended by the end of the context, it is killed."""
        process = await asyncio.create_subprocess_exec(
            str(SCRIPT),
            *arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=_heed_interrupts,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        """Run to its end, with pipes for its output; `stdin` is what is piped into it."""
        async with self.started(*arguments) as process, asyncio.timeout(self._longest_seconds):
            out, err = await process.communicate(stdin.encode())
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def in_shell(self, command: str) -> Ended:
        """A line of a shell in which `zapctl` is ours, with stdout where the line sends it."""
        line = f'zapctl() {{ {SCRIPT} "$@"; }}; {command}'
        process = await asyncio.create_subprocess_shell(
            line, cwd=self.folder, env=self.environment, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(self._longest_seconds):
            _, err = await process.communicate()
        return Ended(process.returncode or 0, "", err.decode())

    async def on_terminal(self, *arguments: str, answers: Sequence[tuple[str, str]] = (), columns: int = 200) -> Ended:
        """Run on a terminal of its own; each of `answers` is typed when its question is on the screen. All that is on
        the screen is `out`. (The space at the end of a hidden question comes when typing is hidden already.)"""
        async with self._terminal(arguments, columns, own=True) as (process, ours):
            screen, unseen, pending = "", "", list(answers)
            while chunk := await asyncio.to_thread(_read, ours):
                screen += chunk
                unseen += chunk
                while pending and pending[0][0] in unseen:
                    question, answer = pending.pop(0)
                    unseen = unseen.partition(question)[2]
                    ours.write(f"{answer}\n".encode())
            await process.wait()
        assert not pending, f"never asked {pending[0][0]!r}; the screen says:\n{screen}"
        return Ended(process.returncode or 0, screen, "")

    async def outlives_its_terminal(self, *arguments: str, sign: str) -> bool:
        """Whether it is still there long after the terminal, which is not its own to be hung up by, was closed; that is
        when the sign is on the screen."""
        async with self._terminal(arguments, 200, own=False) as (process, ours):
            screen = ""
            while sign not in screen:
                chunk = await asyncio.to_thread(_read, ours)
                assert chunk, f"{sign!r} never came; the screen says:\n{screen}"
                screen += chunk
            ours.close()
            try:
                await asyncio.wait_for(process.wait(), self._longest_seconds / 6)
            except TimeoutError:
                return True
        return False

    @asynccontextmanager
    async def _terminal(
        self, arguments: Sequence[str], columns: int, *, own: bool
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, FileIO]]:
        """The process, and our side of its terminal; killed if it has not ended by the end of the context, or hangs."""
        number, theirs = pty.openpty()
        ours = FileIO(number, "r+")
        process = await asyncio.create_subprocess_exec(
            str(SCRIPT),
            *arguments,
            cwd=self.folder,
            env=self.environment | {"TERM": "xterm", "COLUMNS": str(columns)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_take_the_terminal if own else _leave_the_terminal,
        )
        os.close(theirs)
        deadline = asyncio.get_running_loop().call_later(self._longest_seconds, process.kill)
        try:
            yield process, ours
        finally:
            deadline.cancel()
            if process.returncode is None:
                process.kill()
            await process.wait()
            ours.close()


def _heed_interrupts() -> None:
    """In the new process: what runs in the background of a shell, as the tests may, is started deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _leave_the_terminal() -> None:
    _heed_interrupts()
    os.setsid()


def _take_the_terminal() -> None:
    """In the new process: the terminal is its own, so that it can be asked there, and interrupted by Ctrl-C."""
    _leave_the_terminal()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: FileIO) -> str:
    try:
        return (terminal.read(65536) or b"").decode(errors="replace")
    except OSError:  # the other side is closed
        return ""
