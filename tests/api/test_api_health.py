"""Over HTTP: what an operator sees of the message streams and of the credentials they are opened with.

On hosts of their own, each with an empty storage account, since what they show is of the whole app.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from devhost.stack import Host, Ports, Stack
from functions.services import Services
from tests.api.inside import add_site, message
from tests.api.promised import check_promised
from tests.conftest import HandClock

INSTALLATION, GROUP = "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d", "7d6c5b4a-3928-4716-a5b4-c3d2e1f0a9b8"
CHARGER = "0f0e8f4e-7a55-4bd1-9f7e-2f3a1d4c5b6a"


@asynccontextmanager
async def host_with(stack: Stack, name: str, streams: dict[str, Any], **settings: str) -> AsyncIterator[Host]:
    named = {f"ZAPBRIDGE_{setting.upper()}": value for setting, value in settings.items()}
    host = await stack.start_host(name, Ports.free().host, named | {"ZAPBRIDGE_STREAMS": json.dumps(streams)})
    try:
        yield host
    finally:
        await host.process.stop()


async def details(host: Host) -> dict[str, Any]:
    async with host.management() as management:
        management.event_hooks["response"] = [check_promised]
        return (await management.get("/health/details")).raise_for_status().json()  # type: ignore[no-any-return]


async def test_each_stream_tells_how_old_its_newest_observation_is_and_whether_it_fell_silent(
    stack: Stack, services: Services, connection_string: str, clock: HandClock
) -> None:
    streams = {"harbour": {"installation": INSTALLATION}, "harbours": {"userGroup": GROUP}}
    own = {"tables": connection_string, "clock_file": str(clock.path), "stream_silent_after_seconds": "600"}
    never = {"receivedAt": None, "newest": None, "ageSeconds": None, "silent": False}
    untouched = {"name": "harbours", "installationId": None, "userGroupId": GROUP, **never}
    async with host_with(stack, "streams-health-host", streams, **own) as host:

        async def harbour() -> dict[str, Any]:
            found, other = (await details(host))["streams"]
            assert other == untouched
            assert (found.pop("name"), found.pop("installationId")) == ("harbour", INSTALLATION)
            assert found.pop("userGroupId") is None
            return found  # type: ignore[no-any-return]

        assert await harbour() == never
        body = message(CHARGER, 710, "1", clock.now() - timedelta(seconds=3))
        await services.streams.intake.take("harbour", [(body, clock.now())])
        came = {"receivedAt": "2026-03-02T06:00:00Z", "newest": "2026-03-02T05:59:57Z"}
        assert await harbour() == {**came, "ageSeconds": 3.0, "silent": False}
        clock.advance(599)
        assert await harbour() == {**came, "ageSeconds": 602.0, "silent": False}
        clock.advance(1)
        assert await harbour() == {**came, "ageSeconds": 603.0, "silent": True}
        await services.streams.intake.take("harbour", [(b"no observation", clock.now())])
        assert await harbour() == {**came, "ageSeconds": 603.0, "silent": True}, (
            "what nobody can read is no sign of life"
        )
        clock.advance(20)
        again = message(CHARGER, 710, "2", clock.now())
        await services.streams.intake.take("harbour", [(again, clock.now())])
        came = {"receivedAt": "2026-03-02T06:10:20Z", "newest": "2026-03-02T06:10:20Z"}
        assert await harbour() == {**came, "ageSeconds": 0.0, "silent": False}


async def test_the_credentials_of_a_stream_are_followed_without_being_told(
    stack: Stack, connection_string: str, tmp_path: Path
) -> None:
    site = await add_site(stack, "Credentials over HTTP", 1)
    await stack.simulator.configure(site.id, messagingEnabled=True)
    own = {"tables": connection_string, "secrets_file": str(tmp_path / "secrets.json")}
    async with host_with(stack, "credentials-health-host", {"harbour": {"installation": site.id}}, **own) as host:
        assert (await details(host))["credentials"] == []
        await host.run_timer("refresh_credentials")
        found = await details(host)
        login, stream = found["credentials"]
        now = (await stack.simulator.clock()).now.isoformat().replace("+00:00", "Z")
        assert (login["name"], login["since"]) == ("zapcloud-login", now)
        assert login["renewAt"] > now
        fingerprint = stream.pop("fingerprint")
        assert stream == {"name": "stream-harbour", "step": "stored", "since": now, "checkedAt": now}
        assert len(fingerprint) == 16
        secrets = json.loads((tmp_path / "secrets.json").read_text()).values()
        assert secrets
        for where in (json.dumps(found), host.process.log.read_text()):
            assert not [secret for secret in secrets if secret in where]
