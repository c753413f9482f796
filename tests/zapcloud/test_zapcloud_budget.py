"""Ten requests a second for all that can wait; drivers go ahead."""

import asyncio

import pytest

from shared.errors import ZapCloudUnavailable
from shared.zapcloud import budget as module
from shared.zapcloud.budget import Budget


class Time:
    """Seconds that pass only in sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module.asyncio, "sleep", time.sleep)
    return time


async def test_requests_that_can_wait_are_ten_a_second(time: Time) -> None:
    budget = Budget(time)
    instants = []
    for _ in range(210):
        await budget.wait()
        instants.append(time.now)
    assert all(later - earlier >= 0.99 for earlier, later in zip(instants[10:], instants[20:], strict=False))
    assert instants[-1] - instants[0] == pytest.approx(20, abs=0.2)
    assert instants[9] == instants[0], "at first some go at once"


async def test_who_cannot_wait_goes_ahead_and_counts(time: Time) -> None:
    budget = Budget(time)
    for _ in range(30):
        budget.spend()
    assert time.now == 100.0
    await budget.wait()
    assert time.now == pytest.approx(102.1)


async def test_something_is_always_kept_for_drivers(time: Time) -> None:
    budget = Budget(time)
    for _ in range(50):
        await budget.wait()
    assert budget._level == pytest.approx(5)


async def test_where_zapcloud_wants_none_all_that_can_wait_waits_as_long_as_it_says(time: Time) -> None:
    budget = Budget(time)
    budget.stay_away(4)
    await budget.wait()
    assert time.now == pytest.approx(104)
    budget.stay_away(30)
    with pytest.raises(ZapCloudUnavailable):
        await budget.wait()
    time.now += 30
    await budget.wait()


async def test_who_came_first_goes_first(time: Time) -> None:
    budget, order = Budget(time), list[int]()

    async def ask(number: int) -> None:
        await budget.wait()
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(40)))
    assert order == sorted(order)
