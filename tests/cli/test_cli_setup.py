"""From a deployed app in which nothing is set to drivers who charge: what `zapctl setup` does, and keeps when it is run
again; and how secrets are changed afterwards."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from cli.api import Api
from cli.exits import Exit, Failure
from cli.opening import App, Sites
from cli.output import Output
from cli.provisioning import bring_up
from cli.target import Choice, find_target
from devhost.azure.around import HOOKS_SITE_ID, STREAMS_SITE_ID
from devhost.azure.shapes import Fault
from devhost.stack import ZAPCLOUD_USERNAME, Stack
from shared.security.identity import Identity
from shared.security.key_vault import KeyVaultSecretStore
from shared.security.secrets import FileSecrets
from shared.streams.azure_host import AzureHost
from tests.cli.first_boot import first_boot, in_store, operator, paste, pasted_from, with_azd
from tests.cli.zapctl import Ended, Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them


async def charge(stack: Stack, card: str) -> str | None:
    """A car comes, a card is shown, the car goes; the session's id if it could charge."""
    charger = stack.streams.installations["harbour"][0].chargers[0].id
    await stack.simulator.plug(charger)
    await stack.simulator.advance(1)
    await stack.simulator.scan(charger, card)
    await stack.simulator.advance(120)
    session = await stack.simulator.unplug(charger)
    await stack.simulator.run_until_idle()
    return session


@pytest.mark.parametrize("azure", [False, True], ids=["local", "azure"])
@pytest.mark.parametrize("oauth", [False, True], ids=["basic", "oauth"])
async def test_from_a_new_app_to_a_charge(tmp_path: Path, azure: bool, oauth: bool, card: str) -> None:
    async with first_boot(tmp_path, azure=azure) as (stack, zapctl):
        before = await zapctl("installations")
        assert before.code == Exit.NOT_CONFIGURED
        assert "zapctl setup" in before.err
        arguments = ["--oauth"] if oauth else []
        ended = await zapctl(
            *("setup", "--all", "--zapcloud-username", ZAPCLOUD_USERNAME, "--password-stdin", "--json", *arguments),
            stdin=f"{stack.zapcloud_password}\n",
        )
        assert ended.code == 0, ended.err
        told = ended.json
        assert told["secrets"] == dict.fromkeys(("identity-key", "zapcloud-username", "zapcloud-password"), "stored")
        (place,) = told["installations"]
        assert (place["name"], place["mode"], place["new"]) == ("Harbour", "observe", True)
        secret = told["credential"]["secret"]
        payload = parse_qs(told["fields"]["Authentication payload"])
        assert (payload["username"], payload["password"]) == (["zapcloud"], [secret])
        assert secret not in ended.err

        await paste(stack, told["fields"])
        assert await charge(stack, card)
        await stack.refresh_credentials()
        doctor = await zapctl("doctor", "--json")
        findings = doctor.json["items"][0]["findings"]
        assert [one for one in findings if one["severity"] == "lockout"] == [], findings
        health = await zapctl("health", "--json")
        assert [stream["name"] for stream in health.json["streams"]] == ["harbour"]

        again = await zapctl("setup", "--all", "--json")
        assert again.code == 0, again.err
        assert set(again.json["secrets"].values()) == {"kept"}
        assert again.json["credential"] == {"name": "zapcloud", "secret": None}
        assert again.json["installations"] == [place | {"new": False}]
        assert await charge(stack, card)


async def test_at_a_terminal_everything_is_asked_and_no_password_is_seen(tmp_path: Path, card: str) -> None:
    async with first_boot(tmp_path, azure=False) as (stack, zapctl):
        ended = await zapctl.on_terminal(
            "setup",
            answers=[
                ("ZapCloud user name: ", ZAPCLOUD_USERNAME),
                ("ZapCloud password: ", stack.zapcloud_password),
                ("or all: ", "7"),
                ("or all: ", "1"),
            ],
        )
        assert ended.code == 0, ended.out
        assert stack.zapcloud_password not in ended.out
        values = FileSecrets(stack.streams.secrets_file)
        assert await values.get("zapcloud-password") == stack.zapcloud_password
        assert len(await values.get("identity-key") or "") == 64
        fields = pasted_from(ended.out)
        await paste(stack, fields)
        assert await charge(stack, card)


