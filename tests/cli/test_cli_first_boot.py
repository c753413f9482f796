"""The first boot, played locally: an app that knows nothing yet, `zapctl setup`, and everything moves."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from devhost.stack import ZAPCLOUD_USERNAME, Stack
from tests.cli.first_boot import first_boot, paste
from tests.cli.zapctl import Zapctl


@pytest.fixture(params=["local", "azure"])
async def new(tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Stack, Zapctl]]:
    """With the file of secrets of the local stack, or with Azure's stand-ins and a file of the deployment's outputs."""
    async with first_boot(tmp_path, azure=request.param == "azure", seed=seed) as (stack, zapctl):
        if stack.azure:
            outputs = {name: {"type": "String", "value": value} for name, value in stack.azure.outputs().items()}
            (zapctl.folder / "outputs.json").write_text(json.dumps(outputs))
            zapctl.environment["ZAPCTL_OUTPUTS"] = "outputs.json"
        yield stack, zapctl


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
        "setup", "--all", "--zapcloud-username", ZAPCLOUD_USERNAME, "--password-stdin", "--json", stdin=f"{password}\n"
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
    await paste(stack, told["fields"])
    (view,) = stack.streams.installations["harbour"]
    assert view.id == place["id"]
    charger = view.chargers[0].id
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
