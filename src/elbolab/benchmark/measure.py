"""Measurements that can be compared on a noisy machine: as long as asked for, and interleaved."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import NamedTuple, final

import torch

from elbolab.benchmark.memory import read_peak, reset_peak
from elbolab.benchmark.watch import Clock, Watch

Work = Callable[[int, Watch], object]
"""Does an amount of work, steps or images, and tells the watch when it starts and stops."""

PILOT = 4
"""Amount of the first pilot."""

LONG_ENOUGH = 0.1
"""Share of the wanted seconds that a pilot must take to be believed."""

GROWTH = 10
"""At most so many times longer is the next pilot."""


@final
class Measured(NamedTuple):
    """One measurement.

    Attributes:
        amount: what was done, in steps or images.
        seconds: how long it took.
        peak_mb: peak memory; see `elbolab.benchmark.memory`.
    """

    amount: int
    seconds: float
    peak_mb: float | None

    @property
    def rate(self) -> float:
        """Amount a second."""
        return self.amount / self.seconds


def measure(work: Work, amount: int, device: torch.device) -> Measured:
    """One measurement of ``amount``."""
    has_peak, clock = reset_peak(device), Clock(device)
    work(amount, clock)
    return Measured(amount, clock.seconds, read_peak(device) if has_peak else None)


def calibrate(work: Work, seconds: float, device: torch.device, most: int) -> int:
    """The amount that takes about ``seconds``, at least 1 and at most ``most``, by pilots that grow."""
    pilot = measure(work, min(PILOT, most), device)
    while pilot.seconds < LONG_ENOUGH * seconds and pilot.amount < most:
        growth = min(GROWTH, 2 * LONG_ENOUGH * seconds / pilot.seconds)
        pilot = measure(work, min(most, ceil(pilot.amount * growth)), device)
    return max(1, min(most, round(pilot.rate * seconds)))


def interleave(
    works: Mapping[str, Work], amounts: Mapping[str, int], repeats: int, device: torch.device
) -> dict[str, list[Measured]]:
    """Measures A B C, A B C, ...: what disturbs the machine for a while disturbs all of them alike."""
    found: dict[str, list[Measured]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(measure(work, amounts[name], device))
    return found
