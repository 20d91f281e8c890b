"""Gradient clipping and the skipping of steps with extreme gradients, without waiting for the device."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import NamedTuple, Self, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class NotFinite(ValueError):
    """Training has diverged; the subclass that is raised says which quantity was not finite."""


@final
class LossNotFinite(NotFinite):
    """The quantities ``first`` of a training step were not finite; others may follow from them at later steps.

    ``step`` is counted from 1; ``before`` are means of all quantities over the steps of the block before it, if any.
    """

    def __init__(self, step: int, first: tuple[str, ...], before: dict[str, float]) -> None:
        super().__init__(step, first, before)
        self.step, self.first, self.before = step, first, before

    def after(self, steps: int) -> Self:
        """The same where so many steps had been taken before."""
        return type(self)(steps + self.step, self.first, self.before)

    def __str__(self) -> str:
        means = ", ".join(f"{name}={mean:.4g}" for name, mean in self.before.items())
        return f"at step {self.step}, in {', '.join(self.first)}" + (f" (before it {means})" if means else "")


@final
class GradientNotFinite(NotFinite):
    """The gradient was not finite in too many steps in a row."""


@final
class WeightNotFinite(NotFinite):
    """A weight was not finite."""


@final
class ValidationNotFinite(NotFinite):
    """A mean over the validation data was not finite, while training was."""


class Guard(NamedTuple):
    """Settings of what happens to gradients before the optimiser's update.

    Attributes:
        clip_norm: gradients of a larger norm are scaled down to this norm; None never clips.
        skip_norm: a step whose gradient norm is larger than this, or not finite, is skipped; None never skips.
        skip_patience: after so many skips in a row the step is taken (with a finite gradient), so that a run whose
            norms have grown for good does not stand still.
        accumulate: number of parts (at most one per datum) in which a batch is processed to save memory; the gradient
            is that of the whole batch. More than one part is refused for a loss that is no mean over data (see
            `Loss.additive`): one with a capacity, free bits, an optimal scale, or a critic that receives the labels of
            some data. With several ranks each rank splits its own batch.
    """

    clip_norm: float | None = None
    skip_norm: float | None = None
    skip_patience: int = 10
    accumulate: int = 1


def check_guard(guard: Guard) -> Guard:
    """``guard`` itself; raises ValueError where a bound is not positive."""
    for name, bound in (("clip_norm", guard.clip_norm), ("skip_norm", guard.skip_norm)):
        if bound is not None and not bound > 0:
            raise ValueError(f"model.{name}={bound}: a bound on the gradient norm is positive; null switches it off")
    if guard.accumulate < 1 or guard.skip_patience < 0:
        skips = f"skip_patience={guard.skip_patience} at least 0"
        raise ValueError(f"model.accumulate={guard.accumulate} is at least 1, {skips}")
    return guard


def guarded_step(guard: Guard, parameters: list[nn.Parameter], optimizer: Optimizer) -> dict[str, Tensor]:
    """Updates ``parameters`` as ``guard`` allows; the metrics of doing so."""
    if guard.clip_norm is None and guard.skip_norm is None:
        optimizer.step()
        return {}
    norm = nn.utils.clip_grad_norm_(parameters, guard.clip_norm or inf)
    if guard.skip_norm is None:
        optimizer.step()
        return {"grad_norm": norm}
    group = optimizer.param_groups[0]
    in_a_row, patience = group["skipped"], guard.skip_patience
    skip = ~norm.isfinite() | ((norm > guard.skip_norm) & (in_a_row < patience))
    # Only gradients that are not finite are left out when patience has ended, so a count beyond it says that the run is
    # lost. It stays there, to be found when the block ends.
    in_a_row.copy_(torch.where(in_a_row > patience, in_a_row, torch.where(skip, in_a_row + 1, 0)))
    if group["begun"]:
        with _undo_where(skip, optimizer):
            optimizer.step()
    elif not skip:  # there is no state yet to go back to, so the host waits for the answer
        optimizer.step()
        group["begun"] = True
    return {"grad_norm": norm, "skipped": skip.to(norm.dtype)}


@contextmanager
def _undo_where(when: Tensor, optimizer: Optimizer) -> Iterator[None]:
    """Undoes what happens within to the weights and the state of ``optimizer`` where ``when`` holds.

    The update is always computed: which one holds is decided on the device.
    """
    weights = [parameter.detach() for group in optimizer.param_groups for parameter in group["params"]]
    states = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    before = [tensor.clone() for tensor in weights + states]
    yield
    for tensor, old in zip(weights + states, before, strict=True):
        tensor.copy_(torch.where(when, old, tensor))


def check_patience(guard: Guard, optimizers: list[Optimizer]) -> None:
    """Waits for the device and raises GradientNotFinite where patience has ended with gradients that are not finite."""
    if guard.skip_norm is None:
        return
    if any(int(optimizer.param_groups[0]["skipped"]) > guard.skip_patience for optimizer in optimizers):
        raise GradientNotFinite(f"as the gradient was not finite in more than {guard.skip_patience} steps in a row")
