"""Where secrets live: in Azure the Key Vault; on one machine a file that nobody else may read."""

import fcntl
import json
import os
from pathlib import Path
from typing import Protocol

from shared.errors import SecretStoreUnavailable


class SecretStore(Protocol):
    """Both raise SecretStoreUnavailable where the store does not answer, or refuses."""

    async def get(self, name: str) -> str | None:
        """The secret's present value; None where there is none of that name."""

    async def set(self, name: str, value: str) -> str:
        """There afterwards, for everybody who asks; returns the version it has now ("" where there are none)."""

    async def close(self) -> None:
        """Let go of connections."""


class FileSecrets:
    """A JSON object in a file of mode 0600, replaced whole, so that no reader sees half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def get(self, name: str) -> str | None:
        return self._read().get(name)

    async def set(self, name: str, value: str) -> str:
        draft = self._path.with_suffix(".draft")
        try:
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # against another process that writes another secret
                values = self._read() | {name: value}
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    json.dump(values, file, indent=2)
                draft.replace(self._path)
        except OSError as error:
            raise SecretStoreUnavailable(f"the secrets file cannot be written: {error.strerror}") from error
        return ""

    async def close(self) -> None:
        """A file is not kept open."""

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text()) if self._path.exists() else {}
        except (OSError, ValueError) as error:
            raise SecretStoreUnavailable(f"the secrets file cannot be read ({type(error).__name__})") from error
        if not isinstance(found, dict):
            raise SecretStoreUnavailable("the secrets file is not a JSON object")
        return {str(name): str(value) for name, value in found.items()}
