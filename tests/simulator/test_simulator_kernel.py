"""Time stands still while anybody runs, and its order never depends on how fast an answer comes."""

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import file_clock
from simulator.clockfile import ClockFile
from simulator.errors import ConflictError
from simulator.kernel import RealKernel, Signal
from simulator.virtual import VirtualKernel

START = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture
async def kernel():
    kernel = VirtualKernel(START)
    yield kernel
    await kernel.close()


def seconds(kernel: VirtualKernel) -> float:
    return (kernel.now() - START).total_seconds()


async def test_activities_take_turns_by_instant_and_then_by_number(kernel):
    seen = []

    async def tick(name: str, every_s: float) -> None:
        for _ in range(2):
            await kernel.sleep(every_s)
            seen.append((seconds(kernel), name))

    kernel.spawn(tick("a", 10), "a")
    kernel.spawn(tick("b", 5), "b")
    kernel.spawn(tick("c", 10), "c")
    await kernel.advance(15)
    assert seen == [(5, "b"), (10, "a"), (10, "b"), (10, "c")]
    assert seconds(kernel) == 15
    await kernel.advance(5)
    assert seen[4:] == [(20, "a"), (20, "c")]
    assert kernel.busy == 0


async def test_the_clock_does_not_move_while_an_answer_is_awaited(kernel):
    answer = asyncio.Event()

    async def call() -> None:
        await kernel.sleep(1)
        await answer.wait()

    kernel.spawn(call(), "call")
    advancing = asyncio.create_task(kernel.advance(3600))
    for _ in range(50):
        await asyncio.sleep(0)
    assert seconds(kernel) == 1
    assert not advancing.done()
    answer.set()
    await advancing
    assert seconds(kernel) == 3600


async def test_the_clock_waits_for_whoever_must_catch_up_first(kernel):
    seen = []

    async def catch_up() -> None:
        await asyncio.sleep(0)
        seen.append((seconds(kernel), "caught up"))

    async def tick() -> None:
        for _ in range(2):
            await kernel.sleep(10)
            seen.append((seconds(kernel), "tick"))

    kernel.before_moving.append(catch_up)
    await kernel.perform(lambda: kernel.spawn(tick(), "tick"))
    seen.clear()
    await kernel.advance(15)
    assert seen == [(0, "caught up"), (10, "tick"), (10, "caught up")]
    seen.clear()
    assert await kernel.run_until_idle(60)
    assert seen == [(15, "caught up"), (20, "tick"), (20, "caught up")]


async def test_one_runs_at_a_time(kernel):
    running, most = 0, 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        await kernel.sleep(1)

    for _ in range(4):
        kernel.spawn(call(), "call")
    await kernel.advance(2)
    assert most == 1


async def test_side_by_side_activities_and_what_they_spawn_are_in_flight_together(kernel):
    meeting = asyncio.Barrier(3)
    met = []

    async def child() -> None:
        await kernel.sleep(10)
        await meeting.wait()
        met.append(seconds(kernel))

    async def parent() -> None:
        kernel.spawn(child(), "child")

    for _ in range(3):
        kernel.spawn(parent(), "parent", side_by_side=True)
    await kernel.advance(20)
    assert met == [10, 10, 10]


async def test_gathered_children_share_an_instant_and_time_waits_for_all(kernel):
    meeting = asyncio.Barrier(2)
    got = []

    async def child(sleep_s: float) -> float:
        await meeting.wait()
        await kernel.sleep(sleep_s)
        return seconds(kernel)

    async def parent() -> None:
        got.extend(await kernel.gather(child(7), child(3)))
        got.append(seconds(kernel))
        assert await kernel.gather() == []

    kernel.spawn(parent(), "parent")
    await kernel.advance(60)
    assert got == [7, 3, 7]
    assert kernel.problems == []


async def test_a_signal_ends_a_wait_at_its_instant_and_a_timeout_at_its_own(kernel):
    scanned, never = Signal(), Signal()
    seen = []

    async def waits() -> None:
        seen.append((await kernel.wait(scanned, 10), seconds(kernel)))
        seen.append((await kernel.wait(never, 10), seconds(kernel)))
        seen.append((await kernel.wait(scanned, 10), seconds(kernel)))

    async def scans() -> None:
        await kernel.sleep(4)
        scanned.set()
        scanned.set()

    kernel.spawn(waits(), "waits")
    kernel.spawn(scans(), "scans")
    await kernel.advance(60)
    assert seen == [(True, 4), (False, 14), (True, 14)]


