"""A reading of ZapCloud's lists may die at any call to storage; the next reading leaves the log as if it had not."""

import itertools
from collections.abc import Awaitable, Callable, Sequence

import pytest

from shared.zapcloud.history import PastSession
from tests.conftest import HandClock
from tests.sessions.listed import Dead, Listed

CARD = "04A1B2C3"
KARI, OLA = "Kari", "Ola"

type Before = Callable[[Listed], Awaitable[None]]
type Items = Callable[[Listed], Sequence[PastSession]]


async def _nothing(site: Listed) -> None:
    pass


async def _an_end_of_nobodys(site: Listed) -> None:
    await site.end_hook(1, None)


async def _an_end_by_another_installation(site: Listed) -> None:
    await site.end_hook(1, site.neighbour)


async def _let_in(site: Listed) -> None:
    await site.let_in(1, KARI)


async def _let_in_and_replaced(site: Listed) -> None:
    await site.let_in(1, KARI)
    await site.read([site.item(2)])


async def _a_card(site: Listed) -> None:
    await site.register(CARD, OLA)


@pytest.mark.parametrize(
    ("before", "items", "expected"),
    [
        pytest.param(_an_end_of_nobodys, lambda site: [site.item(1)], [(1, None, True)], id="placed"),
        pytest.param(_an_end_by_another_installation, lambda site: [site.item(1)], [(1, None, True)], id="misplaced"),
        pytest.param(
            _let_in,
            lambda site: [site.voided(1, replaced_by=2), site.item(2)],
            [(1, KARI, False), (2, KARI, True)],
            id="replaced",
        ),
        pytest.param(
            _let_in_and_replaced,
            lambda site: [site.voided(1, replaced_by=2), site.item(2)],
            [(1, KARI, False), (2, KARI, True)],
            id="replacement-known",
        ),
        pytest.param(_a_card, lambda site: [site.item(1, tokenname=CARD)], [(1, OLA, True)], id="card"),
        pytest.param(_nothing, lambda site: [site.item(1), site.item(2)], [(1, None, True), (2, None, True)], id="new"),
    ],
)
async def test_it_is_whole_after_the_next_reading(
    connection_string: str,
    clock: HandClock,
    before: Before,
    items: Items,
    expected: list[tuple[int, str | None, bool]],
) -> None:
    for calls in itertools.count():
        site = Listed(connection_string, clock, calls)
        await before(site)
        site.transport.calls_left = calls
        died = False
        try:
            await site.read(items(site))
        except Dead:
            died = True
        await site.transport.close()
        following = Listed(connection_string, clock, calls)
        for anew in (False, True, False):
            await following.read(items(following), anew=anew)
        found = [(number, entry.driver, entry.billable) for number, entry in sorted((await following.log()).items())]
        assert found == expected, f"died at call {calls}"
        await following.services.close()
        if not died:
            break
    assert calls > 5, "the reading was never cut short"
