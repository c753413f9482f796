"""The settings: all faults said at once, defaults where there is a choice, and never a secret in a message."""

import pytest

from shared.errors import ConfigurationError
from shared.settings import (
    ApiAuthentication,
    Role,
    Settings,
    api_authentication_from,
    read_settings,
    reading,
    role_from,
    setting_name,
)
from shared.stream import Stream

KEY = "0123456789abcdef0123456789abcdef"
LEAST = {"ZAPBRIDGE_TABLES": "UseDevelopmentStorage=true", "ZAPBRIDGE_IDENTITY_KEY": KEY}
SITE_ID = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Web/sites/streams"
ENTRA = {
    "ZAPBRIDGE_ENTRA_ISSUER": "https://issuer",
    "ZAPBRIDGE_ENTRA_AUDIENCE": "api://zapbridge",
    "ZAPBRIDGE_ENTRA_JWKS_URL": "https://keys",
}


def faults(**environment: str) -> list[str]:
    found = reading(environment)
    assert found.fatal or found.partial
    return [*found.fatal, *found.partial]


def test_two_settings_are_enough() -> None:
    settings = read_settings(LEAST)

    assert settings == Settings(tables=LEAST["ZAPBRIDGE_TABLES"], identity_key=KEY)
    assert (settings.role, settings.api_auth) == (Role.ALL, ApiAuthentication.FUNCTION_KEY)
    assert settings.default_outage_policy == "refuse"
    assert settings.hook_budget.total_seconds() == 6
    assert settings.zapcloud_url == "https://api.zaptec.com"
    assert (settings.clock_path, settings.zapcloud_configured, settings.entra_configured) == (None, False, False)


def test_every_setting_is_read_under_its_name() -> None:
    given = {
        **LEAST,
        **ENTRA,
        "ZAPBRIDGE_ROLE": "streams",
        "ZAPBRIDGE_API_AUTH": "entra",
        "ZAPBRIDGE_HOOK_CREDENTIALS": '[{"name": "a", "installations": ["*"]}]',
        "ZAPBRIDGE_DEFAULT_OUTAGE_POLICY": "allow-and-mark",
        "ZAPBRIDGE_OUTAGE_POLICIES": '{"AB": "refuse"}',
        "ZAPBRIDGE_HOOK_BUDGET_SECONDS": " 2.5 ",
        "ZAPBRIDGE_TOKEN_ALIASES": "card",
        "ZAPBRIDGE_CHARGER_ALIASES": "box",
        "ZAPBRIDGE_INSTALLATION_ALIASES": "site",
        "ZAPBRIDGE_ZAPCLOUD_URL": "http://127.0.0.1:7080",
        "ZAPBRIDGE_ZAPCLOUD_USERNAME": "ada",
        "ZAPBRIDGE_ZAPCLOUD_PASSWORD": "secret",
        "ZAPBRIDGE_ZAPCLOUD_GRANT": "refresh",
        "ZAPBRIDGE_STREAMS": '{"harbour": {"installation": "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"}}',
        "ZAPBRIDGE_STREAM_SILENT_AFTER_SECONDS": "600",
        "ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "5",
        "ZAPBRIDGE_METER_KEYS": '{"ZPR000123": "key"}',
        "ZAPBRIDGE_ARCHIVED_SESSIONS": "read",
        "ZAPBRIDGE_RETENTION_SESSIONS_DAYS": "1825",
        "ZAPBRIDGE_RETENTION_DECISIONS_DAYS": "30",
        "ZAPBRIDGE_RETENTION_HISTORY_DAYS": "0",
        "ZAPBRIDGE_RETENTION_QUARANTINE_DAYS": "7",
        "ZAPBRIDGE_BACKUPS": "https://b.blob.core.windows.net/backups",
        "ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID": "0c6e5f0a-3b2d-4e1f-9a8b-7c6d5e4f3a2b",
        "ZAPBRIDGE_KEY_VAULT_URL": "https://v.vault.azure.net",
        "ZAPBRIDGE_STREAMS_SITE_ID": SITE_ID,
        "ZAPBRIDGE_ARM_URL": "https://management.chinacloudapi.cn",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": "secret",
        "ZAPBRIDGE_CLOCK_FILE": "/somewhere/clock",
        "SOMETHING_ELSE": "x",
    }
    on_one_machine = {
        "ZAPBRIDGE_SECRETS_FILE": "/somewhere/secrets.json",
        "ZAPBRIDGE_STREAMS_HOST_URL": "http://127.0.0.1:7072",
        "ZAPBRIDGE_STREAMS_HOST_KEY": "master",
    }

    settings, local = read_settings(given), read_settings(LEAST | on_one_machine)

    read = set(given) | set(on_one_machine)
    assert {setting_name(field) for field in Settings.__struct_fields__} == read - {"SOMETHING_ELSE"}
    defaults = Settings(tables="", identity_key="")
    for name in Settings.__struct_fields__:
        source = local if setting_name(name) in on_one_machine else settings
        assert getattr(source, name) != getattr(defaults, name), name
    assert settings.hook_budget_seconds == 2.5
    assert settings.outage_policy_of == {"ab": "refuse"}
    assert (settings.zapcloud_configured, settings.entra_configured) == (True, True)
    assert str(settings.clock_path) == "/somewhere/clock"
    assert settings.stream_list == (Stream("harbour", "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"),)
    assert settings.stream_silent_after.total_seconds() == 600


