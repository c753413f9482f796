"""What our client reads of installations and chargers as Zaptec Portal shows them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web

from shared.clock import system_clock
from shared.errors import ZapCloudError, ZapCloudUnavailable
from shared.zapcloud.client import ZapCloud, ZapCloudRefused
from shared.zapcloud.portal import AuthenticationType, PortalCharger, PortalInstallation, Role
from simulator.app import Simulator
from simulator.client import SimulatorClient
from simulator.faults import Fault, FaultName

NOBODYS = "3d0d3c0e-0000-4000-8000-00000000000b"


async def test_an_installation_is_read_as_the_portal_shows_it(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    view = await simulator.add_installation("Harbour", chargers=1)
    await simulator.configure(
        view.id,
        authenticationType=1,
        currentUserRoles=5,
        messagingEnabled=True,
        webhooksAuthUrl="https://zap.example/token",
        webhooksAuthPayload="username=a&password=hidden ",
        webhooksSessionStartUrl=" https://zap.example/start ",
        webhooksSessionEndUrl="https://zap.example/end",
    )

    found = await zapcloud.installation(view.id)

    assert found == PortalInstallation(
        id=view.id,
        name="Harbour",
        roles=Role.USER | Role.SERVICE,
        authentication_type=AuthenticationType.WEB_HOOKS,
        authorization_required=False,
        messaging_enabled=True,
        start_url="https://zap.example/start",
        end_url="https://zap.example/end",
        authentication_url="https://zap.example/token",
        authentication_payload="username=a&password=hidden ",
    )
    assert "hidden" not in f"{found!r} {found}"


async def test_one_that_is_not_there_or_not_to_be_seen_is_none(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    view = await simulator.add_installation("Harbour", chargers=1)
    await simulator.configure(view.id, currentUserRoles=0)

    assert await zapcloud.installation(view.id) is None
    assert await zapcloud.installation(NOBODYS) is None
    assert await zapcloud.installations() == []
    assert await zapcloud.portal_chargers(view.id) == []


async def test_what_a_mere_user_is_not_shown_is_not_taken_for_something(
    simulator: SimulatorClient, zapcloud: ZapCloud
) -> None:
    view = await simulator.add_installation("Harbour", chargers=1)
    await simulator.configure(view.id, currentUserRoles=1, messagingEnabled=True, webhooksAuthPayload="password=hidden")

    found = await zapcloud.installation(view.id)

    assert found
    assert (found.roles.words, found.roles.suffices) == (("user",), False)
    assert (found.messaging_enabled, found.authentication_payload) == (None, "")


async def test_whether_zapclouds_own_users_must_log_in(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    view = await simulator.add_installation("Harbour", chargers=1)
    seen = []
    for required in (True, False):
        await simulator.configure(view.id, isRequiredAuthentication=required)
        (charger,) = await zapcloud.portal_chargers(view.id)
        found = await zapcloud.installation(view.id)
        assert found
        seen.append((found.authorization_required, charger.authorization_required))
    assert seen == [(True, True), (False, False)]


async def test_lists_are_read_to_their_ends(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    """A page has 100 at most."""
    view = await simulator.add_installation("Harbour", chargers=201)
    for number in range(100):
        await simulator.add_installation(f"Pier {number}", chargers=1)

    chargers = await zapcloud.portal_chargers(view.id)

    assert [charger.id for charger in chargers] == [charger.id for charger in view.chargers]
    assert {one.id for one in await zapcloud.installations()} == {one.id for one in await simulator.installations()}


async def test_which_chargers_can_be_reached_and_which_ask_nobody(
    simulator: SimulatorClient, zapcloud: ZapCloud
) -> None:
    view = await simulator.add_installation("Harbour", chargers=2)
    await simulator.configure(view.id, authenticationType=1)
    first, second = view.chargers
    await simulator.go_offline(first.id)
    async with httpx.AsyncClient(base_url=simulator.url) as control:
        await control.patch(f"/sim/chargers/{second.id}", json={"authentication_disabled": True})

    assert await zapcloud.portal_chargers(view.id) == [
        PortalCharger(id=first.id, name="Harbour 1", online=False, authorization_required=True),
        PortalCharger(id=second.id, name="Harbour 2", online=True, authorization_required=False),
    ]


@pytest.mark.parametrize(("name", "status"), [("rest-429", 429), ("rest-5xx", 502), ("rest-5xx", 503)])
async def test_who_asks_for_much_asks_again_and_a_driver_does_not_wait_for_that(
    simulator: SimulatorClient, zapcloud: ZapCloud, name: FaultName, status: int
) -> None:
    view = await simulator.add_installation("Harbour", chargers=1)
    await simulator.set_faults({name: Fault(next=2, status=status)})
    assert await zapcloud.installation(view.id)

    await simulator.set_faults({name: Fault(next=1, status=status)})
    with pytest.raises(ZapCloudUnavailable, match=str(status)):
        await zapcloud.session(NOBODYS)

    await simulator.set_faults({name: Fault(next=10, status=status)})
    with pytest.raises(ZapCloudUnavailable, match=str(status)):
        await zapcloud.installation(view.id)
    assert (await simulator.faults())[name].next == 6


async def test_a_business_error_tells_its_code(simulator: SimulatorClient, zapcloud: ZapCloud) -> None:
    view = await simulator.add_installation("Harbour", chargers=1)
    await simulator.set_faults({"rest-5xx": Fault(next=1, status=500)})
    with pytest.raises(ZapCloudRefused) as refused:
        await zapcloud.installation(view.id)
    assert (refused.value.status, refused.value.code) == (500, None)

    with pytest.raises(ZapCloudRefused) as refused:
        await zapcloud.authentication_type(NOBODYS)
    assert (refused.value.status, refused.value.code) == (500, 540)


async def test_a_refused_login_is_remembered_until_something_goes_well(
    running: Simulator, simulator: SimulatorClient, zapcloud: ZapCloud
) -> None:
    await simulator.set_faults({"oauth-refused": Fault(next=1)})
    with pytest.raises(ZapCloudError):
        await zapcloud.installations()
    assert zapcloud.login_refused
    with pytest.raises(ZapCloudUnavailable):
        await zapcloud.installations()
    assert zapcloud.login_refused

    await simulator.advance(60)
    await zapcloud.installations()
    assert not zapcloud.login_refused


@asynccontextmanager
async def answering(answer: Any) -> AsyncIterator[ZapCloud]:
    """Our client of a ZapCloud that answers every question with the same."""

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600})

    async def told(_: web.Request) -> web.Response:
        return web.json_response(answer)

    server = web.Application()
    server.add_routes([web.post("/oauth/token", token), web.get("/{path:.*}", told)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    zapcloud = ZapCloud(system_clock, f"http://127.0.0.1:{runner.addresses[0][1]}", "a", "b")
    try:
        yield zapcloud
    finally:
        await zapcloud.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    "odd",
    [
        {"Name": None, "CurrentUserRoles": "3", "AuthenticationType": "1", "MessagingEnabled": "yes"},
        {"name": 7, "currentUserRoles": True, "authenticationType": True, "messagingEnabled": 1},
        {"AuthenticationType": 99, "CurrentUserRoles": -1, "WebhooksAuthPayload": {"a": 1}},
        {"AuthenticationType": 1.0, "CurrentUserRoles": None, "WebhooksSessionStartUrl": []},
        {},
    ],
)
async def test_what_makes_no_sense_in_an_installation_is_not_known(odd: dict[str, Any]) -> None:
    async with answering({"Id": NOBODYS.upper(), **odd}) as zapcloud:
        assert await zapcloud.installation(NOBODYS) == PortalInstallation(id=NOBODYS)


async def test_roles_nobody_has_heard_of_do_no_harm() -> None:
    async with answering({"Id": NOBODYS, "CurrentUserRoles": 1 << 20 | 2}) as zapcloud:
        found = await zapcloud.installation(NOBODYS)
    assert found
    assert (found.roles.words, found.roles.suffices) == (("owner",), True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, []),
        ({"Pages": 1, "Data": None}, []),
        ({"Pages": "2", "Data": [7, None, {}, {"Id": "x"}, {"Id": NOBODYS}]}, [NOBODYS]),
        ({"pages": 1, "data": [{"id": NOBODYS, "installationId": NOBODYS}]}, [NOBODYS]),
    ],
)
async def test_a_list_is_read_as_far_as_it_makes_sense(answer: dict[str, Any], expected: list[str]) -> None:
    async with answering(answer) as zapcloud:
        assert [one.id for one in await zapcloud.installations()] == expected


async def test_a_charger_of_another_installation_is_left_out() -> None:
    """Should ZapCloud not know the filter that was asked for."""
    mine, other = {"Id": NOBODYS, "InstallationId": NOBODYS.upper(), "DeviceId": "ZAP1"}, {"Id": NOBODYS}
    async with answering({"Pages": 1, "Data": [mine, other, {**other, "InstallationId": "x"}]}) as zapcloud:
        assert await zapcloud.portal_chargers(NOBODYS) == [PortalCharger(id=NOBODYS, name="ZAP1")]
