"""How clients name what they attach to: `topic`, `topic/Subscriptions/sub`, `…/$DeadLetterQueue`, `…/$management`.

Names are the same in any letter case. The SDKs put the scheme and the host in front of most, but not of all.
"""

import re

import msgspec

_HOST = re.compile(r"^[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_MANAGEMENT = "/$management"
_DEAD_LETTERS = "/$deadletterqueue"
_SUBSCRIPTIONS = "/subscriptions/"


class Address(msgspec.Struct, frozen=True):
    """What an address names; all of it in lower case."""

    topic: str
    subscription: str | None = None
    dead_letters: bool = False
    management: bool = False

    @property
    def path(self) -> str:
        """The path of the entity, which a token must cover."""
        subscription = f"{_SUBSCRIPTIONS}{self.subscription}" if self.subscription else ""
        return f"{self.topic}{subscription}{_DEAD_LETTERS if self.dead_letters else ''}"


def path_of(uri: str) -> str:
    """The path within the namespace, in lower case, without slashes around it."""
    return _HOST.sub("", uri).strip("/").lower()


def parse(uri: str) -> Address:
    path = path_of(uri)
    management = path.endswith(_MANAGEMENT)
    path = path.removesuffix(_MANAGEMENT)
    dead_letters = path.endswith(_DEAD_LETTERS)
    path = path.removesuffix(_DEAD_LETTERS)
    topic, _, subscription = path.partition(_SUBSCRIPTIONS)
    return Address(topic, subscription or None, dead_letters, management)
