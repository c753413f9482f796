"""Runs devhost as its users do: as a process of its own, over a small app written for the test."""

import json
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests.devhost.bus import Bus

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20.0
READY = "devhost ready on "


class Lines:
    """What a stream of the process says, line by line, as it comes."""

    def __init__(self, stream: IO[str]) -> None:
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(stream,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._new.put(line.rstrip("\n"))
        self._new.put(None)

    def wait_for(self, text: str) -> str:
        """The next line that holds the text; the test fails when the stream ends or does not say it in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (line := self._new.get(timeout=max(0, deadline - time.monotonic()))) is not None:
            self.seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"never said {text!r}:\n" + "\n".join(self.seen))

    def all(self) -> str:
        """Everything said, once the process has ended."""
        self._reader.join(PATIENCE_SECONDS)
        while not self._new.empty():
            if (line := self._new.get()) is not None:
                self.seen.append(line)
        return "\n".join(self.seen)


class HostProcess:
    """`bytecode` is where what Python compiled is kept from one start to the next: it halves the time to start."""

    def __init__(self, app: Path, *arguments: str, bytecode: Path, environment: dict[str, str] | None = None) -> None:
        self.app = app
        self.keys_file = app.parent / ".local" / "keys.json"
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "devhost", "--app", str(app), *arguments],
            cwd=app.parent,
            env=inherited | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(bytecode)} | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)
        self.client = httpx.Client(timeout=PATIENCE_SECONDS)

    def wait_until_ready(self) -> None:
        self.base_url = self.out.wait_for(READY).removeprefix(READY).partition(",")[0]
        self.client.base_url = httpx.URL(self.base_url)

    @property
    def keys(self) -> dict[str, str]:
        return json.loads(self.keys_file.read_text())

    @property
    def master(self) -> dict[str, str]:
        """The header that opens everything."""
        return {"x-functions-key": self.keys["masterKey"]}

    def run_function(self, name: str) -> httpx.Response:
        return self.client.post(f"/admin/functions/{name}", json={"input": ""}, headers=self.master)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.client.close()
            self.out.all()
            self.err.all()


def write_app(
    folder: Path, source: str, settings: dict[str, Any] | None = None, host: dict[str, Any] | None = None
) -> Path:
    """An app in `folder`; `source` is the body of its function_app.py, `func` and `app` being there."""
    folder.mkdir(parents=True, exist_ok=True)
    head = "import azure.functions as func\napp = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
    (folder / "function_app.py").write_text(head + textwrap.dedent(source))
    (folder / "host.json").write_text(json.dumps({"version": "2.0"} | (host or {})))
    if settings is not None:
        (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": settings}))
    return folder


@pytest.fixture
def bus() -> Iterator[Bus]:
    bus = Bus()
    yield bus
    bus.close()


StartHost = Callable[..., HostProcess]


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(scope="module")
def run_host(bytecode: Path) -> Iterator[StartHost]:
    """Starts a process over a folder with an app; whatever still runs at the end of the module is stopped."""
    started: list[HostProcess] = []

    def run(app: Path, *arguments: str, ready: bool = True, **options: Any) -> HostProcess:
        host = HostProcess(app, "--port", "0", *arguments, bytecode=bytecode, **options)
        started.append(host)
        if ready:
            host.wait_until_ready()
        return host

    yield run
    for host in started:
        host.stop()


@pytest.fixture
def start(tmp_path: Path, run_host: StartHost) -> Iterator[Callable[..., HostProcess]]:
    """Writes an app and starts it; stopped when the test ends."""
    mine: list[HostProcess] = []

    def start(
        source: str,
        *arguments: str,
        settings: dict[str, Any] | None = None,
        host: dict[str, Any] | None = None,
        **options: Any,
    ) -> HostProcess:
        process = run_host(write_app(tmp_path / "app", source, settings, host), *arguments, **options)
        mine.append(process)
        return process

    yield start
    for process in mine:
        process.stop()


@pytest.fixture(scope="module")
def app_writer() -> Callable[..., Path]:
    return write_app
