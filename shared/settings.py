"""The app's settings, read once from the environment, every fault listed at once.

Azure hands application settings to the worker as environment variables; locally they come from local.settings.json.
`docs/settings.md` describes each; a test keeps the two in step.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from shared.errors import ConfigurationError
from shared.loopback import leads_to_loopback
from shared.stream import UNRESOLVED, Stream, read_streams


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
    meter_keys: str = "{}"
    """Public keys of meters that sign: a JSON object from charger ids or serials to keys; see docs/energy.md."""
    archived_sessions: Literal["read", "leave"] = "leave"
    """Whether finished sessions are read from ZapCloud's archive too, besides charge history."""
    retention_sessions_days: int = 0
    """After how many days a session loses its driver and keeps its energy; 0 for never, here and below."""
    retention_decisions_days: int = 90
    """How long refused starts and unknown cards are kept."""
    retention_history_days: int = 90
    """How long the minutes of what chargers metered are kept."""
    retention_quarantine_days: int = 90
    """How long bodies that nobody could read are kept."""
    backups: str = ""
    """Where backups go: the address of a blob container, or a connection string; empty for none."""
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
    def kept_days(self) -> dict[str, int]:
        """How long each kind of data is kept, in days; 0 for as long as there is storage."""
        return {
            "sessions": self.retention_sessions_days,
            "decisions": self.retention_decisions_days,
            "history": self.retention_history_days,
            "quarantine": self.retention_quarantine_days,
        }

    @property
    def meter_key_of(self) -> dict[str, str]:
        return msgspec.json.decode(self.meter_keys, type=dict[str, str])

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


NEEDED = frozenset({"tables", "identity_key", "role", "api_auth"})
"""Without these nothing can be done; a fault of any other setting must not keep drivers from charging."""


