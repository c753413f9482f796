"""The session log as an operator bills from it: what may be billed is told apart, and one session can be looked at."""

from dataclasses import dataclass

import pytest

from cli.exits import Exit
from devhost.stack import HOOK_CREDENTIAL, Stack
from tests.cli.zapctl import Zapctl

pytestmark = pytest.mark.xdist_group("cli")  # one stack for all of them

DAY = ("--from", "2026-02-27", "--to", "2026-02-28")
"""Before the stack's day, so that no other test has sessions in it."""


@dataclass(frozen=True)
class Charged:
    """Two sessions by their ids."""

    billable: str
    without_energy: str


@pytest.fixture(scope="session")
async def charged(running: Stack) -> Charged:
    """On one day and heard of in the wrong order, one of them without energy."""
    ids = [f"5e55a0d1-0000-4000-8000-00000000000{number}" for number in range(2)]
    hours = {ids[1]: (10, 0.0), ids[0]: (6, 9.25)}
    async with running.host.caller(HOOK_CREDENTIAL, running.hook_password) as caller:
        for session, (hour, energy) in hours.items():
            content = {
                "sessionId": session,
                "sessionStart": f"2026-02-27T{hour:02}:00:00Z",
                "sessionEnd": f"2026-02-27T{hour + 2:02}:00:00Z",
                "energy": energy,
                "signedSession": "OCMF|" + '{"ID":"04A1B2C3D4E5F6"}' * 3 + "|{}",
            }
            (await caller.post("/hooks/session-end", json=content)).raise_for_status()
    return Charged(*ids)


async def test_the_sum_tells_what_of_it_may_be_billed(zapctl: Zapctl, charged: Charged) -> None:
    ended = await zapctl("sessions", *DAY)
    assert ended.out.splitlines()[-1] == "2 sessions, 9.25 kWh; 1 of them billable, 9.25 kWh"
    rows = {session: line.split() for line in ended.out.splitlines() for session in line.split()[-1:]}
    assert "yes" in rows[charged.billable]
    assert "no" in rows[charged.without_energy]
    assert "not-ours" in " ".join(rows[charged.billable])


async def test_sessions_are_shown_in_the_order_in_which_they_began(zapctl: Zapctl, charged: Charged) -> None:
    out = (await zapctl("sessions", *DAY)).out
    assert out.index(charged.billable) < out.index(charged.without_energy)


async def test_one_session_is_shown_with_who_stated_what(zapctl: Zapctl, charged: Charged) -> None:
    ended = await zapctl("sessions", "show", charged.billable)
    assert ended.code == 0
    assert "Energy: 9.250 kWh" in ended.out
    assert "Billable: yes" in ended.out
    assert "Flags: not-ours" in ended.out
    (told,) = [line for line in ended.out.splitlines() if "end-hook" in line and "ended" in line]
    assert "energyKwh 9.25" in told


async def test_a_session_shown_does_not_show_a_card(zapctl: Zapctl, charged: Charged) -> None:
    """Its signed meter value has one; --json has that."""
    assert "04A1B2C3D4E5F6" not in (await zapctl("sessions", "show", charged.billable)).out
    told = (await zapctl("sessions", "show", charged.billable, "--json")).json
    assert told["sessionId"] == charged.billable
    assert "04A1B2C3D4E5F6" in told["signedSession"]


@pytest.mark.parametrize("session", ["00000000-0000-4000-8000-000000000000", "kari"])
async def test_a_session_there_is_none_of_is_said_to_be_none(zapctl: Zapctl, session: str) -> None:
    ended = await zapctl("sessions", "show", session)
    assert ended.code == Exit.NOT_FOUND
    assert ended.err == "zapctl: no session of that id\n"
