"""Schedules: pure functions of the step tensor, for learning rates, beta, capacities and temperatures alike.

A number is a constant schedule. Durations are given in optimiser steps or in epochs, or left out, which means the
whole run; `Schedule.bind` resolves them when training starts. Steps are counted from 0: a ramp of ``steps=n`` has its
start at step 0 and its end at step n, which a run of n steps does not take (it warns). One of the whole run has its end
at the run's last step.
"""

import math
import warnings
from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from typing_extensions import override


class Length(NamedTuple):
    """Optimiser steps of an epoch, and of the run, None without an end: what durations are measured against."""

    epoch: int
    total: int | None


class Schedule(nn.Module, ABC):
    """A value for every optimiser step, safe to capture: no host sync, no branch on the step.

    It no longer changes from step ``until``, which is None before `bind` or where it never settles.
    """

    until: int | None = None

    @abstractmethod
    def forward(self, step: Tensor) -> Tensor:
        """The value at ``step``, an int64 scalar tensor; returns a scalar tensor on its device."""

    @abstractmethod
    def bind(self, length: Length) -> None:
        """Resolves durations against the length of the run; warns when the schedule outlasts it.

        Raises ValueError where a duration is left to a run that has no end.
        """


class Observing(Schedule, ABC):
    """A schedule that follows how validation goes."""

    @abstractmethod
    def observe(self, value: Tensor) -> None:
        """Sees the monitored cost, lower is better, at every validation end; in place, as captured steps need it."""


@final
class Constant(Schedule):
    """The same value at every step."""

    value: Tensor
    until = 0

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(value)), persistent=False)

    @override
    def forward(self, step: Tensor) -> Tensor:
        return self.value

    @override
    def bind(self, length: Length) -> None:
        pass


def as_schedule(value: "float | Schedule") -> Schedule:
    """A schedule as it is; a number as a constant."""
    return value if isinstance(value, Schedule) else Constant(value)


def weight_of(name: str, value: "float | Schedule") -> Schedule:
    """The schedule of a weight; raises ValueError where it is a number that is negative or not finite."""
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise ValueError(f"{name}={value}: choose a finite number that is not negative")
    return as_schedule(value)


class Timed(Schedule, ABC):
    """From ``start`` to ``end`` over a duration, then ``end``.

    Args:
        start: value until ``delay``.
        end: value from ``delay`` + duration.
        steps: duration in optimiser steps.
        epochs: duration in epochs; neither: to the end of the run.
        delay: steps before it starts.

    Raises:
        ValueError: it lasts no time, or as long as two options say.
    """

    moving: tuple[float, int] = (1, 1)
    """(m, n): the value changes in the first m of n parts of the duration."""

    def __init__(
        self, start: float, end: float, steps: int | None = None, epochs: float | None = None, delay: int = 0
    ) -> None:
        super().__init__()
        if steps is not None and epochs is not None:
            raise ValueError(f"a schedule lasts steps={steps} or epochs={epochs}, not both: set one to null")
        if (steps is not None and steps < 1) or (epochs is not None and epochs <= 0) or delay < 0:
            raise ValueError(f"a schedule must last at least one step (steps={steps}, epochs={epochs}, delay={delay})")
        self.start, self.end, self.delay = start, end, delay
        self.steps, self.epochs, self.duration = steps, epochs, steps

    @override
    def bind(self, length: Length) -> None:
        self.duration = self.steps
        if self.epochs is not None:
            self.duration = max(1, round(self.epochs * length.epoch))
        elif self.steps is None and length.total is not None:
            self.duration = max(1, length.total - 1 - self.delay)
        if self.duration is None:
            raise ValueError("a schedule without steps or epochs lasts the whole run; this run has no end: set steps")
        self.until = self.delay + math.ceil(self.duration * self.moving[0] / self.moving[1])
        if length.total is not None and self.until > max(1, length.total - 1):  # beta would silently miss its target
            ends = f"{type(self).__name__} schedule ends after {self.until} steps, and the last step of the run comes"
            fix = "its last value is never reached (leave out steps and epochs for the whole run)"
            warnings.warn(f"{ends} after {length.total - 1}: {fix}", stacklevel=2)

    def progress(self, step: Tensor) -> Tensor:
        """How far along, in [0, 1]."""
        assert self.duration is not None, "bind() comes before the first step"
        return ((step - self.delay) / self.duration).clamp(0, 1)


