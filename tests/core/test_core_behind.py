"""Work behind an answer: whoever waits until it is settled gets on, whatever the moment."""

import asyncio

from shared.behind import Behind


async def test_settled_ends_at_whatever_step_of_the_loop_a_task_ends() -> None:
    for steps_of_the_task in range(5):
        for steps_before_asking in range(8):
            behind, done = Behind(), list[int]()

            async def work(steps: int = steps_of_the_task, done: list[int] = done) -> None:
                for _ in range(steps):
                    await asyncio.sleep(0)
                done.append(steps)

            behind.run("work", work())
            for _ in range(steps_before_asking):
                await asyncio.sleep(0)
            await asyncio.wait_for(behind.settled(), 5)
            assert done == [steps_of_the_task]
