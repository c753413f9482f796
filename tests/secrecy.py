"""No secret, card number or e-mail address may stand in a log, nor in the address of a request."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from azure.core.pipeline.transport import AioHttpTransport

_CARD = re.compile(rb"04A1B2[0-9A-Fa-f]{8}|nfc-[0-9A-Fa-f]{8,}", re.IGNORECASE)
"""Every card of the tests begins alike, so that any of them is found in any log."""
_E_MAIL = re.compile(rb"[\w.+-]+@[\w-]+\.[\w.]+")


def found_secrets(text: bytes, secrets: list[str]) -> list[str]:
    """What a piece of log gives away, named but not repeated."""
    found = [f"secret number {number}" for number, secret in enumerate(secrets) if secret and secret.encode() in text]
    if _CARD.search(text):
        found.append("a card number")
    if _E_MAIL.search(text):
        found.append("an e-mail address")
    return found


def assert_no_secrets(log_folder: Path, secrets: list[str]) -> None:
    logs = sorted(log_folder.glob("*.log"))
    assert logs, f"no logs in {log_folder}: nothing was looked at"
    given_away = {log.name: found for log in logs if (found := found_secrets(log.read_bytes(), secrets))}
    assert not given_away, f"logs give away: {given_away}"


class WatchedTransport(AioHttpTransport):
    """Carries requests to storage, and keeps what their addresses give away."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__(use_env_settings=False)
        self._secrets = secrets
        self.requests = 0
        self.given_away: list[str] = []

    async def send(self, request: Any, **options: Any) -> Any:
        self.requests += 1
        self.given_away += found_secrets(unquote(request.url).encode(), self._secrets)
        return await super().send(request, **options)
