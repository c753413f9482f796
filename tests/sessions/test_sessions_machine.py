"""Any interleaving of plugging in, scanning, polling, lost answers, ends, late ends and crashes between any two calls
to storage: every driver pays for their own sessions, all of them, and for nothing else.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.sessions.view import Status
from tests.conftest import MONDAY_MORNING, HandClock
from tests.sessions.machine import Driver, World

DRIVERS = [
    Driver("Kari", "04A1B2AAAAAAAA"),
    Driver("Ola", "04A1B2BBBBBBBB"),
    Driver("Guest by grant", None),
    Driver("Stranger", None),
]
GUEST, STRANGER = DRIVERS[2:]

EXAMPLES = int(os.environ.get("ZAPBRIDGE_MACHINE_EXAMPLES", "40"))
mostly = st.sampled_from([True, True, False])
crashes = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 8), st.booleans()))
people = st.sampled_from([*DRIVERS, GUEST, STRANGER])
"""Those without a card come more often: it is they who can be mistaken for one another."""


class Call(NamedTuple):
    """What becomes of a call of ZapCloud's on its way there and back."""

    reaches_app: bool
    answer_arrives: bool
    delivered_twice: bool
    crash: tuple[int, bool] | None


ARRIVES = Call(True, True, False, None)
calls = st.builds(Call, st.just(True) | mostly, mostly, st.booleans(), crashes)


class ChargerMachine(RuleBasedStateMachine):
    """One charger in enforce mode; times between steps are what people and chargers really need."""

    runner: asyncio.Runner
    accounts: Iterator[str]
    clock: HandClock
    crashes: int

    @initialize()
    def open(self) -> None:
        self.clock.set(MONDAY_MORNING)
        self.world = World(next(self.accounts), self.clock, DRIVERS)
        self.run(self.world.open())

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        self.runner.run(step)

    def arm(self, crash: tuple[int, bool] | None) -> None:
        self.world.crash.calls_left, self.world.crash.after = crash or (None, False)

    def disarm(self) -> None:
        self.world.crash.calls_left = None

    @precondition(lambda self: self.world.vehicle is None)
    @rule(
        driver=people,
        pause_s=st.sampled_from([5, 5, 20, 120]),
        first_poll=st.booleans(),
        call=calls,
        stays=st.booleans(),
    )
    def visit(self, driver: Driver, pause_s: int, first_poll: bool, call: Call, stays: bool) -> None:
        """Somebody plugs in, is polled for or not, shows the card if there is one, and may leave again at once."""
        self.clock.advance(pause_s)
        self.world.plug(driver)
        if first_poll:
            self.ask(ARRIVES)
        if driver == GUEST:
            self.clock.advance(2)
            self.run(self.world.grant(GUEST))
        self.ask_with_card_if_any(call)
        if not stays:
            self.unplug(0.0, 5)

    @precondition(lambda self: self.world.vehicle is not None)
    @rule(energy_kwh=st.sampled_from([0.0, 1.5, 22.0]), after_s=st.sampled_from([1, 5, 30, 4000]))
    def unplug(self, energy_kwh: float, after_s: int) -> None:
        self.clock.advance(after_s)
        self.run(self.world.unplug(energy_kwh))

    @precondition(lambda self: self.world.vehicle is not None and self.world.vehicle.asking)
    @rule(call=calls)
    def poll(self, call: Call) -> None:
        self.clock.advance(10)
        self.ask(call)

    @precondition(lambda self: self.world.vehicle is not None and self.world.vehicle.asking)
    @rule(call=calls)
    def scan(self, call: Call) -> None:
        self.clock.advance(3)
        self.ask_with_card_if_any(call)

    def ask_with_card_if_any(self, call: Call) -> None:
        vehicle = self.world.vehicle
        if vehicle and vehicle.asking:
            vehicle.shown = vehicle.driver.card is not None
            self.ask(call)

    def ask(self, call: Call) -> None:
        self.arm(call.crash)
        self.run(
            self.world.ask(reaches_app=call.reaches_app, answer_arrives=call.answer_arrives, twice=call.delivered_twice)
        )
        self.disarm()

    @precondition(lambda self: self.world.ends_due)
    @rule(data=st.data(), crash=crashes, keep=st.booleans())
    def deliver_end(self, data: st.DataObject, crash: tuple[int, bool] | None, keep: bool) -> None:
        number = data.draw(st.integers(0, len(self.world.ends_due) - 1))
        self.clock.advance(1)
        self.arm(crash)
        self.run(self.world.deliver_end(number, keep=keep))
        self.disarm()

    @precondition(lambda self: self.world.observations)
    @rule(data=st.data())
    def observe(self, data: st.DataObject) -> None:
        self.run(self.world.observe(data.draw(st.integers(0, len(self.world.observations) - 1))))

    @rule(crash=crashes)
    def sweep(self, crash: tuple[int, bool] | None) -> None:
        self.clock.advance(30)
        self.arm(crash)
        self.run(self.world.sweep())
        self.disarm()

    @invariant()
    def no_driver_is_charged_for_anothers_session(self) -> None:
        if hasattr(self, "world"):
            self.run(self._check_drivers())

    async def _check_drivers(self) -> None:
        ledger = self.world.services.ledger
        claimed = []
        for session_id, driver in self.world.answered.items():
            view = await ledger.view(session_id)
            if view:
                assert view.driver in {None, driver}, f"{session_id} of {driver} is charged to {view.driver}"
                claimed += [session_id] if view.status is Status.AUTHORIZED else []
        assert len(claimed) <= 1, f"live claims at one charger: {claimed}"

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.run(self._settle())
        finally:
            ChargerMachine.crashes += self.world.crash.crashes
            self.run(self.world.close())

    async def _settle(self) -> None:
        """ZapCloud delivers what it still has; then the log must be the truth."""
        world = self.world
        if world.vehicle:
            self.clock.advance(60)
            await world.unplug(1.0)
        while world.ends_due:
            await world.deliver_end(0, keep=False)
        self.clock.advance(600)
        await world.sweep()
        await self._check_drivers()
        end = self.clock.now()
        page = await world.services.listing.page([world.installation_id], MONDAY_MORNING, end, None, 1000)
        listed = {entry.session_id: entry for entry in page.items}
        assert len(listed) == len(page.items), "a session is listed twice"
        for session_id, driver in world.true_driver.items():
            entry = listed[session_id]
            assert (entry.driver, entry.status) == (driver, Status.ENDED)
            assert entry.energy_kwh == world.ended[session_id]["Energy"]
        never = {
            session_id: entry.energy_kwh for session_id, entry in listed.items() if session_id not in world.true_driver
        }
        assert not any(never.values()), f"energy on sessions that never were: {never}"


@pytest.fixture
def machine_runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_the_log_is_the_truth_whatever_happens(
    azurite_accounts: Iterator[str], clock: HandClock, machine_runner: asyncio.Runner, seed: int
) -> None:
    ChargerMachine.runner = machine_runner
    ChargerMachine.accounts = azurite_accounts
    ChargerMachine.clock = clock
    ChargerMachine.crashes = 0
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        deadline=None,
        derandomize=seed == 1,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    run_state_machine_as_test(ChargerMachine, settings=chosen)
    assert ChargerMachine.crashes >= EXAMPLES, "the process hardly ever died: the crashes do not work"
