"""A figure as it is printed, and the statistics behind it."""

import math
import statistics
from collections.abc import Awaitable, Callable, Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured number; `ratio` is value to baseline, whichever of the two is the better one."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None


class Pairs(msgspec.Struct, frozen=True):
    """What the rounds of a run gave, each for our side and for the baseline."""

    rounds: list[tuple[float, float]]

    def figure(self, name: str, unit: str, digits: int = 1) -> Figure:
        """The medians of both sides, and the median of the ratios within the rounds."""
        value = statistics.median(ours for ours, _ in self.rounds)
        baseline = statistics.median(theirs for _, theirs in self.rounds)
        ratio = statistics.median(ours / theirs for ours, theirs in self.rounds)
        return Figure(name, round(value, digits), unit, round(baseline, digits), round(ratio, 3))


async def interleaved[T](
    rounds: int, ours: Callable[[int], Awaitable[T]], baseline: Callable[[int], Awaitable[T]]
) -> list[tuple[T, T]]:
    """Run both sides in turn, the order swapped every round; a side is told the number of the round."""
    pairs: list[tuple[T, T]] = []
    for number in range(rounds):
        if number % 2:
            theirs = await baseline(number)
            pairs.append((await ours(number), theirs))
        else:
            pairs.append((await ours(number), await baseline(number)))
    return pairs


def percentile(sample: Sequence[float], percent: int) -> float:
    """The smallest member of the sample that at least so many percent of it do not exceed."""
    return sorted(sample)[math.ceil(len(sample) * percent / 100) - 1]
