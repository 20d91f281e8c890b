"""Metrics of a block's steps, summed on the device and read once."""

from math import isfinite, isnan
from typing import final

import torch
from torch import Tensor
from torch.distributed import all_reduce

from elbolab.training.guard import NotFinite


@final
class Tally:
    """Means over data: a step counts as much as its batch has data.

    Two small kernels a step; the same tensors in every block, so that a captured step finds them.

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

    def add(self, metrics: dict[str, Tensor], size: int) -> None:
        """Counts one step's scalars, means over ``size`` data.

        Raises:
            ValueError: the step has other metrics than those before it.
        """
        row = torch.stack([metric.to(torch.get_default_dtype()) for metric in metrics.values()])
        if self.sums is None:
            self.names = list(metrics)
            self.sums = torch.zeros(2, len(row), dtype=torch.float64, device=row.device)
            self.one = torch.ones_like(row)
        elif self.names != list(metrics):
            raise ValueError(f"a loss returns the same metrics at every step: {self.names}, then {list(metrics)}")
        finite = [row.nan_to_num(0, 0, 0), row.isfinite()] if self.forgiving else [row, self.one]
        self.sums.add_(torch.stack(finite), alpha=size)

    def means(self, world: int) -> dict[str, float]:
        """The means over the data of all steps and ranks; waits for the device.

        Raises:
            NotFinite: one is not finite.
        """
        assert self.sums is not None, "add() comes first"
        if world > 1:
            all_reduce(self.sums)
        sums, sizes = self.sums
        means = (sums / sizes).tolist()
        named = {
            name: mean for name, mean in zip(self.names, means, strict=True) if not (self.forgiving and isnan(mean))
        }
        if not all(map(isfinite, named.values())):
            raise NotFinite(", ".join(f"{name}={mean:g}" for name, mean in named.items()))
        return named
