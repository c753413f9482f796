"""An export of a person reads every table: zapctl waits for it as long as Azure lets a request last, and no longer."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner, Result

from cli import api
from cli.app import app
from cli.exits import Exit, Failure

DRIVER = "ab" * 16
AZURE_ENDS_A_REQUEST_AFTER_SECONDS = 230


class SlowApp(BaseHTTPRequestHandler):
    """Takes its time for every answer."""

    seconds: ClassVar[float] = 0.6

    def do_GET(self) -> None:
        time.sleep(self.seconds)
        content = b'{"sessions": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # zapctl waited no longer
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Not at all."""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app is slower than zapctl waits for it as a rule."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowApp)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / ".local").mkdir()
    description = {"base_url": f"http://127.0.0.1:{server.server_port}", "function_key": "key"}
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(description))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_TIMEOUT_SECONDS", SlowApp.seconds / 2)
    yield
    server.shutdown()
    server.server_close()


def zapctl(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("slow")
def test_an_export_that_takes_long_is_waited_for() -> None:
    assert json.loads(zapctl("drivers", "export", DRIVER).output) == {"sessions": []}
    other = zapctl("drivers", "show", DRIVER).exception
    assert isinstance(other, Failure)
    assert other.exit_code == Exit.UNREACHABLE


@pytest.mark.usefixtures("slow")
def test_one_that_takes_longer_than_azure_allows_says_how_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    assert api._LONGEST_SECONDS < AZURE_ENDS_A_REQUEST_AFTER_SECONDS
    monkeypatch.setattr(api, "_LONGEST_SECONDS", SlowApp.seconds / 2)

    failure = zapctl("drivers", "export", DRIVER).exception

    assert isinstance(failure, Failure)
    assert failure.exit_code == Exit.UNAVAILABLE
    assert "that Azure leaves a request" in str(failure)
    assert "zapctl sessions export" in str(failure)
    assert "is the app running" not in str(failure)
