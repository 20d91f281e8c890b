"""Metrics of a block's steps, summed on the device and read once."""

from math import isnan
from typing import final

import torch
from torch import Tensor
from torch.distributed import all_reduce

from elbolab.training.guard import LossNotFinite


@final
class Tally:
    """Means over data: a step counts as much as its batch has data.

    A few small kernels a step; the same tensors in every block, so that a captured step finds them.

    Args:
        forgiving: whether numbers that are not finite are left out: those of steps that were skipped.
    """

    def __init__(self, forgiving: bool) -> None:
        self.forgiving = forgiving
        self.names: list[str] = []
        self.sums: Tensor | None = None

    def clear(self) -> None:
        """Forgets the steps so far."""
        if self.sums is not None:
            self.sums.zero_()
            self.good.fill_(True)

    def add(self, metrics: dict[str, Tensor], size: int) -> None:
        """Counts one step's scalars, means over ``size`` data.

        Raises:
            ValueError: the step has other metrics than those before it.
        """
        row = torch.stack([metric.to(torch.get_default_dtype()) for metric in metrics.values()])
        if self.sums is None:
            self.names = list(metrics)
            self.sums = torch.zeros(3, len(row), dtype=torch.float64, device=row.device)
            self.good = torch.ones_like(row, dtype=torch.bool)  # finite so far, of this block
            self.one = torch.ones_like(row)
        elif self.names != list(metrics):
            raise ValueError(f"a loss returns the same metrics at every step: {self.names}, then {list(metrics)}")
        finite = row.isfinite() if self.forgiving else self.good.logical_and_(row.isfinite())
        self.sums.add_(torch.stack([torch.where(finite, row, 0), finite.to(row.dtype), self.one]), alpha=size)

    def means(self, steps: int, world: int) -> dict[str, float]:
        """The means over the data of all steps and ranks; waits for the device.

        Args:
            steps: how many steps were counted.
            world: number of ranks.

        Raises:
            LossNotFinite: one is not finite.
        """
        assert self.sums is not None, "add() comes first"
        if world > 1:
            all_reduce(self.sums)
        sums, finite, sizes = self.sums
        means = dict(zip(self.names, (sums / finite).tolist(), strict=True))
        if not (self.forgiving or torch.equal(finite, sizes)):
            taken = (finite * steps // sizes).int().tolist()
            raise _divergence(dict(zip(self.names, taken, strict=True)), means)
        return {name: mean for name, mean in means.items() if not isnan(mean)}


def _divergence(taken: dict[str, int], means: dict[str, float]) -> LossNotFinite:
    """What was not finite first.

    Args:
        taken: how many steps each quantity was finite for, until it was not.
        means: means over those.
    """
    before = min(taken.values())
    first = tuple(name for name, num in taken.items() if num == before)
    return LossNotFinite(before + 1, first, means if before else {})