async def test_after_a_fault_the_same_command_goes_on(tmp_path: Path) -> None:
    """Azure refuses once at every step; what was done before is kept, the identity key above all."""
    async with first_boot(tmp_path, azure=True) as (stack, zapctl):
        azure = stack.azure_client

        async def setup() -> Ended:
            return await zapctl(
                *("setup", "--all", "--zapcloud-username", ZAPCLOUD_USERNAME, "--password-stdin", "--json"),
                stdin=f"{stack.zapcloud_password}\n",
            )

        for operation, after, status in (
            ("keys", 0, 403),
            ("get", 0, 403),
            ("set", 1, 429),
            ("refresh", 0, 500),
            ("restart", 0, 409),
            ("restart", 1, 500),
        ):
            await azure.set_faults(Fault(operation=operation, status=status, after=after))
            ended = await setup()
            assert (ended.code, ended.out) == (Exit.AZURE, ""), (operation, ended.err)
            assert ended.err.splitlines()[-1].startswith("zapctl: ")
            assert str(status) in ended.err.splitlines()[-1]
        keys = {value for name, value in (await in_store(stack)).items() if name == "identity-key"}
        await azure.set_faults()
        ended = await setup()
        assert ended.code == 0, ended.err
        assert ended.json["secrets"]["identity-key"] == "kept"
        assert {(await in_store(stack))["identity-key"]} == keys


