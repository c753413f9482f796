"""The files a host reads: settings and keys."""

import json
from pathlib import Path

import pytest

from devhost.keys import Keys, KeysError, load_or_create
from devhost.settings import SettingsError, read_local_settings, read_route_prefix


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
    assert read_route_prefix(tmp_path) == prefix


def test_an_app_without_host_json_is_not_an_app(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"host\.json"):
        read_route_prefix(tmp_path)


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
