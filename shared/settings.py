"""The app's settings, read once from the environment, every fault listed at once.

Azure hands application settings to the worker as environment variables; locally they come from local.settings.json.
`docs/settings.md` describes each; a test keeps the two in step.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from shared.errors import ConfigurationError
from shared.stream import Stream, read_streams


class Role(StrEnum):
    """Which of the two sites this process is; `all` is both, for one machine."""

    HOOKS = "hooks"
    STREAMS = "streams"
    ALL = "all"


class ApiAuthentication(StrEnum):
    """How callers of the management API prove themselves: by the host's function keys, or by Entra tokens."""

    FUNCTION_KEY = "function-key"
    ENTRA = "entra"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Parsed settings; each field's setting is ZAPBRIDGE_ and the field's name in capitals.

    Those of a service principal are named as everybody names them, AZURE_….
    """

    tables: str
    """The account that holds the app's tables: the address of its Table service, or a connection string."""
    identity_key: str
    """Secret of at least 32 characters: token ids, outage session ids and access tokens are derived from it."""
    role: Role = Role.ALL
    api_auth: ApiAuthentication = ApiAuthentication.FUNCTION_KEY
    hook_credentials: str = "[]"
    """Hook credentials (JSON, hashes only) that must work even while storage is down; see docs/settings.md."""
    default_outage_policy: Literal["refuse", "allow-and-mark"] = "refuse"
    """Used where an installation's own policy was never read, since the process started during the outage."""
    outage_policies: str = "{}"
    """The same for single installations: a JSON object from installation ids to policies."""
    hook_budget_seconds: float = 6.0
    """How long a web hook may wait for storage before the outage policy answers."""
    token_aliases: str = ""
    charger_aliases: str = ""
    installation_aliases: str = ""
    """Comma-separated spellings, besides the built-in ones, of the fields of ZapCloud's start request."""
    zapcloud_url: str = "https://api.zaptec.com"
    zapcloud_username: str = ""
    zapcloud_password: str = ""
    zapcloud_grant: Literal["password", "refresh"] = "password"
    """How a new access token is got: by the password each time, or by refresh tokens and else the password."""
    streams: str = "{}"
    """The message streams, a JSON object from names to where each comes from; see `shared/stream.py`."""
    stream_silent_after_seconds: int = 900
    """When a stream that brings nothing counts as silent."""
    backfill_chargers_per_minute: int = 30
    """How many chargers' states are read over REST each minute, so that what the streams lost is made up for."""
    managed_identity_client_id: str = ""
    """The user-assigned identity this site acts as in Azure; empty for the system-assigned one."""
    key_vault_url: str = ""
    """Where the secrets are that the app writes itself: ZapCloud's tokens and the streams' credentials."""
    streams_site_id: str = ""
    """ARM resource id of the site that runs the streams, which the refresher restarts."""
    arm_url: str = "https://management.azure.com"
    azure_tenant_id: str = ""
    azure_client_id: str = ""
    azure_client_secret: str = ""
    """A developer's service principal, in the place of a managed identity."""
    secrets_file: str = ""
    """A file that holds what would be in Key Vault, for the local stack."""
    streams_host_url: str = ""
    streams_host_key: str = ""
    """Address and master key of the host that runs the streams, for the local stack."""
    entra_issuer: str = ""
    entra_audience: str = ""
    entra_jwks_url: str = ""
    clock_file: str = ""

    @property
    def hook_budget(self) -> timedelta:
        return timedelta(seconds=self.hook_budget_seconds)

    @property
    def clock_path(self) -> Path | None:
        return Path(self.clock_file) if self.clock_file else None

    @property
    def outage_policy_of(self) -> dict[str, str]:
        """`outage_policies` by installation id in small letters."""
        return {place.lower(): policy for place, policy in _policies(self.outage_policies).items()}

    @property
    def zapcloud_configured(self) -> bool:
        return bool(self.zapcloud_username and self.zapcloud_password)

    @property
    def stream_list(self) -> tuple[Stream, ...]:
        return read_streams(self.streams)

    @property
    def stream_silent_after(self) -> timedelta:
        return timedelta(seconds=self.stream_silent_after_seconds)

    @property
    def entra_configured(self) -> bool:
        return bool(self.entra_issuer and self.entra_audience and self.entra_jwks_url)


def _policies(text: str) -> dict[str, Literal["refuse", "allow-and-mark"]]:
    return msgspec.json.decode(text, type=dict[str, Literal["refuse", "allow-and-mark"]])


def setting_name(field: str) -> str:
    return field.upper() if field.startswith("azure_") else f"ZAPBRIDGE_{field.upper()}"


def role_from(environment: Mapping[str, str]) -> Role:
    """The role alone, which decides what is registered even while other settings are still missing."""
    try:
        return Role(environment.get(setting_name("role"), "").strip() or Role.ALL)
    except ValueError:
        raise ConfigurationError("ZAPBRIDGE_ROLE must be hooks, streams or all") from None