class Reading(NamedTuple):
    """What the environment gives: settings, None where one is at fault that is needed; and the faults of each kind."""

    settings: Settings | None
    fatal: list[str]
    partial: list[str]
    """Of settings that count as not set on account of them."""

    def needed(self) -> Settings:
        """The settings; raises ConfigurationError naming every fault where one that is needed is at fault."""
        if self.settings is None:
            raise ConfigurationError("; ".join([*self.fatal, *self.partial]))
        return self.settings


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; raises ConfigurationError as `Reading.needed` does."""
    return reading(environment).needed()


def reading(environment: Mapping[str, str]) -> Reading:
    """What environment variables give; all faults are found at once."""
    values: dict[str, object] = {}
    faults: dict[str, str] = {}
    for field in msgspec.structs.fields(Settings):
        setting = setting_name(field.name)
        text = environment.get(setting, "").strip()
        if text.startswith(UNRESOLVED):
            faults[field.name] = (
                f"{setting} is an unresolved Key Vault reference; check the site's identity and the secret"
            )
        elif not text:
            if field.required:
                faults[field.name] = f"{setting} is missing"
        else:
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError as error:
                faults[field.name] = f"{setting}: {error}"
    for fields, fault in _inconsistencies(values):
        for name in fields:
            values.pop(name, None)
        faults[" ".join(fields)] = fault
    fatal = [fault for name, fault in faults.items() if NEEDED & set(name.split())]
    partial = [fault for name, fault in faults.items() if not NEEDED & set(name.split())]
    return Reading(None if fatal else msgspec.convert(values, Settings), fatal, partial)


_SITE_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+", re.IGNORECASE)


type _Fault = tuple[tuple[str, ...], str]
"""The fields that count as not set on account of it, and what is wrong."""


def _inconsistencies(values: Mapping[str, object]) -> list[_Fault]:
    return [*_wrong_values(values), *_wrong_addresses(values), *_wrong_combinations(values)]


def _wrong_values(values: Mapping[str, object]) -> Iterator[_Fault]:
    key = str(values.get("identity_key", ""))
    if key and len(key) < 32:
        yield (
            ("identity_key",),
            "ZAPBRIDGE_IDENTITY_KEY must have at least 32 characters; generate 64 random hex digits",
        )
    budget = values.get("hook_budget_seconds", 1.0)
    if isinstance(budget, float) and not 0 < budget <= 30:
        yield ("hook_budget_seconds",), "ZAPBRIDGE_HOOK_BUDGET_SECONDS must lie between 0 and 30"
    silent, backfill = values.get("stream_silent_after_seconds", 900), values.get("backfill_chargers_per_minute", 30)
    if isinstance(silent, int) and not 60 <= silent <= 86400:
        yield ("stream_silent_after_seconds",), "ZAPBRIDGE_STREAM_SILENT_AFTER_SECONDS must lie between 60 and 86400"
    if isinstance(backfill, int) and not 0 <= backfill <= 300:
        yield ("backfill_chargers_per_minute",), "ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE must lie between 0 and 300"
    for field in (name for name in values if name.startswith("retention_")):
        days = values[field]
        if isinstance(days, int) and not 0 <= days <= 36500:
            yield (field,), f"{setting_name(field)} must lie between 0 and 36500"
    try:
        _policies(str(values.get("outage_policies", "{}")))
    except msgspec.MsgspecError as error:
        yield ("outage_policies",), f"ZAPBRIDGE_OUTAGE_POLICIES: {error}"
    try:
        msgspec.json.decode(str(values.get("meter_keys", "{}")), type=dict[str, str])
    except msgspec.MsgspecError as error:
        yield ("meter_keys",), f"ZAPBRIDGE_METER_KEYS: {error}"
    try:
        read_streams(str(values.get("streams", "{}")))
    except ConfigurationError as error:
        yield ("streams",), str(error)
    try:
        json.loads(str(values.get("hook_credentials", "[]")))
    except json.JSONDecodeError:
        yield ("hook_credentials",), "ZAPBRIDGE_HOOK_CREDENTIALS is not JSON"


def _wrong_addresses(values: Mapping[str, object]) -> Iterator[_Fault]:
    """Tokens go to these addresses: encrypted, or not off this machine."""
    for field in ("key_vault_url", "arm_url"):
        address = str(values.get(field, ""))
        if address and urlsplit(address).scheme != "https" and not leads_to_loopback(address):
            yield (field,), f"{setting_name(field)} must begin with https://"
    backups = str(values.get("backups", ""))
    if backups and not backups.startswith("https://") and "AccountName=" not in backups:
        yield ("backups",), "ZAPBRIDGE_BACKUPS must be the https:// address of a blob container or a connection string"
    if "streams_site_id" in values and not _SITE_ID.fullmatch(str(values["streams_site_id"])):
        fault = "ZAPBRIDGE_STREAMS_SITE_ID must be a site's ARM resource id, /subscriptions/…/sites/<name>"
        yield ("streams_site_id",), fault


def _wrong_combinations(values: Mapping[str, object]) -> Iterator[_Fault]:
    if bool(values.get("zapcloud_username")) != bool(values.get("zapcloud_password")):
        account = "zapcloud_username", "zapcloud_password"
        yield account, "ZAPBRIDGE_ZAPCLOUD_USERNAME and ZAPBRIDGE_ZAPCLOUD_PASSWORD go together"
    if values.get("azure_client_secret") and not (values.get("azure_tenant_id") and values.get("azure_client_id")):
        yield ("azure_client_secret",), "AZURE_CLIENT_SECRET needs AZURE_TENANT_ID and AZURE_CLIENT_ID beside it"
    if values.get("key_vault_url") and values.get("secrets_file"):
        yield ("secrets_file",), "ZAPBRIDGE_KEY_VAULT_URL and ZAPBRIDGE_SECRETS_FILE exclude each other"
    if values.get("streams_site_id") and values.get("streams_host_url"):
        yield ("streams_host_url",), "ZAPBRIDGE_STREAMS_SITE_ID and ZAPBRIDGE_STREAMS_HOST_URL exclude each other"
    fields = "entra_issuer", "entra_audience", "entra_jwks_url"
    entra = [bool(values.get(name)) for name in fields]
    if any(entra) and not all(entra):
        yield fields, "ZAPBRIDGE_ENTRA_ISSUER, ZAPBRIDGE_ENTRA_AUDIENCE and ZAPBRIDGE_ENTRA_JWKS_URL go together"
    if values.get("api_auth") is ApiAuthentication.ENTRA and not all(entra):
        yield (), "ZAPBRIDGE_API_AUTH=entra needs the three ZAPBRIDGE_ENTRA_ settings; nobody is let in without them"
