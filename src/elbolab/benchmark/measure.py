"""Timings that can be compared on a noisy machine: each lasts about the requested time, and they are interleaved."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import ceil
from time import perf_counter
from typing import NamedTuple, final

import torch
from typing_extensions import override

from elbolab.benchmark.memory import read_peak, reset_peak

PILOT = 4
"""Amount of work of the first pilot measurement."""

LONG_ENOUGH = 0.1
"""Fraction of the requested seconds that a pilot must last before its rate is trusted."""

UNLIMITED = 10**9
"""Training steps that nobody takes in a benchmark."""

GROWTH = 10
"""Largest factor between the amounts of consecutive pilots."""


class Watch(ABC):
    """What a contender starts and stops around exactly the steps that it was asked for, after its own warm-up."""

    @abstractmethod
    def start(self) -> None:
        """Before the first step."""

    @abstractmethod
    def stop(self) -> None:
        """After the last step."""


@final
class Clock(Watch):
    """Wall-clock seconds between start and stop, the device idle at both ends."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0
        self._begun = 0.0

    @override
    def start(self) -> None:
        synchronize(self.device)
        self._begun = perf_counter()

    @override
    def stop(self) -> None:
        synchronize(self.device)
        self.seconds = perf_counter() - self._begun


def synchronize(device: torch.device) -> None:
    """Waits until the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


Work = Callable[[int, Watch], object]
"""Function that does an amount of work, in steps or images, and starts and stops the watch."""


@final
class Measurement(NamedTuple):
    """The time and the peak memory (see `elbolab.benchmark.memory`) of an amount of work, in steps or images."""

    amount: int
    seconds: float
    peak_mb: float | None

    @property
    def rate(self) -> float:
        """Amount of work a second."""
        return self.amount / self.seconds


def measure(work: Work, amount: int, device: torch.device) -> Measurement:
    """Measures once."""
    has_peak, clock = reset_peak(device), Clock(device)
    work(amount, clock)
    return Measurement(amount, clock.seconds, read_peak(device) if has_peak else None)


def calibrate(work: Work, seconds: float, device: torch.device, most: int) -> int:
    """Finds the amount (1 to ``most``) that takes about ``seconds``, by pilot measurements that grow."""
    pilot = measure(work, min(PILOT, most), device)
    while pilot.seconds < LONG_ENOUGH * seconds and pilot.amount < most:
        growth = min(GROWTH, 2 * LONG_ENOUGH * seconds / pilot.seconds)
        pilot = measure(work, min(most, ceil(pilot.amount * growth)), device)
    return max(1, min(most, round(pilot.rate * seconds)))


def interleave(
    works: Mapping[str, Work], amounts: Mapping[str, int], repeats: int, device: torch.device
) -> dict[str, list[Measurement]]:
    """Measures in the order A B C, A B C, ..., so that a temporary disturbance affects all works alike."""
    found: dict[str, list[Measurement]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(measure(work, amounts[name], device))
    return found
