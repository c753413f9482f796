"""What the worker told us about the app's functions, ready for the triggers."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SETTING = re.compile(r"%([^%]+)%")


class UnresolvedSettingError(LookupError):
    """A binding names `%SETTING%` and there is no such setting."""


class TriggerError(Exception):
    """The trigger cannot be run as it is configured."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    id: str
    bindings: tuple[Mapping[str, Any], ...]
    """As in function.json, `%SETTING%` replaced."""
    trigger: Mapping[str, Any]
    """The one binding that starts it."""
    disabled: bool = False

    @property
    def trigger_type(self) -> str:
        return str(self.trigger["type"])

    @property
    def outputs(self) -> list[str]:
        """The types of its output bindings, the HTTP answer left out."""
        return [str(b["type"]) for b in self.bindings if b["direction"] == "OUT" and b["type"] != "http"]


def read_function(metadata: Any, settings: Mapping[str, str] = os.environ) -> Function:
    """Build a function from the worker's `RpcFunctionMetadata`.

    A function is switched off by the setting `AzureWebJobs.<name>.Disabled`, as in Azure.

    Raises:
        UnresolvedSettingError: a binding refers to a setting that does not exist.
    """
    bindings = tuple(_resolve(json.loads(raw), settings) for raw in metadata.raw_bindings)
    disabled = settings.get(f"AzureWebJobs.{metadata.name}.Disabled", "").lower() in ("1", "true")
    trigger = next(binding for binding in bindings if str(binding["type"]).endswith("Trigger"))
    return Function(metadata.name, metadata.function_id, bindings, trigger, disabled)


def _resolve(binding: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    by_name = {name.lower(): value for name, value in settings.items()}

    def value_of(match: re.Match[str]) -> str:
        try:
            return by_name[match[1].lower()]
        except KeyError:
            raise UnresolvedSettingError(f"there is no setting '{match[1]}' for %{match[1]}%") from None

    return {key: SETTING.sub(value_of, value) if isinstance(value, str) else value for key, value in binding.items()}
