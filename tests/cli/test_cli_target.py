"""Which app zapctl talks to, from the files that are in the present folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.arguments import global_options_first
from cli.exits import Exit, Failure
from cli.target import AzureTarget, Choice, LocalTarget, find_target
from tests.cli.zapctl import Zapctl

SITES = "/subscriptions/6d3c1c52/resourceGroups/zapbridge/providers/Microsoft.Web/sites"
OUTPUTS = {
    "ZAPBRIDGE_URL": "https://zapbridge-prod.azurewebsites.net",
    "ZAPBRIDGE_HOOKS_SITE_ID": f"{SITES}/zapbridge-prod",
    "ZAPBRIDGE_STREAMS_SITE_ID": f"{SITES}/zapbridge-prod-streams",
    "ZAPBRIDGE_KEY_VAULT_URL": "https://zapbridge-prod.vault.azure.net",
}
DEPLOYED = AzureTarget("Azure (azd environment prod)", *OUTPUTS.values())
LOCAL = {"base_url": "http://127.0.0.1:7071", "function_key": "a key", "simulator_url": "http://127.0.0.1:7080"}


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def with_azd(folder: Path, outputs: dict[str, str] = OUTPUTS, name: str = "prod") -> None:
    put(folder / ".azure" / "config.json", json.dumps({"version": 1, "defaultEnvironment": "prod"}))
    lines = [f'AZURE_ENV_NAME="{name}"', "# a comment", *(f'{key}="{value}"' for key, value in outputs.items())]
    put(folder / ".azure" / name / ".env", "\n".join(lines))


def with_local(folder: Path) -> None:
    put(folder / ".local" / "stack.json", json.dumps(LOCAL))


def found(folder: Path, choice: Choice = Choice.AUTO, outputs: Path | None = None, **environment: str) -> Any:
    return find_target(choice, outputs, folder, environment)


def refusal(folder: Path, choice: Choice = Choice.AUTO, outputs: Path | None = None) -> str:
    with pytest.raises(Failure) as raised:
        found(folder, choice, outputs)
    assert raised.value.exit_code is Exit.NO_TARGET
    return str(raised.value)


def test_the_local_stack_is_found(tmp_path: Path) -> None:
    with_local(tmp_path)
    assert found(tmp_path) == LocalTarget("http://127.0.0.1:7071", "a key")


def test_azds_default_environment_is_found(tmp_path: Path) -> None:
    with_azd(tmp_path)
    assert found(tmp_path) == DEPLOYED


def test_azure_env_name_goes_before_the_default_environment(tmp_path: Path) -> None:
    with_azd(tmp_path)
    with_azd(tmp_path, OUTPUTS | {"ZAPBRIDGE_URL": "https://other.azurewebsites.net"}, "other")
    assert found(tmp_path, AZURE_ENV_NAME="other").url == "https://other.azurewebsites.net"


def test_where_both_are_it_is_asked_which(tmp_path: Path) -> None:
    with_local(tmp_path)
    with_azd(tmp_path)
    assert "--target local or --target azure" in refusal(tmp_path)
    assert isinstance(found(tmp_path, Choice.LOCAL), LocalTarget)
    assert found(tmp_path, Choice.AZURE) == DEPLOYED


def test_where_nothing_is_it_is_said_what_was_looked_for(tmp_path: Path) -> None:
    assert "make serve" in refusal(tmp_path)
    assert "--outputs" in refusal(tmp_path)
    assert "make serve" not in refusal(tmp_path, Choice.AZURE)
    with_azd(tmp_path, {})
    assert "deploy" in refusal(tmp_path)


@pytest.mark.parametrize("spelt", [str.upper, str.lower, lambda name: name.lower().replace("_url", "_Url")])
def test_outputs_are_taken_in_any_letter_case(tmp_path: Path, spelt: Any) -> None:
    content = {spelt(name): {"type": "String", "value": value} for name, value in OUTPUTS.items()}
    target = found(tmp_path, outputs=put(tmp_path / "outputs.json", json.dumps(content)))
    assert (target.url, target.key_vault_url) == (OUTPUTS["ZAPBRIDGE_URL"], OUTPUTS["ZAPBRIDGE_KEY_VAULT_URL"])


def test_named_outputs_go_before_a_stack_that_runs(tmp_path: Path) -> None:
    with_local(tmp_path)
    outputs = put(tmp_path / "outputs.json", json.dumps(OUTPUTS))
    assert isinstance(found(tmp_path, outputs=outputs), AzureTarget)
    assert "--outputs" in refusal(tmp_path, Choice.LOCAL, outputs)


@pytest.mark.parametrize("content", ["", "[]", '{"ZAPBRIDGE_URL": {"value": "https://x.example"}}'])
def test_outputs_that_cannot_be_used_are_named(tmp_path: Path, content: str) -> None:
    assert "outputs.json" in refusal(tmp_path, outputs=put(tmp_path / "outputs.json", content))


@pytest.mark.parametrize("name", ["ZAPBRIDGE_URL", "ZAPBRIDGE_KEY_VAULT_URL", "ZAPBRIDGE_ARM_URL"])
def test_keys_are_sent_nowhere_in_the_clear(tmp_path: Path, name: str) -> None:
    with_azd(tmp_path, OUTPUTS | {name: "http://zapbridge.example"})
    assert "https://" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"base_url": 7}'])
def test_a_broken_description_of_the_stack_is_said(tmp_path: Path, content: str) -> None:
    put(tmp_path / ".local" / "stack.json", content)
    assert "stack.json" in refusal(tmp_path)


async def test_the_shell_gets_one_line_and_the_exit_code(tmp_path: Path) -> None:
    ended = await Zapctl(tmp_path)("installations")
    assert (ended.code, ended.out) == (Exit.NO_TARGET, "")
    assert ended.err.startswith("zapctl: ")
    assert ended.err.count("\n") == 1


async def test_options_may_come_from_the_environment(tmp_path: Path) -> None:
    with_local(tmp_path)
    with_azd(tmp_path)
    ended = await Zapctl(tmp_path, {"ZAPCTL_TARGET": "local"})("health")
    assert ended.code == Exit.UNREACHABLE
    assert "http://127.0.0.1:7071" in ended.err


@pytest.mark.parametrize(
    ("line", "sorted_line"),
    [
        ("sessions --json", "--json sessions"),
        ("tokens export x.csv --target local --json", "--target local --json tokens export x.csv"),
        ("health --target=azure", "--target=azure health"),
        ("--outputs o.json health --json", "--outputs o.json --json health"),
        ("tokens import -- --json", "tokens import -- --json"),
        ("health --target", "--target health"),
        ("", ""),
    ],
)
def test_zapctls_own_options_may_stand_anywhere(line: str, sorted_line: str) -> None:
    assert global_options_first(line.split()) == sorted_line.split()


def test_an_address_that_is_more_than_scheme_and_host_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with_azd(tmp_path, OUTPUTS | {"ZAPBRIDGE_URL": f"{OUTPUTS['ZAPBRIDGE_URL']}/api"})
    with pytest.raises(Failure, match="ZAPBRIDGE_URL must be like"):
        find_target(Choice.AUTO, None, tmp_path, {})
