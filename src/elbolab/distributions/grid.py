"""Data of equally spaced levels: k / (levels - 1), k = 0 ... levels - 1, so 8-bit pixels are ``levels=256``."""

from typing import final

import torch
from torch import Tensor
from torch.distributions import constraints
from typing_extensions import override

TOLERANCE = 1e-3
"""How far from a level, in steps between levels, a value may be; rounding of float32 data stays far below."""


def check_levels(levels: int) -> int:
    """The number of levels; raises ValueError below 2."""
    if levels < 2:
        raise ValueError(f"likelihood levels={levels}: discretised data have at least 2 levels")
    return levels


@final
class Grid(constraints.Constraint):
    """The values k / (levels - 1)."""

    is_discrete = True
    event_dim = 0

    def __init__(self, levels: int) -> None:
        self.levels = check_levels(levels)
        super().__init__()

    @override
    def check(self, value: Tensor) -> Tensor:
        index = value * (self.levels - 1)
        on_level = (index - index.round()).abs() < TOLERANCE
        return on_level & (index > -TOLERANCE) & (index < self.levels - 1 + TOLERANCE)


def grid_values(levels: int, like: Tensor) -> Tensor:
    """All levels, (levels,), in the dtype and on the device of ``like``."""
    return torch.arange(levels, dtype=like.dtype, device=like.device) / (levels - 1)


def grid_index(value: Tensor, levels: int) -> Tensor:
    """The k of each value, int64."""
    return (value * (levels - 1)).round().long()
