"""What `make demo` and `make serve` run, as whoever types them meets it."""

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import httpx
import pytest

from devhost.stack import ROOT, Ports

pytestmark = pytest.mark.xdist_group("commands")


async def test_the_demo_tells_the_morning_and_every_check_holds() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator.demo", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    assert "✗" not in output
    assert output.count("✓") >= 20
    for told in ("Ingrid", "refused", "session log", "charging", "messages come again", "All of it holds."):
        assert told in output


async def test_serve_writes_what_others_build_on_and_cleans_up(tmp_path: Path) -> None:
    ports = Ports.free()
    options = [f"--{name}-port={getattr(ports, name)}" for name in Ports.__struct_fields__]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devhost.serve", "--chargers=2", *options),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    while (line := await process.stdout.readline()) and not line.startswith(b"ready"):
        pass
    assert line, "the stack ended before it was ready"
    file = tmp_path / ".local" / "stack.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stack = json.loads(file.read_text())
    assert set(stack) == {
        "base_url",
        "function_key",
        "hook_username",
        "hook_password",
        "oauth_client_id",
        "oauth_client_secret",
        "simulator_url",
        "zapcloud_username",
        "zapcloud_password",
        "storage_connection_string",
        "service_bus",
        "installations",
        "host",
        "control",
    }
    (installation,) = stack["installations"]
    assert len(installation["chargers"]) == 2
    charge = {"chargerId": installation["chargers"][0], "installationId": installation["id"], "tokenCode": "04A1B201"}
    async with httpx.AsyncClient(base_url=stack["base_url"]) as client:
        key = {"x-functions-key": stack["function_key"]}
        await client.put("/api/tokens", headers=key, json={"token": "04A1B201", "driver": "Kari"})
        form = {
            "grant_type": "client_credentials",
            "client_id": stack["oauth_client_id"],
            "client_secret": stack["oauth_client_secret"],
        }
        token = (await client.post("/api/oauth/token", data=form)).json()["access_token"]
        bearer = await client.post(
            "/api/hooks/session-start", headers={"Authorization": f"Bearer {token}"}, json=charge
        )
        basic = (stack["hook_username"], stack["hook_password"])
        again = await client.post("/api/hooks/session-start", auth=basic, json=charge)
        assert bearer.json() == again.json()
        assert (await client.get(f"{stack['simulator_url']}/sim/health")).status_code == 200
    process.send_signal(signal.SIGINT)
    await process.wait()
    assert not file.exists()


async def test_serve_leaves_alone_what_listens_on_one_of_its_ports() -> None:
    ports = Ports.free()
    options = [f"--{name}-port={getattr(ports, name)}" for name in Ports.__struct_fields__]
    with socket.create_server(("127.0.0.1", ports.blob)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "devhost.serve", *options), cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        said = (await process.communicate())[1].decode()
    assert process.returncode == 2
    assert f"something listens on port {ports.blob} already; stop it, or choose another by BLOB_PORT" in said