@final
class Linear(Timed):
    """A straight line from ``start`` to ``end``."""

    @override
    def forward(self, step: Tensor) -> Tensor:
        return self.start + (self.end - self.start) * self.progress(step)


@final
class Cosine(Timed):
    """Half a cosine from ``start`` to ``end`` (Loshchilov & Hutter 2017, Eq. 5, one cycle)."""

    @override
    def forward(self, step: Tensor) -> Tensor:
        return self.end + (self.start - self.end) * 0.5 * (1 + torch.cos(math.pi * self.progress(step)))


@final
class Cyclic(Timed):
    """Linear ramps that start over (Fu et al. 2019): ``ratio`` of every cycle rises, the rest holds ``end``.

    Args:
        start: value at the beginning of a cycle.
        end: value after the rise.
        cycles: number of cycles; afterwards the value stays ``end``.
        ratio: share of a cycle that rises.
        steps: duration of all cycles in optimiser steps.
        epochs: duration of all cycles in epochs; neither: the whole run.
    """

    def __init__(
        self,
        start: float,
        end: float,
        cycles: int = 4,
        ratio: float = 0.5,
        steps: int | None = None,
        epochs: float | None = None,
    ) -> None:
        super().__init__(start, end, steps, epochs)
        if cycles < 1 or not 0 < ratio <= 1:
            raise ValueError(f"a cyclic schedule needs cycles >= 1 and 0 < ratio <= 1 (cycles={cycles}, ratio={ratio})")
        self.cycles, self.ratio, self.moving = cycles, ratio, (cycles - 1 + ratio, cycles)

    @override
    def forward(self, step: Tensor) -> Tensor:
        assert self.duration is not None, "bind() comes before the first step"
        position = (step * self.cycles / self.duration) % 1
        position = torch.where(step >= self.duration, torch.ones_like(position), position)
        return self.start + (self.end - self.start) * (position / self.ratio).clamp(max=1)


@final
class Burda(Schedule):
    """The factor 10^(-i/7) for 3^i epochs, i = 0 .. 7: 3,280 epochs in all (Burda et al. 2016, section 5)."""

    ends: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ends", torch.full((7,), -1), persistent=False)

    @override
    def bind(self, length: Length) -> None:
        """Stage i ends after 1 + 3 + ... + 3^i = (3^(i+1) - 1) / 2 epochs."""
        self.ends.copy_(torch.tensor([(3 ** (i + 1) - 1) // 2 * length.epoch for i in range(7)]))

    @override
    def forward(self, step: Tensor) -> Tensor:
        return 10.0 ** (-(step >= self.ends).sum() / 7)


@final
class Plateau(Observing):
    """Multiplies the factor by ``decay`` when the validation cost has not improved for ``patience`` validations.

    Args:
        decay: factor applied on a plateau.
        patience: validations without improvement that are borne.
        min_factor: the factor's lower bound.
        min_delta: smallest decrease, in the monitored unit, that counts as an improvement.
    """

    factor: Tensor
    best: Tensor
    waited: Tensor

    def __init__(self, decay: float = 0.5, patience: int = 5, min_factor: float = 1e-3, min_delta: float = 0.0) -> None:
        super().__init__()
        if not 0 < decay < 1 or patience < 0:
            raise ValueError(f"a plateau schedule needs 0 < decay < 1 and patience >= 0 ({decay=}, {patience=})")
        self.decay, self.patience, self.min_factor, self.min_delta = decay, patience, min_factor, min_delta
        self.register_buffer("factor", torch.tensor(1.0))
        self.register_buffer("best", torch.tensor(math.inf))
        self.register_buffer("waited", torch.tensor(0))

    @override
    def bind(self, length: Length) -> None:
        pass

    @override
    def forward(self, step: Tensor) -> Tensor:
        return self.factor

    @torch.no_grad()
    @override
    def observe(self, value: Tensor) -> None:
        better = value < self.best - self.min_delta
        self.best.copy_(torch.where(better, value, self.best))
        self.waited.copy_(torch.where(better, 0, self.waited + 1))
        tired = self.waited > self.patience
        self.factor.copy_(torch.where(tired, (self.factor * self.decay).clamp(min=self.min_factor), self.factor))
        self.waited.copy_(torch.where(tired, 0, self.waited))