async def test_a_vault_that_keeps_the_app_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked from inside, where it is not waited for a minute."""
    async with first_boot(tmp_path, azure=True) as (stack, zapctl):
        assert stack.azure
        for name, value in operator(stack).items():
            monkeypatch.setenv(name, value)
        target = find_target(Choice.AZURE, None, zapctl.folder, {})
        async with (
            Identity.managed(zapctl.environment["AZURE_CLIENT_ID"]) as identity,
            Api(stack.host.url, stack.host.function_key) as api,
        ):
            vault = KeyVaultSecretStore(f"{stack.azure.url}/vault", identity)
            hosts = [AzureHost(site, identity, stack.azure.url, 0.01) for site in (HOOKS_SITE_ID, STREAMS_SITE_ID)]
            app = App(api, target, Sites(vault, *hosts))
            await stack.azure_client.keep_unresolved("identity-key")
            written = {name: await vault.set(name, value) for name, value in stack.setup_secrets().items()}
            with pytest.raises(Failure, match="cannot read identity-key yet") as raised:
                await bring_up(app, Output(as_json=True), written)
            for one in (vault, *hosts):
                await one.close()
        assert raised.value.exit_code is Exit.NOT_CONFIGURED
        await stack.azure_client.keep_unresolved()
        ended = await zapctl("setup", "--all", "--json")
        assert ended.code == 0, ended.err


async def test_a_wrong_password_is_said_and_can_be_put_right(tmp_path: Path) -> None:
    async with first_boot(tmp_path, azure=False) as (stack, zapctl):
        arguments = ["--zapcloud-username", ZAPCLOUD_USERNAME, "--password-stdin", "--json"]
        ended = await zapctl("setup", "--all", *arguments, stdin="wrong\n")
        assert ended.code == Exit.ZAPCLOUD
        assert "secrets account" in ended.err
        account = await zapctl("secrets", "account", "--password-stdin", "--json", stdin=f"{stack.zapcloud_password}\n")
        assert (account.code, account.json["stored"]) == (0, ["zapcloud-password"])
        too_soon = await zapctl("setup", "--all", "--json")
        assert too_soon.code == Exit.ZAPCLOUD
        assert "less than a minute ago" in too_soon.err
        await stack.simulator.advance(61)
        assert (await zapctl("setup", "--all", "--json")).code == 0


async def test_nobody_signed_in_is_told_how_to(tmp_path: Path) -> None:
    with_azd(
        tmp_path,
        {
            "ZAPBRIDGE_URL": "https://zapbridge.invalid",
            "ZAPBRIDGE_HOOKS_SITE_ID": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/hooks",
            "ZAPBRIDGE_STREAMS_SITE_ID": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/streams",
            "ZAPBRIDGE_KEY_VAULT_URL": "https://zapbridge.vault.invalid",
        },
    )
    ended = await Zapctl(tmp_path, {"PATH": "/usr/bin:/bin"})("health")
    assert ended.code == Exit.AZURE
    assert "az login" in ended.err
    assert ended.err.count("\n") == 1


async def test_what_is_missing_is_not_asked_for_where_nobody_can_answer(tmp_path: Path) -> None:
    async with first_boot(tmp_path, azure=False) as (stack, zapctl):
        for arguments, said in (
            (["--all"], "--json"),
            (["--all", "--json"], "--zapcloud-username"),
            (["--all", "--json", "--zapcloud-username", ZAPCLOUD_USERNAME], "--password-stdin"),
        ):
            ended = await zapctl("setup", *arguments)
            assert (ended.code, ended.out) == (Exit.NOT_DONE, "")
            assert said in ended.err
        assert await FileSecrets(stack.streams.secrets_file).get("identity-key") is None
        zapctl.environment["ZAPCTL_ZAPCLOUD_PASSWORD"] = stack.zapcloud_password
        unchosen = await zapctl("setup", "--json", "--zapcloud-username", ZAPCLOUD_USERNAME)
        assert unchosen.code == Exit.NOT_DONE
        assert "--installation" in unchosen.err
        strange = await zapctl("setup", "--json", "--installation", "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d")
        assert strange.code == Exit.NOT_FOUND


async def test_the_hooks_secret_is_rotated_without_a_driver_noticing(zapctl: Zapctl, running: Stack, card: str) -> None:
    """Old and new are both taken until the old one is retired."""
    async with running.host.management() as management:
        await management.put("/tokens", json={"token": card})
        made = (await management.put("/hook-credentials/spare", json={"installations": ["*"]})).json()
    old, new = made["secret"], ""

    async def let_in(secret: str) -> bool:
        async with running.host.caller("spare", secret) as hooks:
            end = await hooks.post("/hooks/session-end", json={})
        return end.status_code == 400

    ended = await zapctl("secrets", "rotate", "spare", "--json")
    assert ended.code == 0
    new = ended.json["secret"]
    assert ended.json["fields"]["Authentication payload"] == f"username=spare&password={new}"
    assert new not in ended.err
    assert await let_in(old)
    assert await let_in(new)
    again = await zapctl("secrets", "rotate", "spare", "--json")
    assert again.code == Exit.REFUSED
    assert "retire" in again.err
    unasked = await zapctl("secrets", "retire", "spare")
    assert unasked.code == Exit.NOT_DONE
    assert await let_in(old)
    asked = await zapctl.on_terminal("secrets", "retire", "spare", answers=[("[y/N]: ", "y")])
    assert asked.code == 0, asked.out
    assert not await let_in(old)
    assert await let_in(new)
    assert (await zapctl("secrets", "retire", "spare", "--yes")).code == Exit.NOT_DONE
    assert (await zapctl("secrets", "retire", "unheard-of", "--yes")).code == Exit.NOT_FOUND
    async with running.host.management() as management:
        await management.delete("/hook-credentials/spare")


async def test_a_new_secret_is_shown_on_terminals_only(zapctl: Zapctl, running: Stack) -> None:
    async with running.host.management() as management:
        await management.put("/hook-credentials/shown", json={"installations": ["*"]})
        piped = await zapctl("secrets", "rotate", "shown")
        after: list[dict[str, Any]] = (await management.get("/hook-credentials")).json()["items"]
        assert [one["secrets"] for one in after if one["name"] == "shown"] == [1]
        shown = await zapctl.on_terminal("secrets", "rotate", "shown")
        await management.delete("/hook-credentials/shown")
    assert (piped.code, piped.out) == (Exit.NOT_DONE, "")
    assert "username=shown&password=" in shown.out
    assert "zapctl secrets retire shown" in shown.out


async def test_hooks_show_tells_all_but_the_secret(zapctl: Zapctl, running: Stack, harbour: str) -> None:
    ended = await zapctl("hooks", "show", harbour)
    assert pasted_from(ended.out) == {
        "Authentication URL": "",
        "Authentication payload": "username=zapcloud&password=<secret>",
        "Session start URL": f"{running.host.api}/hooks/session-start",
        "Session end URL": f"{running.host.api}/hooks/session-end",
    }
    assert "zapctl secrets rotate zapcloud" in ended.out
    told = await zapctl("hooks", "show", "Harbour", "--oauth", "--json")
    assert told.json["installationId"] == harbour
    assert told.json["fields"]["Authentication URL"] == f"{running.host.api}/oauth/token"
    assert told.json["fields"]["Authentication payload"] == ("grant_type=password&username=zapcloud&password=<secret>")
