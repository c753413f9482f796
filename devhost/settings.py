"""The files that configure a host: `host.json` and `local.settings.json` beside the app, and a file of secrets."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_ROUTE_PREFIX = "api"
DEFAULT_BATCH_SIZE = 1000


class SettingsError(Exception):
    """A settings file is missing, unreadable or not of the expected form."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    values: dict[str, str]
    port: int | None
    """`Host.LocalHttpPort`."""


@dataclass(frozen=True, slots=True)
class HostJson:
    route_prefix: str
    """Without slashes at its ends."""
    max_message_batch_size: int
    """How many Service Bus messages a function is given at once, at most."""
    auto_complete_messages: bool
    """Whether the host settles them when the function has returned."""


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is not a JSON object")
    return content


def read_local_settings(path: Path) -> LocalSettings:
    """Read a file of func's form, `{"IsEncrypted": false, "Values": {…}, "Host": {…}}`.

    Raises:
        SettingsError: also when the file is encrypted, which only func can undo.
    """
    content = _read_object(path)
    if content.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted; run `func settings decrypt` first")
    values, host = content.get("Values", {}), content.get("Host", {})
    if not isinstance(values, dict) or not isinstance(host, dict):
        raise SettingsError(f"{path}: 'Values' and 'Host' must be objects")
    if nested := [name for name, value in values.items() if isinstance(value, dict | list)]:
        raise SettingsError(f"{path}: settings must be plain values: {', '.join(nested)}")
    port = host.get("LocalHttpPort")
    if port is not None and not isinstance(port, int):
        raise SettingsError(f"{path}: Host.LocalHttpPort must be a number")
    return LocalSettings({name: _as_text(value) for name, value in values.items()}, port)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def apply(values: dict[str, str], environment: MutableMapping[str, str]) -> None:
    """Make the settings environment variables; what the environment already says wins."""
    for name, value in values.items():
        environment.setdefault(name, value)


def read_secrets(path: Path) -> dict[str, str]:
    """The secrets that stand in for Key Vault: a JSON object from names to values.

    Raises:
        SettingsError: the file is missing, or something else.
    """
    content = _read_object(path)
    if not all(isinstance(value, str) for value in content.values()):
        raise SettingsError(f"{path}: secrets must be strings")
    return content


def read_host_json(app: Path) -> HostJson:
    """host.json, as far as devhost follows it; what it does not say is as in Azure.

    Raises:
        SettingsError: it is missing or malformed.
    """
    extensions = _part(_read_object(app / "host.json"), "extensions")
    prefix = _part(extensions, "http").get("routePrefix", DEFAULT_ROUTE_PREFIX)
    if not isinstance(prefix, str):
        raise SettingsError("host.json: extensions.http.routePrefix must be a string")
    service_bus = _part(extensions, "serviceBus")
    most = service_bus.get("maxMessageBatchSize", DEFAULT_BATCH_SIZE)
    if type(most) is not int or most < 1:
        raise SettingsError("host.json: extensions.serviceBus.maxMessageBatchSize must be a number from 1 on")
    complete = service_bus.get("autoCompleteMessages", True)
    if not isinstance(complete, bool):
        raise SettingsError("host.json: extensions.serviceBus.autoCompleteMessages must be true or false")
    return HostJson(prefix.strip("/"), most, complete)


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name, {})
    if not isinstance(part, dict):
        raise SettingsError(f"host.json: {name} must be an object")
    return part
