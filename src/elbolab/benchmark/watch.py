"""When a measurement begins and ends: contenders say so to a watch, after their own warm-up."""

from abc import ABC, abstractmethod
from time import perf_counter
from typing import final

import torch
from typing_extensions import override


class Watch(ABC):
    """What a contender starts and stops around exactly the steps that it was asked for."""

    @abstractmethod
    def start(self) -> None:
        """Before the first step."""

    @abstractmethod
    def stop(self) -> None:
        """After the last step."""


@final
class Clock(Watch):
    """Wall-clock time, the device idle at both ends.

    Args:
        device: the device that works.

    Attributes:
        seconds: between start and stop.
    """

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
    """Waits until ``device`` has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