async def test_a_failed_activity_is_kept_and_the_others_go_on(kernel):
    done = []

    async def fails() -> None:
        await kernel.sleep(5)
        raise LookupError("no such thing")

    async def gathers() -> None:
        await kernel.gather(fails(), kernel.sleep(9))

    async def works() -> None:
        await kernel.sleep(20)
        done.append(seconds(kernel))

    kernel.spawn(fails(), "fails")
    kernel.spawn(gathers(), "gathers")
    kernel.spawn(works(), "works")
    assert await kernel.run_until_idle(60)
    assert done == [20]
    assert [(p.activity, p.at) for p in kernel.problems] == [
        ("fails", START + timedelta(seconds=5)),
        ("gathers", START + timedelta(seconds=9)),
    ]
    assert "no such thing" in kernel.problems[0].error
    assert "fails" in kernel.problems[0].trace


async def test_idle_is_when_only_daemons_are_left(kernel):
    ticks = []

    async def ticks_for_ever() -> None:
        while True:
            await kernel.sleep(60)
            ticks.append(seconds(kernel))

    kernel.spawn(ticks_for_ever(), "timer", daemon=True)
    kernel.spawn(kernel.sleep(150), "visit")
    assert kernel.busy == 1
    assert await kernel.run_until_idle(3600)
    assert (ticks, seconds(kernel)) == ([60, 120], 150)


async def test_idle_has_a_bound_and_sees_a_wait_without_end(kernel):
    kernel.spawn(kernel.sleep(150), "long")
    assert not await kernel.run_until_idle(100)
    assert await kernel.run_until_idle(100)
    kernel.spawn(_wait(kernel), "for ever")
    assert not await kernel.run_until_idle(100)


async def _wait(kernel: VirtualKernel) -> None:
    await kernel.wait(Signal())


async def test_what_is_done_from_outside_is_answered_when_its_effects_are(kernel):
    seen = []

    async def effect() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        seen.append("done")
        await kernel.sleep(1)

    await kernel.perform(lambda: kernel.spawn(effect(), "effect"))
    assert seen == ["done"]
    assert seconds(kernel) == 0


async def test_only_activities_pass_simulated_time(kernel):
    with pytest.raises(RuntimeError, match="spawn"):
        await kernel.sleep(1)


async def test_closing_stops_everybody_even_before_their_first_step():
    kernel = VirtualKernel(START)
    kernel.spawn(kernel.sleep(1), "never begun")
    blocked = asyncio.Event()

    async def call() -> None:
        await blocked.wait()

    kernel.spawn(call(), "in flight")
    advancing = asyncio.create_task(kernel.advance(10))
    await asyncio.sleep(0.01)
    await kernel.close()
    await advancing
    assert kernel.busy == 0


async def test_the_clock_file_is_what_the_app_reads(tmp_path: Path):
    path = tmp_path / "state" / "clock"
    kernel = VirtualKernel(START, ClockFile(path))
    app_clock = file_clock(path)
    assert app_clock() == START
    await kernel.advance(1.5)
    assert app_clock() == START + timedelta(seconds=1.5)
    (micros,) = struct.unpack("<q", path.read_bytes())
    assert micros == int(START.timestamp() * 1_000_000) + 1_500_000
    await kernel.close()
    restarted = VirtualKernel(START, ClockFile(path))
    assert app_clock() == START
    await restarted.close()


async def test_real_time_offers_the_same():
    kernel = RealKernel()
    signal = Signal()
    seen = []

    async def waits() -> None:
        seen.append(await kernel.wait(Signal(), 0.001))
        seen.append(await kernel.wait(signal, 10))
        seen.append(await kernel.gather(_double(1), _double(2)))

    async def fails() -> None:
        await kernel.sleep_until(kernel.now())
        raise LookupError("no such thing")

    kernel.spawn(waits(), "waits")
    kernel.spawn(fails(), "fails")
    await kernel.perform(signal.set)
    assert await kernel.run_until_idle(10)
    assert seen == [False, True, [2, 4]]
    assert [problem.activity for problem in kernel.problems] == ["fails"]
    with pytest.raises(ConflictError):
        await kernel.advance(1)
    kernel.spawn(kernel.sleep(1000), "long")
    assert not await kernel.run_until_idle(0.01)
    await kernel.close()


async def _double(number: int) -> int:
    return 2 * number
