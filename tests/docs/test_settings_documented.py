"""docs/settings.md and local.settings.sample.json know every setting, and nothing that is none."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from azure.data.tables import TableServiceClient

from shared.errors import ConfigurationError
from shared.security.hook_credentials import configured_credentials
from shared.settings import Settings, read_settings, setting_name

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "settings.md").read_text()
TABLE = re.compile(r"^\| `((?:ZAPBRIDGE|AZURE)_\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]*)\|$", re.MULTILINE)
ROWS = {name: (default.strip("`"), secret, example.strip()) for name, default, secret, example in TABLE.findall(GUIDE)}
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())
PLACEHOLDER = re.compile(r"<.+>")
FIELDS = {setting_name(field.name): field for field in msgspec.structs.fields(Settings)}


def test_the_guide_lists_every_setting_and_no_other() -> None:
    assert ROWS.keys() == FIELDS.keys()
    assert set(re.findall(r"ZAPBRIDGE_[A-Z_]+[A-Z]", GUIDE)) - set(FIELDS) <= {"ZAPBRIDGE_ENTRA", "ZAPBRIDGE_STREAM"}


@pytest.mark.parametrize("name", FIELDS)
def test_the_guide_explains_it_and_tells_its_default(name: str) -> None:
    default, secret, example = ROWS[name]
    field = FIELDS[name]
    assert default == ("*required*" if field.required else str(field.default) or "*empty*")
    assert example or secret == "yes"
    assert f"`{name}`" in GUIDE.partition("\n## ")[2]


def test_the_guide_says_what_is_secret() -> None:
    secrets = {name for name, (_, secret, _) in ROWS.items() if secret == "yes"}
    assert secrets == {
        "ZAPBRIDGE_TABLES",
        "ZAPBRIDGE_BACKUPS",
        "ZAPBRIDGE_IDENTITY_KEY",
        "ZAPBRIDGE_ZAPCLOUD_PASSWORD",
        "AZURE_CLIENT_SECRET",
        "ZAPBRIDGE_STREAMS_HOST_KEY",
    }


def test_the_hook_credentials_of_the_guide_can_be_used() -> None:
    (example,) = re.findall(r"```json\n(.*?)\n```", GUIDE, re.DOTALL)
    (credential,) = configured_credentials(example.replace("<64 hex digits>", "0" * 64))
    assert (credential.name, credential.installations) == ("zapcloud", ("*",))


def test_the_sample_has_every_setting_as_func_wants_it() -> None:
    values = SAMPLE["Values"]
    assert SAMPLE["IsEncrypted"] is False
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert values["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    assert {name for name in values if name.startswith(("ZAPBRIDGE_", "AZURE_"))} == FIELDS.keys()
    assert all(isinstance(value, str) for value in values.values())


def test_the_sample_works_once_its_placeholders_are_filled_in() -> None:
    filled = {name: PLACEHOLDER.sub("0123456789abcdef" * 4, value) for name, value in SAMPLE["Values"].items()}
    settings = read_settings(filled)
    assert settings.zapcloud_configured
    changed = {name for name, field in FIELDS.items() if getattr(settings, field.name) != field.default}
    assert changed == {name for name, value in SAMPLE["Values"].items() if PLACEHOLDER.search(value)} | {
        "ZAPBRIDGE_TABLES"
    }


def test_the_samples_tables_are_those_of_azurite_on_its_usual_port() -> None:
    service = TableServiceClient.from_connection_string(SAMPLE["Values"]["ZAPBRIDGE_TABLES"])
    assert service.url == "http://127.0.0.1:10002/devstoreaccount1"


def test_the_sample_holds_no_secret() -> None:
    secret = {name: SAMPLE["Values"][name] for name, (_, secret, _) in ROWS.items() if secret == "yes"}
    del secret["ZAPBRIDGE_TABLES"]
    assert all(not value or PLACEHOLDER.fullmatch(value) for value in secret.values())


def test_a_sample_nobody_filled_in_is_not_taken_for_settings() -> None:
    with pytest.raises(ConfigurationError, match="IDENTITY_KEY"):
        read_settings(SAMPLE["Values"])
