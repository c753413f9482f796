"""The two files that configure a host: `host.json` and `local.settings.json`, both beside the app."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_ROUTE_PREFIX = "api"


class SettingsError(Exception):
    """A settings file is missing, unreadable or not of the expected form."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    values: dict[str, str]
    port: int | None
    """`Host.LocalHttpPort`."""


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


def read_route_prefix(app: Path) -> str:
    """`extensions.http.routePrefix` of host.json, without slashes at its ends; `api` when it says nothing.

    Raises:
        SettingsError: host.json is missing or malformed.
    """
    content = _read_object(app / "host.json")
    extensions = content.get("extensions", {})
    http = extensions.get("http", {}) if isinstance(extensions, dict) else {}
    prefix = http.get("routePrefix", DEFAULT_ROUTE_PREFIX) if isinstance(http, dict) else DEFAULT_ROUTE_PREFIX
    if not isinstance(prefix, str):
        raise SettingsError("host.json: extensions.http.routePrefix must be a string")
    return prefix.strip("/")
