"""Writing what was planned: all of it, or, where a write fails, nothing.

The API has no transaction over many cards, so what was written is taken back. That can fail as well; then what is still
in is told, and the same import completes it, since it sends only what is not stored yet.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec

from cli.api import Api
from cli.exits import Failure
from cli.token_file import Card
from cli.token_plan import Step

_AT_ONCE = 8


class Stored(msgspec.Struct, frozen=True):
    """A card as the app has it, and its id there."""

    id: str
    card: Card


class ImportStopped(Exception):
    """Not everything was written. `left` are the cards that are in all the same, or may be."""

    def __init__(self, reason: str, written: int, left: Sequence[Step]) -> None:
        super().__init__(reason)
        self.written = written
        self.left = left


async def stored_cards(api: Api, advance: Callable[[int], None]) -> dict[str, Stored]:
    """All registered cards by their numbers."""
    found: dict[str, Stored] = {}
    async for page in api.pages("/tokens"):
        for item in page:
            card = msgspec.convert(item | {name: item[name] or None for name in ("driver", "label")}, Card)
            found[card.token] = Stored(item["id"], card)
        advance(len(page))
    return found


async def write(api: Api, steps: Sequence[Step], advance: Callable[[int], None]) -> None:
    """Write all steps, several at once. Raises ImportStopped where one fails or the operator interrupts, after what
    had been written was taken back as far as possible."""
    attempted: list[Step] = []
    written: list[Step] = []
    stopped: list[str] = []

    async def work(pending: Iterator[Step]) -> None:
        for step in pending:
            attempted.append(step)
            try:
                await api.put("/tokens", msgspec.to_builtins(step.after))
            except Failure as failure:
                stopped.append(str(failure))
            else:
                written.append(step)
                advance(1)
            if stopped:
                return

    pending = iter(steps)
    workers = asyncio.gather(*(work(pending) for _ in range(_AT_ONCE)))
    try:
        await asyncio.shield(workers)
    except asyncio.CancelledError:
        stopped.append("it was interrupted")
        await workers  # so that what is under way is over when it is taken back
    if stopped:
        raise ImportStopped(stopped[0], len(written), await _take_back(api, attempted))


async def _take_back(api: Api, attempted: Sequence[Step]) -> list[Step]:
    """Make the app as it was before, and return what could not be. A card that somebody else has changed since is left
    alone, and so is one whose write never arrived."""
    left = list(attempted)
    try:
        now = await stored_cards(api, lambda _: None)
        for step in attempted:
            there = now.get(step.after.token)
            if there and there.card == step.after:
                await _restore(api, step, there.id)
            left.remove(step)
    except Failure:
        return left
    return left


async def _restore(api: Api, step: Step, token_id: str) -> None:
    if step.before is None:
        await api.delete(f"/tokens/{token_id}")
    else:
        await api.put("/tokens", msgspec.to_builtins(step.before))
