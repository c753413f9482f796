"""An installation and its chargers as Zaptec Portal shows them, read from ZapCloud's REST API.

Models InstallationModel and ChargerListModel of the API's own schema (https://api.zaptec.com/help/index); the bits of
UserRoles and the numbers of InstallationAuthenticationType are those of https://api.zaptec.com/api/constants. What an
account lacks the role for is left out of an answer (guide 6.5.8, "API documentation"), so anything may be missing.
"""

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Any

import msgspec

from shared.identifiers import canonical_uuid


class Role(IntFlag):
    """What an account may do at an installation; the portal calls a maintainer "Service"."""

    USER = 1
    OWNER = 2
    SERVICE = 4
    ADMINISTRATOR = 8
    ONBOARDING = 16
    DEVICE_ADMINISTRATOR = 32
    PARTNER_ADMINISTRATOR = 64
    TECHNICAL = 128
    INTERNAL_DATA = 256

    @property
    def words(self) -> tuple[str, ...]:
        return tuple((role.name or "").lower().replace("_", "-") for role in Role if role in self)

    @property
    def suffices(self) -> bool:
        """Whether settings, chargers and messages can be read: that takes an owner or a service role (guide 6.5.8,
        "Credentials"; docs.zaptec.com, "Webhook Authentication")."""
        return bool(self & (Role.OWNER | Role.SERVICE))


class AuthenticationType(IntEnum):
    """Who decides at an installation about its drivers."""

    NATIVE = 0
    WEB_HOOKS = 1
    OCPP = 2
    OCPP_NATIVE = 3

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class PortalInstallation(msgspec.Struct, frozen=True, kw_only=True):
    """`authentication_payload` is a secret; it is in no text that this object is turned into."""

    id: str
    name: str = ""
    roles: Role = Role(0)
    authentication_type: AuthenticationType | None = None
    """None for one that we do not know."""
    authorization_required: bool | None = None
    messaging_enabled: bool | None = None
    start_url: str = ""
    end_url: str = ""
    authentication_url: str = ""
    authentication_payload: str = ""

    def __repr__(self) -> str:
        return f"PortalInstallation({self.id})"


class PortalCharger(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str = ""
    """What people call it, or else its serial."""
    online: bool | None = None
    authorization_required: bool | None = None


def read_installation(fields: Mapping[str, Any]) -> PortalInstallation | None:
    """From a model whose keys are in small letters; None where it names no installation."""
    installation_id = canonical_uuid(fields.get("id"))
    if installation_id is None:
        return None
    return PortalInstallation(
        id=installation_id,
        name=_text(fields, "name"),
        roles=Role(_number(fields, "currentuserroles") or 0),
        authentication_type=_authentication_type(fields),
        authorization_required=_flag(fields, "isrequiredauthentication"),
        messaging_enabled=_flag(fields, "messagingenabled"),
        start_url=_text(fields, "webhookssessionstarturl"),
        end_url=_text(fields, "webhookssessionendurl"),
        authentication_url=_text(fields, "webhooksauthurl"),
        authentication_payload=_whole_text(fields, "webhooksauthpayload"),
    )


def read_charger(fields: Mapping[str, Any], installation_id: str) -> PortalCharger | None:
    """Likewise; None as well where the charger is at another installation."""
    charger_id = canonical_uuid(fields.get("id"))
    if charger_id is None or canonical_uuid(fields.get("installationid")) != installation_id:
        return None
    return PortalCharger(
        id=charger_id,
        name=_text(fields, "name") or _text(fields, "deviceid"),
        online=_flag(fields, "isonline"),
        authorization_required=_flag(fields, "isauthorizationrequired"),
    )


def _authentication_type(fields: Mapping[str, Any]) -> AuthenticationType | None:
    number = _number(fields, "authenticationtype")
    return AuthenticationType(number) if number in set(AuthenticationType) else None


def _text(fields: Mapping[str, Any], name: str) -> str:
    return _whole_text(fields, name).strip()


def _whole_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _number(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _flag(fields: Mapping[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    return value if isinstance(value, bool) else None
