"""What the doctor says, and how it ends; and that nobody enforces while drivers would be locked out."""

from collections.abc import AsyncIterator

import pytest

from cli.doctor_exits import EXIT_OF_FINDING, UNKNOWN_FINDING, exit_of
from cli.exits import Exit
from devhost.stack import HOOK_CREDENTIAL, Stack
from shared.readiness.finding import Code
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them


def test_every_finding_has_an_exit_code_of_its_own() -> None:
    assert set(EXIT_OF_FINDING) == set(Code)
    numbers = [*EXIT_OF_FINDING.values(), UNKNOWN_FINDING, *Exit]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < 126  # the shell's own begin there


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        (["note web-hooks-off"], 0),
        (["warning chargers-offline", "note web-hooks-off"], 54),
        (["warning chargers-offline", "warning stream-silent", "lockout payload-missing", "lockout no-tokens"], 35),
        (["warning discovered-tomorrow"], UNKNOWN_FINDING),
    ],
)
def test_the_gravest_finding_decides_and_notes_do_not(findings: list[str], code: int) -> None:
    found = [dict(zip(("severity", "code"), finding.split(), strict=True)) for finding in findings]
    assert exit_of(found) == code


@pytest.fixture
async def site(running: Stack, card: str) -> AsyncIterator[str]:
    """An installation called Quayside that is ready: set up, observing, with a card that may charge; its id."""
    await running.simulator.advance(2)
    view = await running.add_installation("Quayside", 2, mode="observe")
    await running.simulator.configure(view.id, messagingEnabled=True)
    async with running.host.management() as management:
        await management.put("/tokens", json={"token": card, "driver": "Ada"})
        yield view.id
        (await management.put(f"/installations/{view.id}", json={"name": "Bygone"})).raise_for_status()
        await running.use_web_hooks(view.id, {"username": HOOK_CREDENTIAL, "password": running.hook_password})


async def test_an_installation_is_told_of_in_plain_words(zapctl: Zapctl, running: Stack, site: str) -> None:
    ended = await zapctl("doctor", site)
    assert "Quayside (mode observe): ready" in ended.out
    assert "every driver is let in" in ended.out
    assert ended.code == EXIT_OF_FINDING["stream-not-configured"], ended.out
    told = await zapctl("doctor", "quayside", "--json")
    (answer,) = told.json["items"]
    assert (answer["ready"], answer["installationId"]) == (True, site)


async def test_a_lockout_is_told_with_its_remedy_and_its_own_exit_code(
    zapctl: Zapctl, running: Stack, site: str
) -> None:
    await running.use_web_hooks(site, {"username": HOOK_CREDENTIAL, "password": "of-yesterday"})
    ended = await zapctl("doctor", site)
    assert ended.code == EXIT_OF_FINDING["credential-secret-wrong"]
    assert "Quayside (mode observe): NOT READY" in ended.out
    assert "lockout: " in ended.out
    assert "→ " in ended.out
    assert "of-yesterday" not in ended.out


async def test_without_an_id_all_installations_are_looked_at(zapctl: Zapctl, running: Stack, site: str) -> None:
    await running.use_web_hooks(site, {"username": "nobody", "password": "x"})
    ended = await zapctl("doctor")
    assert "Quayside" in ended.out
    assert "Harbour" in ended.out
    assert ended.code == EXIT_OF_FINDING["credential-unknown"]


async def test_an_installation_zapbridge_does_not_know_is_looked_at_all_the_same(
    zapctl: Zapctl, running: Stack
) -> None:
    await running.simulator.advance(2)
    view = await running.simulator.add_installation("Hillside", 1)
    ended = await zapctl("doctor", view.id.upper())
    assert ended.code == EXIT_OF_FINDING["installation-unknown"]


async def mode_of(stack: Stack, site: str) -> str:
    async with stack.host.management() as management:
        mode: str = (await management.get(f"/installations/{site}")).json()["mode"]
    return mode


async def test_the_mode_is_changed_and_said(zapctl: Zapctl, running: Stack, site: str) -> None:
    ended = await zapctl("installations", "mode", "Quayside", "open")
    assert ended.code == 0
    assert "Quayside: mode open (was observe)" in ended.out
    assert running.host.url in ended.err
    assert await mode_of(running, site) == "open"


async def test_enforcing_is_refused_while_drivers_would_be_locked_out_unless_it_is_meant(
    zapctl: Zapctl, running: Stack, site: str
) -> None:
    await running.use_web_hooks(site, {"username": HOOK_CREDENTIAL, "password": "of-yesterday"})
    ended = await zapctl("installations", "mode", site, "enforce")
    assert ended.code == Exit.LOCKOUT
    assert "--despite-lockout" in ended.out
    assert await mode_of(running, site) == "observe"
    meant = await zapctl("installations", "mode", site, "enforce", "--despite-lockout")
    assert meant.code == 0
    assert await mode_of(running, site) == "enforce"


async def test_enforcing_is_judged_as_it_would_be_not_as_it_is(zapctl: Zapctl, running: Stack, site: str) -> None:
    """No card may charge at this place, which observe mode does not mind."""
    async with running.host.management() as management:
        tokens = (await management.get("/tokens?limit=1000")).json()["items"]
        for token in tokens:
            await management.put("/tokens", json={k: v for k, v in token.items() if k != "id"} | {"blocked": True})
        ended = await zapctl("installations", "mode", site, "enforce", "--json")
        for token in tokens:
            await management.put("/tokens", json={k: v for k, v in token.items() if k != "id"})
    assert ended.code == Exit.LOCKOUT
    assert [one["code"] for one in ended.json["findings"] if one["severity"] == "lockout"] == ["no-token-may-charge"]
    assert await mode_of(running, site) == "observe"


async def test_enforcing_goes_through_where_all_is_well(zapctl: Zapctl, running: Stack, site: str) -> None:
    ended = await zapctl("installations", "mode", site, "enforce")
    assert ended.code == 0
    assert await mode_of(running, site) == "enforce"
