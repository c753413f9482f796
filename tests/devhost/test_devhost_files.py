"""The files a host reads: settings, references to secrets, and keys."""

import json
from pathlib import Path

import pytest

from devhost.keys import Keys, KeysError, load_or_create
from devhost.references import resolve, secret_named
from devhost.settings import SettingsError, read_host_json, read_local_settings, read_secrets


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot read"),
        ("[]", "not a JSON object"),
        ('{"IsEncrypted": true}', "encrypted"),
        ('{"Values": {"A": {"B": 1}}}', "plain values: A"),
        ('{"Values": []}', "must be objects"),
        ('{"Host": {"LocalHttpPort": "x"}}', "LocalHttpPort"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(content)
    with pytest.raises(SettingsError, match=said):
        read_local_settings(file)


def test_settings_with_a_byte_order_mark_and_a_port(tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text('{"Host": {"LocalHttpPort": 7999}}', encoding="utf-8-sig")
    assert (read_local_settings(file).values, read_local_settings(file).port) == ({}, 7999)


def test_missing_settings_are_an_error_only_when_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        read_local_settings(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "prefix"),
    [
        ("{}", "api"),
        ('{"extensions": {"http": {"routePrefix": ""}}}', ""),
        ('{"extensions": {"http": {"routePrefix": "/a/b/"}}}', "a/b"),
        ('{"extensions": {"serviceBus": {}}}', "api"),
    ],
)
def test_route_prefix(tmp_path: Path, content: str, prefix: str) -> None:
    (tmp_path / "host.json").write_text(content)
    assert read_host_json(tmp_path).route_prefix == prefix


@pytest.mark.parametrize(
    ("service_bus", "most", "complete"),
    [
        ({}, 1000, True),
        ({"maxMessageBatchSize": 256, "autoCompleteMessages": False, "prefetchCount": 0}, 256, False),
    ],
)
def test_service_bus_settings(tmp_path: Path, service_bus: dict[str, object], most: int, complete: bool) -> None:
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"serviceBus": service_bus}}))
    read = read_host_json(tmp_path)
    assert (read.max_message_batch_size, read.auto_complete_messages) == (most, complete)


@pytest.mark.parametrize(
    "content",
    [
        {"extensions": {"serviceBus": {"maxMessageBatchSize": 0}}},
        {"extensions": {"serviceBus": {"maxMessageBatchSize": "256"}}},
        {"extensions": {"serviceBus": {"autoCompleteMessages": "no"}}},
        {"extensions": {"serviceBus": []}},
        {"extensions": []},
        {"extensions": {"http": {"routePrefix": 1}}},
    ],
)
def test_a_host_json_of_another_form_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "host.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"host\.json"):
        read_host_json(tmp_path)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/stream-a-topic/)", "stream-a-topic"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/stream-a-topic)", "stream-a-topic"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/one/0123456789abcdef)", "one"),
        ("@Microsoft.KeyVault(VaultName=v;SecretName=one)", "one"),
        ("@microsoft.keyvault(vaultname=v; secretname=one; SecretVersion=0123)", "one"),
        ("@Microsoft.KeyVault(SecretName=one)", None),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/keys/one/)", None),
        ("@Microsoft.KeyVault()", None),
        ("@Microsoft.KeyVault(VaultName=v;SecretName=one", None),
        ("Endpoint=sb://x;SharedAccessKeyName=n;SharedAccessKey=k=", None),
        ("", None),
    ],
)
def test_references_to_secrets(value: str, name: str | None) -> None:
    assert secret_named(value) == name


def test_a_reference_that_cannot_be_resolved_stays_as_it_is() -> None:
    known, unknown = (f"@Microsoft.KeyVault(VaultName=v;SecretName={name})" for name in ("known", "unknown"))
    settings = {"A": known, "B": unknown, "C": "plain"}
    resolve(settings, {"known": "found"})
    assert settings == {"A": "found", "B": unknown, "C": "plain"}


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"b": "c"}}'])
def test_secrets_of_another_form_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"secrets\.json"):
        read_secrets(file)


def test_an_app_without_host_json_is_not_an_app(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"host\.json"):
        read_host_json(tmp_path)


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "keys.json"
    assert load_or_create(file) == load_or_create(file)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"functionKey": "", "masterKey": "x"}', '{"functionKey": 1, "masterKey": 2}']
)
def test_keys_that_cannot_be_used_are_refused_without_showing_them(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(KeysError, match="delete it to get new ones"):
        load_or_create(file)


def test_keys_do_not_show_when_printed() -> None:
    assert "secret" not in repr(Keys(json.dumps("secret"), "secret"))
