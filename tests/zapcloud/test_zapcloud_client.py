"""Our client of ZapCloud's REST API, against the simulated one."""

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from shared.clock import system_clock
from shared.errors import ZapCloudError, ZapCloudUnavailable
from shared.storage.chargers import Charger
from shared.zapcloud.client import ZapCloud
from simulator.app import Simulator
from simulator.client import SimulatorClient
from simulator.faults import Fault
from tests.conftest import HandClock

NOBODYS = "3d0d3c0e-0000-4000-8000-00000000000b"


async def asked(simulator: SimulatorClient) -> Counter[tuple[str, int]]:
    """How often each path was asked for, with which outcome."""
    return Counter((request.path, request.status) for request in await simulator.requests())


async def logins(simulator: SimulatorClient) -> int:
    return sum(count for (path, _), count in (await asked(simulator)).items() if path == "/oauth/token")


async def test_one_login_serves_many_calls_even_at_once(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await asyncio.gather(*(zapcloud.session(NOBODYS) for _ in range(5)))
    for _ in range(3):
        assert await zapcloud.session(NOBODYS) is None

    assert await logins(simulator) == 1


async def test_a_token_is_renewed_before_it_ends(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await simulator.change_settings(access_token_s=3600)
    await zapcloud.session(NOBODYS)

    await simulator.advance(3600 - 300 - 1)
    await zapcloud.session(NOBODYS)
    assert await logins(simulator) == 1
    await simulator.advance(1)
    await zapcloud.session(NOBODYS)
    assert await logins(simulator) == 2
    assert ("/api/session/" + NOBODYS, 401) not in await asked(simulator)


async def test_a_short_lived_token_is_used_for_half_its_life(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await simulator.change_settings(access_token_s=200)
    await zapcloud.session(NOBODYS)
    await simulator.advance(99)
    await zapcloud.session(NOBODYS)
    assert await logins(simulator) == 1

    await simulator.advance(1)
    await zapcloud.session(NOBODYS)
    assert await logins(simulator) == 2


async def test_a_token_that_stopped_working_is_renewed_once(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await zapcloud.session(NOBODYS)
    await simulator.advance(60)
    await simulator.revoke_tokens()

    assert await zapcloud.session(NOBODYS) is None

    assert await asked(simulator) == {
        ("/oauth/token", 200): 2,
        (f"/api/session/{NOBODYS}", 404): 2,
        (f"/api/session/{NOBODYS}", 401): 1,
    }


async def test_calls_whose_token_stopped_working_at_once_share_the_renewal(
    simulator: SimulatorClient, zapcloud: ZapCloud
) -> None:
    await zapcloud.session(NOBODYS)
    await simulator.advance(60)
    await simulator.revoke_tokens()

    await asyncio.gather(*(zapcloud.session(NOBODYS) for _ in range(4)))

    assert await logins(simulator) == 2


async def test_there_is_at_most_one_login_a_minute(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await simulator.set_faults({"oauth-unavailable": Fault(probability=1)})
    for _ in range(20):
        with pytest.raises(ZapCloudUnavailable):
            await zapcloud.session(NOBODYS)
    assert await logins(simulator) == 1

    await simulator.advance(59)
    with pytest.raises(ZapCloudUnavailable):
        await zapcloud.session(NOBODYS)
    assert await logins(simulator) == 1

    await simulator.set_faults({})
    await simulator.advance(1)
    assert await zapcloud.session(NOBODYS) is None
    assert await logins(simulator) == 2


async def test_tokens_that_never_work_cause_no_storm_of_logins(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    for _ in range(10):
        await simulator.revoke_tokens()
        try:
            await zapcloud.session(NOBODYS)
        except ZapCloudUnavailable:
            continue

    assert await logins(simulator) == 1


async def test_a_refused_login_says_what_to_check_and_nothing_secret(
    running: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret, name = "a very secret password", "ada@example.com"
    zapcloud = ZapCloud(running.kernel.now, running.url, name, secret)

    with pytest.raises(ZapCloudError, match="name and password") as refused:
        await zapcloud.session(NOBODYS)
    assert not isinstance(refused.value, ZapCloudUnavailable)
    await zapcloud.close()

    told = "".join(traceback.format_exception(refused.value)) + caplog.text
    for form in (secret, secret.replace(" ", "+"), secret.replace(" ", "%20"), name, "ada%40example.com"):
        assert form not in told


async def test_neither_password_nor_token_is_logged_when_all_is_well(
    simulator: SimulatorClient, zapcloud: ZapCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await zapcloud.session(NOBODYS)
    token = await zapcloud.login.access_token()

    assert token not in caplog.text
    assert "password=" not in caplog.text
    assert "owner@" not in caplog.text


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_zapcloud_that_cannot_is_asked_later(
    simulator: SimulatorClient, zapcloud: ZapCloud, status: int
) -> None:
    await simulator.set_faults({"rest-5xx": Fault(next=1, status=status)})

    with pytest.raises(ZapCloudUnavailable, match=str(status)):
        await zapcloud.session(NOBODYS)

    assert await zapcloud.session(NOBODYS) is None


async def test_a_zapcloud_that_asks_for_patience_is_asked_later(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await simulator.set_faults({"rest-429": Fault(next=2)})

    for _ in range(2):
        with pytest.raises(ZapCloudUnavailable, match="429"):
            await zapcloud.session(NOBODYS)
    assert await zapcloud.session(NOBODYS) is None


async def test_a_business_error_is_no_outage(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    await simulator.set_faults({"rest-5xx": Fault(next=1, status=500)})

    with pytest.raises(ZapCloudError) as refused:
        await zapcloud.session(NOBODYS)
    assert not isinstance(refused.value, ZapCloudUnavailable)


async def test_nobody_listening_is_an_outage(running: Simulator) -> None:
    zapcloud = ZapCloud(running.kernel.now, "http://127.0.0.1:1", "ada@example.com", "a very secret password")

    with pytest.raises(ZapCloudUnavailable) as refused:
        await zapcloud.chargers(NOBODYS)
    await zapcloud.close()

    told = "".join(traceback.format_exception(refused.value))
    assert "a very secret password" not in told
    assert "ada@example.com" not in told


async def test_a_connection_that_was_closed_meanwhile_is_no_outage(clock: HandClock) -> None:
    """Servers close connections that were idle, and may do so just as the next question is on its way."""
    questions = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one question on each connection, as if there could be more, and hangs up at the next."""
        for body in ('{"access_token": "t", "expires_in": 3600}' if not questions else "[]", None):
            head = await reader.readuntil(b"\r\n\r\n")
            questions.append(head.split()[1].decode())
            if body:
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        zapcloud = ZapCloud(clock.now, url, "a", "b", grant="refresh")
        assert await zapcloud.states(NOBODYS) == []
        await zapcloud.close()
    states = f"/api/chargers/{NOBODYS}/state"
    assert questions == ["/oauth/token", states, states]


@asynccontextmanager
async def answering(body: str = "{}", status: int = 200, login: Any = None) -> AsyncIterator[str]:
    """A ZapCloud that answers every question with the same body; its URL."""

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600} if login is None else login)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type="application/json")

    server = web.Application()
    server.add_routes([web.post("/oauth/token", token), web.get("/{path:.*}", answer)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask[T](clock: HandClock, question: Callable[[ZapCloud], Awaitable[T]], **answer: Any) -> T:
    async with answering(**answer) as url:
        zapcloud = ZapCloud(clock.now, url, "a", "b")
        try:
            return await question(zapcloud)
        finally:
            await zapcloud.close()


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "[]", "7", '{"SessionId": "x"}', "{}", f'{{"SessionId": "{NOBODYS}", "Energy": -1}}',
     f'{{"SessionId": "{NOBODYS}", "SessionEnd": "soon"}}'],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_an_error_of_zapclouds(clock: HandClock, body: str) -> None:
    with pytest.raises(ZapCloudError):
        await ask(clock, lambda zapcloud: zapcloud.session(NOBODYS), body=body)


@pytest.mark.parametrize(
    "login",
    [{}, [], "t", {"access_token": "t"}, {"access_token": 7, "expires_in": 60}, {"expires_in": 60},
     {"access_token": "t", "expires_in": "9"}],
    ids=str,
)  # fmt: skip
async def test_a_login_without_token_or_lifetime_is_an_error_of_zapclouds(clock: HandClock, login: Any) -> None:
    with pytest.raises(ZapCloudError):
        await ask(clock, lambda zapcloud: zapcloud.session(NOBODYS), login=login)


@pytest.mark.parametrize("lifetime", [1e300, float("nan"), float("inf")])
async def test_a_lifetime_beyond_all_measure_is_an_error_of_zapclouds(clock: HandClock, lifetime: float) -> None:
    login = {"access_token": "t", "expires_in": lifetime}
    with pytest.raises(ZapCloudError):
        await ask(clock, lambda zapcloud: zapcloud.session(NOBODYS), login=login)


async def test_an_answer_about_another_session_is_an_error_of_zapclouds(clock: HandClock) -> None:
    """Its figures would be booked on that other session, as the highest authority."""
    other = NOBODYS.replace("b", "c")
    with pytest.raises(ZapCloudError):
        await ask(clock, lambda zapcloud: zapcloud.session(NOBODYS), body=f'{{"SessionId": "{other}", "Energy": 1}}')


async def test_a_session_is_read_as_it_is_on_the_wire(clock: HandClock) -> None:
    running = (
        f'{{"SessionId": "{NOBODYS}", "SessionStart": "2026-03-02T06:00:00.12", "SessionEnd": null, "Energy": 1.5}}'
    )
    ended = (
        f'{{"SessionId": "{NOBODYS.upper()}", "SessionStart": "2026-03-02T06:00:00", "Energy": 7,'
        '"SessionEnd": "2026-03-02T08:00:00.123", "SignedSession": "OCMF|{}|{}", "OfNextYear": {}}'
    )

    report = await ask(clock, lambda zapcloud: zapcloud.session(NOBODYS), body=running)
    assert report is not None
    assert (report.start, report.end) == (datetime(2026, 3, 2, 6, 0, 0, 120000, tzinfo=UTC), None)
    report = await ask(clock, lambda zapcloud: zapcloud.session(NOBODYS), body=ended)
    assert report is not None
    assert (report.session_id, report.energy_kwh, report.signed_session) == (NOBODYS, 7.0, "OCMF|{}|{}")
    assert report.end == datetime(2026, 3, 2, 8, 0, 0, 123000, tzinfo=UTC)


async def test_the_chargers_of_an_installation_are_those_of_its_circuits(
    simulator: SimulatorClient, zapcloud: ZapCloud
) -> None:
    installation = await simulator.add_installation("Harbour", chargers=3)
    await simulator.add_installation("Elsewhere", chargers=2)

    found = await zapcloud.chargers(installation.id)

    assert found == [
        Charger(id=charger.id, installation_id=installation.id, device_id=charger.device_id, name=charger.name)
        for charger in installation.chargers
    ]


async def test_an_installation_one_may_not_see_says_which_role_is_needed(zapcloud: ZapCloud) -> None:
    with pytest.raises(ZapCloudError, match="role"):
        await zapcloud.chargers(NOBODYS)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{}", []),
        ('{"Circuits": null}', []),
        ('{"circuits": [{"chargers": [{"id": "' + NOBODYS + '", "deviceId": "zap000123"}]}]}', ["ZAP000123"]),
        ('{"Circuits": [7, {}, {"Chargers": [null, {"Id": "x"}, {"Id": "' + NOBODYS + '"}]}]}', [""]),
    ],
)
async def test_a_hierarchy_is_read_as_far_as_it_makes_sense(clock: HandClock, body: str, expected: list[str]) -> None:
    found = await ask(clock, lambda zapcloud: zapcloud.chargers(NOBODYS), body=body)

    assert [charger.device_id for charger in found] == expected


async def test_since_when_a_charger_is_in_its_mode(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    installation = await simulator.add_installation("Harbour", chargers=1)
    charger = installation.chargers[0].id
    await simulator.advance(100)
    await simulator.plug(charger)
    plugged_at = (await simulator.clock()).now
    await simulator.advance(50)

    assert await zapcloud.operation_mode_since(charger) == plugged_at

    await simulator.unplug(charger)
    assert await zapcloud.operation_mode_since(charger) == (await simulator.clock()).now


@pytest.mark.parametrize(
    "body",
    ["[]", '[{"StateId": 711, "Timestamp": "2026-03-02T06:00:00"}]', '[{"StateId": 710}]', "[7, null, {}]",
     '[{"StateId": "710", "Timestamp": "2026-03-02T06:00:00"}]', '[{"StateId": 710, "Timestamp": null}]'],
)  # fmt: skip
async def test_a_charger_may_say_nothing_of_its_mode(clock: HandClock, body: str) -> None:
    assert await ask(clock, lambda zapcloud: zapcloud.operation_mode_since(NOBODYS), body=body) is None


@pytest.mark.parametrize("body", ["", "{}", "7", '[{"StateId": 710, "Timestamp": "soon"}]'])
async def test_states_that_make_no_sense_are_an_error_of_zapclouds(clock: HandClock, body: str) -> None:
    with pytest.raises(ZapCloudError):
        await ask(clock, lambda zapcloud: zapcloud.operation_mode_since(NOBODYS), body=body)


async def test_a_state_at_the_end_of_time_is_an_error_of_zapclouds(clock: HandClock) -> None:
    body = '[{"StateId": 710, "Timestamp": "9999-12-31T23:59:59-05:00"}]'
    with pytest.raises(ZapCloudError):
        await ask(clock, lambda zapcloud: zapcloud.operation_mode_since(NOBODYS), body=body)


async def test_it_works_against_the_simulator_as_a_user_starts_it(zapcloud_process: SimulatorClient) -> None:
    installation = await zapcloud_process.add_installation("Harbour", chargers=2)
    zapcloud = ZapCloud(system_clock, zapcloud_process.url, "owner@example.test", "simulated")

    assert len(await zapcloud.chargers(installation.id)) == 2
    assert await zapcloud.session(NOBODYS) is None
    await zapcloud.close()
