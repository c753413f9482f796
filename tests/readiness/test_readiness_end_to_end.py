"""Over HTTP, with a simulated ZapCloud put into one state after the other: what is wrong is told, and nothing else.

One stack with two streams: `harbour`, whose installation is put right before each test, and `pier`, whose messages
somebody else reads.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from devhost.stack import HOOK_CREDENTIAL, OAUTH_CREDENTIAL, Host, Ports, Stack, running_stack
from devhost.stack import Site as Streamed
from tests.conftest import MONDAY_MORNING
from tests.readiness.site import Site, operator_of
from tests.readiness.states import STATES, own_token_service, refused_login, silent_zapcloud
from tests.secrecy import assert_no_secrets

pytestmark = pytest.mark.xdist_group("readiness")


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, seed: int) -> AsyncIterator[Stack]:
    settings = {
        "ZAPBRIDGE_ENTRA_ISSUER": "https://login.microsoftonline.com/tenant/v2.0",
        "ZAPBRIDGE_ENTRA_AUDIENCE": "api://zapbridge",
        "ZAPBRIDGE_ENTRA_JWKS_URL": "http://127.0.0.1:1/keys",
        "ZAPBRIDGE_STREAM_SILENT_AFTER_SECONDS": "1800",
    }
    streams = {name: Streamed(name.capitalize(), 2) for name in ("harbour", "pier")}
    async with running_stack(
        tmp_path_factory.mktemp("readiness"),
        ports=Ports.free(),
        start=MONDAY_MORNING,
        seed=seed,
        settings=settings,
        streams=streams,
    ) as running:
        await running.simulator.change_settings(pulse_every_s=0)
        await running.simulator.advance(65)  # what was so before the streams began has been read over REST
        yield running
        secrets = running.secrets()
    assert_no_secrets(running.log_folder, secrets)


@pytest.fixture
async def operator(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with operator_of(stack) as client:
        yield client


@pytest.fixture(scope="module")
async def first_look(stack: Stack) -> list[tuple[str, str]]:
    """What was told of the harbour before its stream had brought anything."""
    (view,) = stack.streams.installations["harbour"]
    async with operator_of(stack) as operator:
        return codes((await operator.get(f"/installations/{view.id}/readiness")).json())


@pytest.fixture
async def site(stack: Stack, operator: httpx.AsyncClient, first_look: list[tuple[str, str]]) -> AsyncIterator[Site]:
    """The harbour, where all is well."""
    (view,) = stack.streams.installations["harbour"]
    site = Site(stack, view, operator)
    await site.put_right()
    await revive_streams(stack)
    yield site
    assert_no_secrets(stack.log_folder, site.secrets)


async def revive_streams(stack: Stack) -> None:
    for (view,) in stack.streams.installations.values():
        await stack.simulator.traffic(2, 0, view.id)


def codes(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["code"], finding["severity"]) for finding in answer["findings"]]


async def test_where_all_is_well_it_is_ready(site: Site) -> None:
    answer = await site.ask()

    assert codes(answer) == []
    assert (answer["name"], answer["mode"], answer["ready"]) == ("Harbour", "enforce", True)
    assert answer["summary"].startswith("Web hooks are on: a driver is let in with a registered card")
    facts = answer["facts"]
    assert facts["portal"]["roles"] == ["user", "owner"]
    assert facts["chargers"] == {"count": 2, "unknown": [], "offline": [], "openToAll": []}
    assert facts["expected"]["sessionStartUrl"] == f"{site.stack.host.api}/hooks/session-start"
    assert facts["streams"][0]["name"] == "harbour"


@pytest.mark.parametrize("state", STATES)
async def test_what_is_wrong_is_told_and_nothing_else(site: Site, state: str) -> None:
    prepare, expected = STATES[state]
    await prepare(site)

    answer = await site.ask()

    assert codes(answer) == expected
    assert answer["ready"] is ("lockout" not in {severity for _, severity in expected})


async def test_a_refused_login_is_told_as_such_while_one_must_wait_to_try_again(site: Site) -> None:
    await refused_login(site)
    for _ in range(2):
        assert codes(await site.ask())[0] == ("zapcloud-login-refused", "lockout")


async def test_after_a_refused_login_a_zapcloud_that_is_down_is_told_as_such(site: Site) -> None:
    await refused_login(site)
    await site.ask()
    await site.put_right()
    await site.simulator.advance(61)
    assert codes(await site.ask()) == []
    await silent_zapcloud(site)
    assert codes(await site.ask()) == [("zapcloud-not-answering", "lockout")]


async def test_the_token_service_and_either_grant_are_fine(site: Site) -> None:
    await own_token_service(site)
    client = {"client_id": OAUTH_CREDENTIAL, "client_secret": site.stack.oauth_secret}
    await site.payload(grant_type="client_credentials", **client)
    assert codes(await site.ask()) == []
    await site.payload(grant_type="password", username=HOOK_CREDENTIAL, password=site.stack.hook_password)
    assert codes(await site.ask()) == []


async def test_an_installation_nobody_told_us_of(site: Site) -> None:
    view = await site.simulator.add_installation("Newcomer", 1)
    answer = await site.ask(view.id)

    assert codes(answer)[0] == ("installation-unknown", "lockout")
    assert (answer["mode"], answer["name"], answer["ready"]) == (None, "Newcomer", False)
    assert (await site.operator.get(f"/installations/{view.id}")).status_code == 404


async def test_an_installation_without_chargers(site: Site) -> None:
    view = await site.simulator.add_installation("Meadow", 0)
    await site.stack.make_known(view, {"mode": "observe"})
    assert ("no-chargers", "lockout") in codes(await site.ask(view.id))


async def test_chargers_that_we_have_not_heard_of(site: Site) -> None:
    """It was made known while the account had no role there, so that its chargers could not be read."""
    view = await site.simulator.add_installation("Hillside", 2)
    await site.simulator.configure(view.id, currentUserRoles=1)
    await site.stack.make_known(view, {"mode": "observe"})
    await site.simulator.configure(view.id, currentUserRoles=2)
    answer = await site.ask(view.id)

    assert ("unknown-chargers", "warning") in codes(answer)
    assert answer["facts"]["chargers"]["unknown"] == ["Hillside 1", "Hillside 2"]
    await site.stack.make_known(view, {"mode": "observe"})
    assert "unknown-chargers" not in dict(codes(await site.ask(view.id)))


async def test_an_installation_without_a_stream(site: Site) -> None:
    view = await site.stack.add_installation("Streamless", 1)
    found = codes(await site.ask(view.id))
    assert found == [
        ("messaging-disabled", "warning"),
        ("stream-not-configured", "warning"),
        ("outage-refuses", "note"),
    ]


async def test_a_stream_that_never_brought_anything(first_look: list[tuple[str, str]]) -> None:
    assert first_look == [("no-tokens", "lockout"), ("stream-not-listening", "warning"), ("outage-refuses", "note")]


async def test_a_stream_whose_messages_somebody_else_reads(site: Site) -> None:
    """Long enough after its trigger began to listen, and for longer than a round over REST takes."""
    (view,) = site.stack.streams.installations["pier"]
    await site.simulator.advance(15 * 60)
    await revive_streams(site.stack)
    assert "another-consumer" not in dict(codes(await site.ask(view.id)))

    await site.simulator.steal(view.id, 1000)
    await site.simulator.traffic(120, 12 * 60, view.id)
    await site.simulator.advance(15 * 60)

    assert ("another-consumer", "warning") in codes(await site.ask(view.id))
    await site.simulator.steal(view.id, 0)
    assert "another-consumer" not in dict(codes(await site.ask()))


async def test_cars_that_come_and_nobody_asks_about(site: Site) -> None:
    """ZapCloud decided by itself when they came."""
    charger = site.view.chargers[0].id
    await site.portal(authenticationType=0)
    await site.simulator.plug(charger, driver="Kari")
    await site.portal(authenticationType=1)
    assert codes(await site.ask()) == []
    await site.simulator.advance(360)
    assert codes(await site.ask()) == [("hooks-not-heard", "warning")]

    other = site.view.chargers[1].id
    await site.simulator.plug(other, driver="Ola")
    await site.simulator.advance(360)
    assert codes(await site.ask()) == []
    for one in (charger, other):
        await site.simulator.unplug(one)


async def test_another_mode_is_judged_without_being_set(site: Site) -> None:
    await site.decide("observe")
    await site.forget_cards()

    observed, enforced = await site.ask(), await site.ask(mode="enforce")

    assert (observed["mode"], observed["ready"]) == ("observe", True)
    assert ("no-tokens", "note") in codes(observed)
    assert (enforced["mode"], enforced["ready"]) == ("enforce", False)
    assert ("no-tokens", "lockout") in codes(enforced)
    assert (await site.operator.get(f"/installations/{site.view.id}")).json()["mode"] == "observe"


async def test_the_addresses_are_compared_with_where_the_operator_says_we_are(site: Site) -> None:
    await site.portal(webhooksSessionStartUrl="http://zap.example/api/hooks/session-start", webhooksSessionEndUrl="")

    answer = await site.ask(base="https://zap.example")

    assert codes(answer) == [("start-url-not-https", "lockout"), ("end-url-missing", "warning")]
    assert answer["facts"]["expected"]["sessionStartUrl"] == "https://zap.example/api/hooks/session-start"


@pytest.mark.parametrize(
    ("query", "field"), [({"base": "https://zap.example/api"}, "base"), ({"mode": "enforced"}, "mode")]
)
async def test_a_parameter_that_makes_no_sense_is_told(site: Site, query: dict[str, str], field: str) -> None:
    answer = await site.operator.get(f"/installations/{site.view.id}/readiness", params=query)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {field}


async def test_an_id_that_is_none_is_told(site: Site) -> None:
    answer = await site.operator.get("/installations/harbour/readiness")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"id"})


@asynccontextmanager
async def without_account(stack: Stack) -> AsyncIterator[Host]:
    none = {"ZAPBRIDGE_ZAPCLOUD_USERNAME": "", "ZAPBRIDGE_ZAPCLOUD_PASSWORD": ""}
    host = await stack.start_host("accountless", Ports.free().host, none)
    try:
        yield host
    finally:
        await host.process.stop()


async def test_without_a_zapcloud_account_nothing_is_called_ready(site: Site) -> None:
    async with without_account(site.stack) as host, host.management() as operator:
        answer = (await operator.get(f"/installations/{site.view.id}/readiness")).raise_for_status().json()
        assert codes(answer) == [("zapcloud-not-configured", "lockout")]
        assert answer["ready"] is False
        refused = await operator.get("/zapcloud/installations")
        assert refused.status_code == 503
        assert "ZAPBRIDGE_ZAPCLOUD_USERNAME" in refused.json()["detail"]


async def test_what_the_account_sees_can_be_chosen_from(site: Site) -> None:
    stranger = await site.simulator.add_installation("A stranger's", 1)
    hidden = await site.simulator.add_installation("Hidden", 1)
    await site.simulator.configure(stranger.id, currentUserRoles=5, authenticationType=3)
    await site.simulator.configure(hidden.id, currentUserRoles=0)
    await site.simulator.advance(2)

    answer = await site.operator.get("/zapcloud/installations")

    items = {item["id"]: item for item in answer.raise_for_status().json()["items"]}
    assert hidden.id not in items
    assert items[stranger.id] == {
        "id": stranger.id,
        "name": "A stranger's",
        "roles": ["user", "service"],
        "authenticationType": "ocpp-native",
        "known": False,
    }
    assert (items[site.view.id]["known"], items[site.view.id]["authenticationType"]) == (True, "web-hooks")
    assert site.stack.hook_password not in answer.text


async def test_a_zapcloud_that_does_not_answer_is_a_bad_gateway(site: Site) -> None:
    await silent_zapcloud(site)
    assert (await site.operator.get("/zapcloud/installations")).status_code == 502


async def test_whoever_has_no_key_is_told_nothing(site: Site) -> None:
    async with httpx.AsyncClient(base_url=site.stack.host.api) as stranger:
        for path in (f"/installations/{site.view.id}/readiness", "/zapcloud/installations"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.content) == (401, b"")


async def test_a_stream_that_fell_silent_and_came_back(site: Site) -> None:
    await site.simulator.advance(1800)
    assert codes(await site.ask()) == [("stream-silent", "warning")]
    await revive_streams(site.stack)
    await site.simulator.advance(21)
    assert codes(await site.ask()) == []
