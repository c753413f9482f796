"""What is known about an installation, here and at ZapCloud, on which `diagnosis.py` judges. Nothing here is secret."""

from datetime import datetime
from enum import StrEnum

import msgspec

from shared.readiness.address import Leads, OurAddresses
from shared.readiness.caller import Caller
from shared.storage.installations import Installation, Mode
from shared.storage.streams import MissedMark
from shared.zapcloud.portal import AuthenticationType

_MOST_NAMED = 5


class Account(StrEnum):
    """Whether our account at ZapCloud can be used."""

    WORKS = "works"
    NOT_CONFIGURED = "not-configured"
    REFUSED = "refused"
    """ZapCloud does not take its name and password."""
    NO_ANSWER = "no-answer"


class TokensHere(StrEnum):
    """Whether any registered token may charge at the installation now."""

    SOME = "some"
    NONE_REGISTERED = "none-registered"
    NONE_VALID = "none-valid"
    NONE_FOUND = "none-found"
    """There are more than were looked at."""


class Portal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The installation's settings at ZapCloud, each held against what it should be."""

    name: str = ""
    roles: tuple[str, ...] = ()
    role_suffices: bool = True
    authentication_type: str | None = None
    """The word for an `AuthenticationType`; None for one that we do not know."""
    authorization_required: bool | None = None
    messaging_enabled: bool | None = None
    session_start_url: Leads = Leads.NOWHERE
    session_end_url: Leads = Leads.NOWHERE
    authentication_url: Leads = Leads.NOWHERE
    caller: Caller = Caller.NO_PAYLOAD

    @property
    def web_hooks_on(self) -> bool:
        return self.authentication_type == AuthenticationType.WEB_HOOKS.word

    @property
    def fields_empty(self) -> bool:
        """Nothing was filled in that web hooks need."""
        addresses = {self.session_start_url, self.session_end_url, self.authentication_url}
        return addresses == {Leads.NOWHERE} and self.caller is Caller.NO_PAYLOAD


class Chargers(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The chargers ZapCloud shows at the installation; lists are of names."""

    count: int
    unknown: tuple[str, ...] = ()
    """Not, or not at this installation, among those we know."""
    offline: tuple[str, ...] = ()
    open_to_all: tuple[str, ...] = ()
    """ZapCloud says that authorization is not required there."""

    def named(self, names: tuple[str, ...]) -> str:
        """Some chargers by their names, of many the first and how many more."""
        if len(names) == self.count:
            return "any of the chargers" if self.count > 1 else f"the charger {names[0]}"
        more = len(names) - _MOST_NAMED
        return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


class StreamNow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message stream that is to bring the installation's messages; that of a user group may be another's."""

    name: str
    of_group: bool = False
    received_at: datetime | None = None
    """When it last brought something; None before the first time."""
    silent: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`portal` and `chargers` are None where ZapCloud did not show them; `mode` is the one to judge by, None where the
    installation is not known here."""

    installation_id: str
    expected: OurAddresses
    account: Account
    account_reason: str = ""
    known: Installation | None = None
    mode: Mode | None = None
    portal: Portal | None = None
    chargers: Chargers | None = None
    tokens: TokensHere = TokensHere.SOME
    unknown_tokens_seen: int = 0
    streams: tuple[StreamNow, ...] = ()
    missed: MissedMark | None = None
    cars_unheard: int = 0
    """Cars that came within a day, where no web hook was heard from any charger meanwhile."""
    entra_configured: bool = False