@pytest.mark.parametrize(
    ("streams", "fault"),
    [
        ("[]", "object"),
        ('{"Harbour": {"installation": "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"}}', "small letters"),
        ('{"harbour": {}}', "either an installation or a userGroup"),
        ('{"harbour": {"installation": "6f1c2d3e"}}', "either an installation or a userGroup"),
        (
            '{"a": {"installation": "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d", '
            '"userGroup": "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"}}',
            "either",
        ),
        ('{"a": {"userGrop": "x"}}', "userGrop"),
    ],
)
def test_streams_that_make_no_sense_are_said_to(streams: str, fault: str) -> None:
    (found,) = faults(**LEAST, ZAPBRIDGE_STREAMS=streams)
    assert found.startswith("ZAPBRIDGE_STREAMS: ")
    assert fault in found


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"AZURE_CLIENT_SECRET": "secret"}, "AZURE_CLIENT_SECRET needs AZURE_TENANT_ID"),
        ({"ZAPBRIDGE_KEY_VAULT_URL": "http://v.vault.azure.net"}, "ZAPBRIDGE_KEY_VAULT_URL must begin with https"),
        ({"ZAPBRIDGE_BACKUPS": "http://b.blob.core.windows.net/backups"}, "ZAPBRIDGE_BACKUPS must be the https://"),
        ({"ZAPBRIDGE_ARM_URL": "http://management.azure.com"}, "ZAPBRIDGE_ARM_URL must begin with https"),
        ({"ZAPBRIDGE_STREAMS_SITE_ID": "streams"}, "ZAPBRIDGE_STREAMS_SITE_ID must be a site's ARM resource id"),
        ({"ZAPBRIDGE_KEY_VAULT_URL": "https://v", "ZAPBRIDGE_SECRETS_FILE": "/s"}, "exclude each other"),
        ({"ZAPBRIDGE_STREAMS_SITE_ID": SITE_ID, "ZAPBRIDGE_STREAMS_HOST_URL": "http://h"}, "exclude each other"),
    ],
)
def test_settings_of_azure_that_make_no_sense_are_said_to(given: dict[str, str], fault: str) -> None:
    (found,) = faults(**LEAST, **given)
    assert fault in found


