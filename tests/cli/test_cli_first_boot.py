"""The first boot, played locally: an app that knows nothing yet, `zapctl setup`, and everything moves."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from devhost.azure.around import OPERATOR_CLIENT_ID
from devhost.stack import Ports, Site, Stack, running_stack
from tests.cli.conftest import describe
from tests.cli.zapctl import Zapctl
from tests.conftest import MONDAY_MORNING
from tests.events import assert_only_documented
from tests.secrecy import assert_no_secrets

USERNAME = "owner@example.com"


@pytest.fixture(params=["local", "azure"])
async def new(tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Stack, Zapctl]]:
    """Both sites run, no secret exists; with the file of secrets of the local stack, or with Azure's stand-ins."""
    azure = request.param == "azure"
    streams = {"harbour": Site("Harbour", 2)}
    folder = tmp_path / "stack"
    async with running_stack(
        folder,
        ports=Ports.free(),
        start=MONDAY_MORNING,
        seed=seed,
        streams=streams,
        azure=azure,
        configured=False,
        settings={"ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "0"},
    ) as stack:
        if stack.azure:
            outputs = {name: {"type": "String", "value": value} for name, value in stack.azure.outputs().items()}
            (tmp_path / "outputs.json").write_text(json.dumps(outputs))
            environment = stack.azure.operator_environment() | {"AZURE_CLIENT_ID": OPERATOR_CLIENT_ID}
            yield stack, Zapctl(tmp_path, environment | {"ZAPCTL_OUTPUTS": "outputs.json"})
            record = await stack.azure_client.record()
            assert not record.violations
        else:
            describe(stack, tmp_path)
            yield stack, Zapctl(tmp_path)
        secrets = [secret for secret in stack.secrets() if secret]
    assert_no_secrets(stack.log_folder, secrets)
    assert_only_documented(stack.log_folder)


async def functions_of(stack: Stack) -> set[str]:
    assert stack.streams_host
    async with httpx.AsyncClient(headers={"x-functions-key": stack.streams_host.master_key}) as client:
        return {one["name"] for one in (await client.get(f"{stack.streams_host.url}/admin/functions")).json()}


async def start_of(stack: Stack) -> httpx.Response:
    async with httpx.AsyncClient(base_url=stack.host.api, auth=("zapcloud", "guessed")) as zapcloud:
        return await zapcloud.post("/hooks/session-start", json={"chargerId": "x"})


async def test_from_nothing_to_a_driver_who_charges(new: tuple[Stack, Zapctl]) -> None:
    stack, zapctl = new
    await stack.simulator.advance(600)
    assert (await start_of(stack)).status_code == 401, "ZapCloud goes on asking"
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(f"{stack.host.api}/health")).status_code == 503
    assert await functions_of(stack) == {"get_health", "get_health_details"}, "the streams wait"
    for name in ("host", "streams"):
        log = (stack.log_folder / f"{name}.log").read_text()
        assert "Traceback" not in log
        assert "Exception" not in log

    password = stack.zapcloud_password
    done = await zapctl(
        "setup", "--all", "--zapcloud-username", USERNAME, "--password-stdin", "--json", stdin=f"{password}\n"
    )
    assert done.code == 0, done.err
    told = done.json
    assert told["secrets"] == dict.fromkeys(("identity-key", "zapcloud-username", "zapcloud-password"), "stored")
    assert [(place["name"], place["mode"], place["new"]) for place in told["installations"]] == [
        ("Harbour", "observe", True)
    ]
    assert password not in done.out + done.err
    (place,) = told["installations"]
    stack.hook_password = told["credential"]["secret"]

    await stack.simulator.advance(330)
    await stack.wait_for_listeners()
    await paste(stack, place["id"], told["fields"])
    charger = (await charger_ids(stack, place["id"]))[0]
    await stack.simulator.plug(charger, driver="Kari")
    await stack.simulator.advance(150)
    states = await zapctl("state", charger, "--json")
    assert states.code == 0, states.err
    assert {one["id"]: one["value"] for one in states.json["observations"]}[710] == "3"
    (session,) = (await zapctl("sessions", "--json")).json["items"]
    assert session["status"] == "charging"
    assert (await zapctl("health")).code == 0

    again = await zapctl("setup", "--json")
    assert again.code == 0, again.err
    assert set(again.json["secrets"].values()) == {"kept"}
    assert again.json["credential"]["secret"] is None


async def paste(stack: Stack, installation_id: str, fields: dict[str, Any]) -> None:
    """What zapctl says, into Zaptec Portal."""
    assert parse_qs(fields["Authentication payload"])["username"] == ["zapcloud"]
    await stack.simulator.configure(
        installation_id,
        authenticationType=1,
        webhooksAuthUrl=fields["Authentication URL"],
        webhooksAuthPayload=fields["Authentication payload"],
        webhooksSessionStartUrl=fields["Session start URL"],
        webhooksSessionEndUrl=fields["Session end URL"],
    )


async def charger_ids(stack: Stack, installation_id: str) -> list[str]:
    (view,) = stack.streams.installations["harbour"]
    assert view.id == installation_id
    return [charger.id for charger in view.chargers]
