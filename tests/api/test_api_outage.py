"""Over HTTP, while storage is cut off and after: what ZapCloud hears, and what the log says in the end."""

import signal
from collections.abc import AsyncIterator

import httpx
import pytest

from devhost.stack import HOOK_CREDENTIAL, Host, Ports, Stack
from tests.cable import Cable, cable_to


@pytest.fixture
async def cable(stack: Stack) -> AsyncIterator[Cable]:
    async with cable_to(stack.storage_connection_string) as cable:
        yield cable


async def start_behind(cable: Cable, stack: Stack, name: str) -> Host:
    settings = {"ZAPBRIDGE_TABLES": cable.connection_string, "ZAPBRIDGE_HOOK_BUDGET_SECONDS": "2"}
    return await stack.start_host(name, Ports.free().host, settings)


async def test_the_hooks_answer_by_policy_and_nothing_acknowledged_is_lost(
    stack: Stack, cable: Cable, card: str
) -> None:
    refusing = await stack.add_installation("refuses in an outage", 1)
    marking = await stack.add_installation("allows and marks in an outage", 1, outagePolicy="allow-and-mark")
    host = await start_behind(cable, stack, "cut-off-host")
    async with host.management() as management, host.caller(HOOK_CREDENTIAL, stack.hook_password) as zapcloud:
        await management.put("/tokens", json={"token": card, "driver": "Kari"})

        async def start(view_id: str, charger_id: str, token: str | None) -> httpx.Response:
            body = {"chargerId": charger_id, "installationId": view_id} | ({"tokenCode": token} if token else {})
            return await zapcloud.post("/hooks/session-start", json=body)

        places = [(view.id, view.chargers[0].id) for view in (refusing, marking)]
        assert [(await start(*place, None)).status_code for place in places] == [401, 401]
        await cable.cut()
        assert [(await start(*place, None)).status_code for place in places] == [401, 401], "polls go on"
        assert [(await start(*place, card)).status_code for place in places] == [503, 200]
        allowed = (await start(*places[1], card)).json()["sessionId"]
        end = {"SessionId": allowed, "SessionEnd": "2026-03-02T09:00:00Z", "Energy": 6.5}
        assert (await zapcloud.post("/hooks/session-end", json=end)).status_code == 503
        assert (await management.get("/health")).status_code == 503
        await cable.mend()
        assert (await zapcloud.post("/hooks/session-end", json=end)).status_code == 200
        await host.run_timer("sweep")
        session = (await management.get(f"/sessions/{allowed}")).json()
        assert (session["driver"], session["energyKwh"], session["outage"]) == ("Kari", 6.5, True)
    await host.process.stop()


async def test_a_host_killed_in_the_outage_loses_nobodys_session(stack: Stack, cable: Cable, card: str) -> None:
    view = await stack.add_installation("host killed in an outage", 1, outagePolicy="allow-and-mark")
    body = {"chargerId": view.chargers[0].id, "installationId": view.id, "tokenCode": card}
    host = await start_behind(cable, stack, "killed-host")
    async with host.management() as management, host.caller(HOOK_CREDENTIAL, stack.hook_password) as zapcloud:
        await management.put("/tokens", json={"token": card, "driver": "Ola"})
        await zapcloud.post("/hooks/session-start", json={name: body[name] for name in ("chargerId", "installationId")})
        await cable.cut()
        allowed = (await zapcloud.post("/hooks/session-start", json=body)).json()["sessionId"]
    await host.process.stop(signal.SIGKILL)
    now = (await stack.simulator.clock()).now.isoformat()
    end = {"SessionId": allowed, "SessionStart": now, "SessionEnd": now, "Energy": 3.25}
    async with stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as zapcloud:
        assert (await zapcloud.post("/hooks/session-end", json=end)).status_code == 200
    await stack.host.run_timer("sweep")
    async with stack.host.management() as management:
        session = (await management.get(f"/sessions/{allowed}")).json()
    assert (session["driver"], session["chargerId"], session["energyKwh"]) == ("Ola", body["chargerId"], 3.25)