def api_authentication_from(environment: Mapping[str, str]) -> ApiAuthentication:
    """The API's way of authentication alone, which registration needs."""
    try:
        return ApiAuthentication(
            environment.get(setting_name("api_auth"), "").strip() or ApiAuthentication.FUNCTION_KEY
        )
    except ValueError:
        raise ConfigurationError("ZAPBRIDGE_API_AUTH must be function-key or entra") from None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; raises ConfigurationError naming every setting that is missing or wrong."""
    values: dict[str, object] = {}
    faults: list[str] = []
    for field in msgspec.structs.fields(Settings):
        name = setting_name(field.name)
        text = environment.get(name, "").strip()
        if text.startswith("@Microsoft.KeyVault("):
            faults.append(f"{name} is an unresolved Key Vault reference; check the site's identity and the secret")
        elif not text:
            if field.required:
                faults.append(f"{name} is missing")
        else:
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError as error:
                faults.append(f"{name}: {error}")
    faults += _inconsistencies(values)
    if faults:
        raise ConfigurationError("; ".join(faults))
    return msgspec.convert(values, Settings)


_SITE_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+", re.IGNORECASE)


def _wrong_addresses(values: Mapping[str, object]) -> list[str]:
    """Tokens go to these addresses: encrypted, or not off this machine."""
    faults = []
    for field in ("key_vault_url", "arm_url"):
        address = urlsplit(str(values.get(field, "")))
        if field in values and address.scheme != "https" and address.hostname not in {"127.0.0.1", "localhost"}:
            faults.append(f"{setting_name(field)} must begin with https://")
    if "streams_site_id" in values and not _SITE_ID.fullmatch(str(values["streams_site_id"])):
        faults.append("ZAPBRIDGE_STREAMS_SITE_ID must be a site's ARM resource id, /subscriptions/…/sites/<name>")
    return faults


def _inconsistencies(values: Mapping[str, object]) -> list[str]:
    faults = []
    key = str(values.get("identity_key", ""))
    if key and len(key) < 32:
        faults.append("ZAPBRIDGE_IDENTITY_KEY must have at least 32 characters; generate 64 random hex digits")
    budget = values.get("hook_budget_seconds", 1.0)
    if isinstance(budget, float) and not 0 < budget <= 30:
        faults.append("ZAPBRIDGE_HOOK_BUDGET_SECONDS must lie between 0 and 30")
    if bool(values.get("zapcloud_username")) != bool(values.get("zapcloud_password")):
        faults.append("ZAPBRIDGE_ZAPCLOUD_USERNAME and ZAPBRIDGE_ZAPCLOUD_PASSWORD go together")
    if values.get("azure_client_secret") and not (values.get("azure_tenant_id") and values.get("azure_client_id")):
        faults.append("AZURE_CLIENT_SECRET needs AZURE_TENANT_ID and AZURE_CLIENT_ID beside it")
    if values.get("key_vault_url") and values.get("secrets_file"):
        faults.append("ZAPBRIDGE_KEY_VAULT_URL and ZAPBRIDGE_SECRETS_FILE exclude each other")
    if values.get("streams_site_id") and values.get("streams_host_url"):
        faults.append("ZAPBRIDGE_STREAMS_SITE_ID and ZAPBRIDGE_STREAMS_HOST_URL exclude each other")
    faults += _wrong_addresses(values)
    entra = [bool(values.get(name)) for name in ("entra_issuer", "entra_audience", "entra_jwks_url")]
    if any(entra) and not all(entra):
        faults.append("ZAPBRIDGE_ENTRA_ISSUER, ZAPBRIDGE_ENTRA_AUDIENCE and ZAPBRIDGE_ENTRA_JWKS_URL go together")
    if values.get("api_auth") is ApiAuthentication.ENTRA and not all(entra):
        faults.append("ZAPBRIDGE_API_AUTH=entra needs the three ZAPBRIDGE_ENTRA_ settings")
    try:
        _policies(str(values.get("outage_policies", "{}")))
    except msgspec.MsgspecError as error:
        faults.append(f"ZAPBRIDGE_OUTAGE_POLICIES: {error}")
    try:
        read_streams(str(values.get("streams", "{}")))
    except ConfigurationError as error:
        faults.append(str(error))
    silent, backfill = values.get("stream_silent_after_seconds", 900), values.get("backfill_chargers_per_minute", 30)
    if isinstance(silent, int) and not 60 <= silent <= 86400:
        faults.append("ZAPBRIDGE_STREAM_SILENT_AFTER_SECONDS must lie between 60 and 86400")
    if isinstance(backfill, int) and not 0 <= backfill <= 300:
        faults.append("ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE must lie between 0 and 300")
    try:
        json.loads(str(values.get("hook_credentials", "[]")))
    except json.JSONDecodeError:
        faults.append("ZAPBRIDGE_HOOK_CREDENTIALS is not JSON")
    return faults