@pytest.mark.parametrize(
    "given",
    [
        {"ZAPBRIDGE_STREAMS": '{"Fjord": {}}'},
        {
            "ZAPBRIDGE_ZAPCLOUD_USERNAME": "ada",
            "ZAPBRIDGE_ZAPCLOUD_PASSWORD": "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
        },
        {"ZAPBRIDGE_OUTAGE_POLICIES": "["},
        {"ZAPBRIDGE_HOOK_BUDGET_SECONDS": "soon"},
        {"ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "1000"},
        {"ZAPBRIDGE_ENTRA_ISSUER": "https://issuer"},
    ],
)
def test_a_fault_of_what_drivers_do_not_need_counts_as_not_set_and_is_told(given: dict[str, str]) -> None:
    assert read_settings(LEAST | given) == read_settings(LEAST)
    assert reading(LEAST | given).partial


def test_callers_of_the_api_are_refused_while_entra_is_not_set_up() -> None:
    found = reading(LEAST | {"ZAPBRIDGE_API_AUTH": "entra"})
    assert found.settings
    assert found.settings.api_auth is ApiAuthentication.ENTRA
    assert any("ZAPBRIDGE_API_AUTH" in fault for fault in found.partial)


def test_a_tenant_in_a_developers_environment_is_no_fault() -> None:
    assert read_settings(LEAST | {"AZURE_TENANT_ID": "tenant"}).azure_tenant_id == "tenant"


def test_all_faults_are_said_at_once() -> None:
    found = faults(
        ZAPBRIDGE_IDENTITY_KEY="short",
        ZAPBRIDGE_ROLE="cook",
        ZAPBRIDGE_API_AUTH="trust",
        ZAPBRIDGE_DEFAULT_OUTAGE_POLICY="allow",
        ZAPBRIDGE_HOOK_BUDGET_SECONDS="soon",
        ZAPBRIDGE_HOOK_CREDENTIALS="[",
        ZAPBRIDGE_ZAPCLOUD_USERNAME="ada",
        ZAPBRIDGE_ENTRA_ISSUER="https://issuer",
        ZAPBRIDGE_ZAPCLOUD_URL="@Microsoft.KeyVault(SecretUri=https://vault/secrets/url)",
    )

    for name in (
        "TABLES", "IDENTITY_KEY", "ROLE", "API_AUTH", "DEFAULT_OUTAGE_POLICY", "HOOK_BUDGET_SECONDS",
        "HOOK_CREDENTIALS", "ZAPCLOUD_PASSWORD", "ENTRA_AUDIENCE", "ZAPCLOUD_URL",
    ):  # fmt: skip
        assert any(f"ZAPBRIDGE_{name}" in fault for fault in found), name
    assert any("ZAPCLOUD_USERNAME and" in fault for fault in found)


@pytest.mark.parametrize("name", ["ZAPBRIDGE_TABLES", "ZAPBRIDGE_ZAPCLOUD_PASSWORD"])
def test_a_reference_that_is_still_one_is_not_taken_for_the_secret(name: str) -> None:
    reference = "@Microsoft.KeyVault(VaultName=v;SecretName=s)"

    found = faults(
        **LEAST | {"ZAPBRIDGE_ZAPCLOUD_USERNAME": "ada", "ZAPBRIDGE_ZAPCLOUD_PASSWORD": "x", name: reference}
    )

    assert any(fault.startswith(f"{name} is an unresolved Key Vault reference") for fault in found)


def test_blank_is_missing() -> None:
    assert faults(ZAPBRIDGE_TABLES="  ", ZAPBRIDGE_IDENTITY_KEY="\n") == [
        "ZAPBRIDGE_TABLES is missing",
        "ZAPBRIDGE_IDENTITY_KEY is missing",
    ]
    assert read_settings({**LEAST, "ZAPBRIDGE_ROLE": "", "ZAPBRIDGE_ZAPCLOUD_URL": " "}) == read_settings(LEAST)


def test_a_short_identity_key_is_refused_and_not_repeated() -> None:
    told = "; ".join(faults(**LEAST | {"ZAPBRIDGE_IDENTITY_KEY": KEY[:31]}))

    assert "at least 32" in told
    assert KEY[:31] not in told


@pytest.mark.parametrize("seconds", ["0", "-1", "30.1", "nan", "inf", "1e9"])
def test_a_budget_lies_between_nothing_and_half_a_minute(seconds: str) -> None:
    assert len(faults(**LEAST, ZAPBRIDGE_HOOK_BUDGET_SECONDS=seconds)) == 1


@pytest.mark.parametrize("left_out", ENTRA)
def test_entra_needs_all_three(left_out: str) -> None:
    given = {name: value for name, value in ENTRA.items() if name != left_out}

    assert any("go together" in fault for fault in faults(**LEAST, **given))
    assert read_settings({**LEAST, **ENTRA}).entra_configured


def test_an_api_that_asks_entra_needs_entra() -> None:
    (fault,) = faults(**LEAST, ZAPBRIDGE_API_AUTH="entra")
    assert "ZAPBRIDGE_API_AUTH=entra needs" in fault


def test_an_account_needs_both_its_name_and_its_password() -> None:
    for name in ("USERNAME", "PASSWORD"):
        (fault,) = faults(**LEAST, **{f"ZAPBRIDGE_ZAPCLOUD_{name}": "hush"})
        assert "go together" in fault
        assert "hush" not in fault


def test_role_and_authentication_can_be_read_while_the_rest_is_missing() -> None:
    assert (role_from({}), api_authentication_from({})) == (Role.ALL, ApiAuthentication.FUNCTION_KEY)
    assert role_from({"ZAPBRIDGE_ROLE": "hooks"}) is Role.HOOKS
    assert api_authentication_from({"ZAPBRIDGE_API_AUTH": "entra"}) is ApiAuthentication.ENTRA
    with pytest.raises(ConfigurationError, match="hooks, streams or all"):
        role_from({"ZAPBRIDGE_ROLE": "cook"})
    with pytest.raises(ConfigurationError, match="function-key or entra"):
        api_authentication_from({"ZAPBRIDGE_API_AUTH": "trust"})


@pytest.mark.parametrize("blank", ["", " all "])
def test_role_and_authentication_are_read_as_the_other_settings_are(blank: str) -> None:
    assert role_from({"ZAPBRIDGE_ROLE": blank}) is Role.ALL


@pytest.mark.parametrize("text", ["[]", "no json", '{"ab": "perhaps"}'])
def test_outage_policies_of_another_form_are_a_fault(text: str) -> None:
    assert "ZAPBRIDGE_OUTAGE_POLICIES" in faults(**LEAST, ZAPBRIDGE_OUTAGE_POLICIES=text)[0]
