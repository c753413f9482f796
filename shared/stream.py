"""A message stream: where its connection details come from, and the three settings that its trigger listens with.

ZapCloud gives connection details per installation (deprecated, but alive) or per user group; host, key, topic and
subscription can all change at any time (guide 6.5.8, "Credentials"; docs.zaptec.com, "Zaptec Service Bus
subscriptions").
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

from shared.errors import ConfigurationError
from shared.identifiers import canonical_uuid

_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
UNRESOLVED = "@Microsoft.KeyVault("
"""How the value of a reference begins that Azure could not resolve: no secret yet, or no right to read it."""


class Stream(msgspec.Struct, frozen=True):
    """A stream by its name; exactly one of the two ids says whose messages it brings."""

    name: str
    installation_id: str | None = None
    user_group_id: str | None = None

    @property
    def function_name(self) -> str:
        return f"stream_{self.name}"

    @property
    def connection_setting(self) -> str:
        return f"ZAPBRIDGE_STREAM_{self.name.upper()}_CONNECTION"

    @property
    def topic_setting(self) -> str:
        return f"ZAPBRIDGE_STREAM_{self.name.upper()}_TOPIC"

    @property
    def subscription_setting(self) -> str:
        return f"ZAPBRIDGE_STREAM_{self.name.upper()}_SUBSCRIPTION"

    @property
    def settings(self) -> tuple[str, str, str]:
        return self.connection_setting, self.topic_setting, self.subscription_setting

    @property
    def secrets(self) -> tuple[str, str, str]:
        """The names of the secrets behind the settings, in the same order."""
        return f"stream-{self.name}-connection", f"stream-{self.name}-topic", f"stream-{self.name}-subscription"

    def missing(self, environment: Mapping[str, str]) -> list[str]:
        """The settings that are not there yet, or are references Azure could not resolve."""
        return [name for name in self.settings if not is_set(environment.get(name, ""))]

    def address(self, environment: Mapping[str, str]) -> "StreamAddress | None":
        """What the settings say; None where one is missing."""
        if self.missing(environment):
            return None
        return StreamAddress(*(environment[name] for name in self.settings))


class StreamAddress(msgspec.Struct, frozen=True):
    """What opens a stream; the connection string names no entity, which the trigger of many messages would refuse
    (azure-sdk-for-net, MessagingProvider.cs, and issue 26837)."""

    connection: str
    topic: str
    subscription: str

    def fingerprint(self, identity_key: str) -> str:
        """Names the credentials without telling anything of them."""
        text = "\0".join((self.connection, self.topic, self.subscription))
        return hmac.new(identity_key.encode(), b"stream-address\0" + text.encode(), hashlib.sha256).hexdigest()[:16]


class _Source(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    installation: str | None = None
    user_group: str | None = None


def is_set(value: str) -> bool:
    return bool(value.strip()) and not value.strip().startswith(UNRESOLVED)


def read_streams(text: str) -> tuple[Stream, ...]:
    """Streams from the setting; raises ConfigurationError that says what is wrong with it."""
    setting = "ZAPBRIDGE_STREAMS"
    try:
        sources = msgspec.json.decode(text or "{}", type=dict[str, _Source])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{setting}: {error}") from None
    streams = []
    for name, source in sources.items():
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{setting}: a name is small letters and digits, beginning with a letter")
        ids = [canonical_uuid(given) for given in (source.installation, source.user_group) if given is not None]
        if len(ids) != 1 or ids[0] is None:
            raise ConfigurationError(f"{setting}: {name} needs the id of either an installation or a userGroup")
        installation_id = canonical_uuid(source.installation)
        streams.append(Stream(name, installation_id, None if installation_id else ids[0]))
    return tuple(streams)
