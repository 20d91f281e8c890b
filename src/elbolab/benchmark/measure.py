"""Timings that can be compared on a noisy machine: each lasts about the requested time, and they are interleaved."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import NamedTuple, final

import torch

from elbolab.benchmark.memory import read_peak, reset_peak
from elbolab.benchmark.watch import Clock, Watch

Work = Callable[[int, Watch], object]
"""Function that does an amount of work, in steps or images, and starts and stops the watch."""

PILOT = 4
"""Amount of work of the first pilot measurement."""

LONG_ENOUGH = 0.1
"""Fraction of the requested seconds that a pilot must last before its rate is trusted."""

GROWTH = 10
"""Largest factor between the amounts of consecutive pilots."""


@final
class Measured(NamedTuple):
    """One measurement.

    Attributes:
        amount: amount of work, in steps or images.
        seconds: duration of the work.
        peak_mb: peak memory; see `elbolab.benchmark.memory`.
    """

    amount: int
    seconds: float
    peak_mb: float | None

    @property
    def rate(self) -> float:
        """Amount of work per second."""
        return self.amount / self.seconds


def measure(work: Work, amount: int, device: torch.device) -> Measured:
    """Measures ``amount`` of ``work`` once."""
    has_peak, clock = reset_peak(device), Clock(device)
    work(amount, clock)
    return Measured(amount, clock.seconds, read_peak(device) if has_peak else None)


def calibrate(work: Work, seconds: float, device: torch.device, most: int) -> int:
    """Finds the amount (1 to ``most``) that takes about ``seconds``, by pilot measurements that grow."""
    pilot = measure(work, min(PILOT, most), device)
    while pilot.seconds < LONG_ENOUGH * seconds and pilot.amount < most:
        growth = min(GROWTH, 2 * LONG_ENOUGH * seconds / pilot.seconds)
        pilot = measure(work, min(most, ceil(pilot.amount * growth)), device)
    return max(1, min(most, round(pilot.rate * seconds)))


def interleave(
    works: Mapping[str, Work], amounts: Mapping[str, int], repeats: int, device: torch.device
) -> dict[str, list[Measured]]:
    """Measures in the order A B C, A B C, ..., so that a temporary disturbance affects all works alike."""
    found: dict[str, list[Measured]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(measure(work, amounts[name], device))
    return found
