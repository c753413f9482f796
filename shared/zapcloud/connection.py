"""A message subscription's connection details, as ZapCloud gives them, made into what opens it."""

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import ZapCloudError
from shared.loopback import is_loopback
from shared.stream import StreamAddress

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]*")
_PART = re.compile(r"[^;\s\x00-\x1f]+")
_SERVICE_BUS = (".servicebus.windows.net", ".servicebus.usgovcloudapi.net", ".servicebus.chinacloudapi.cn")


def address_of(fields: Mapping[str, Any], *, simulated: bool) -> StreamAddress:
    """Connection details as a connection string; what would not fit into one, or lead anywhere but to Azure Service Bus
    (where ZapCloud is simulated, to this machine), is refused."""
    host = _part(fields, "host", _HOST)
    username, password = _part(fields, "username", _PART), _part(fields, "password", _PART)
    topic, subscription = _part(fields, "topic", _PART), _part(fields, "subscription", _PART)
    credential = f"SharedAccessKeyName={username};SharedAccessKey={password}"
    if host.lower().endswith(_SERVICE_BUS):
        return StreamAddress(f"Endpoint=sb://{host}/;{credential}", topic, subscription)
    if not (simulated and is_loopback(host) and isinstance(fields.get("port"), int)):
        raise ZapCloudError("ZapCloud's connection details lead elsewhere than to Azure Service Bus")
    emulated = f"Endpoint=sb://{host}:{fields['port']};{credential};UseDevelopmentEmulator=true;"
    return StreamAddress(emulated, topic, subscription)


def _part(fields: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text = fields.get(name)
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ZapCloudError(f"ZapCloud's connection details have no {name} that can be used")
    return text
