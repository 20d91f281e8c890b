"""Uniform distributions on a box, whose density outside is 0: KL(q || p) is infinite where q leaves the box of p."""

from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Uniform
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.conditional import Unconditional
from elbolab.distributions.family import Family, check_floor, per_element, split


@final
class UniformPrior(Unconditional):
    """Uniform on [-bound, bound] in each coordinate."""

    bound: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, bound: float) -> None:
        super().__init__(parents)
        if not bound > 0:
            raise ValueError(f"prior bound={bound}: a box has a positive width")
        self.register_buffer("bound", torch.full(event, float(bound)), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return Independent(Uniform(-self.bound, self.bound, validate_args=False), self.bound.dim())


@final
class UniformBox(Family):
    """Uniform on a box: its centre, and the log of half its width, from the raw output.

    Args:
        event: shape of one draw.
        min_scale: lower bound added to half the width.
    """

    def __init__(self, event: Shape, min_scale: float) -> None:
        super().__init__(event, per_element(event, 2))
        check_floor(min_scale)
        self.min_scale = min_scale

    @override
    def forward(self, raw: Tensor) -> Distribution:
        centre, log_half = split(raw, self.event, 2)
        half = log_half.exp() + self.min_scale
        return Independent(Uniform(centre - half, centre + half, validate_args=False), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return torch.cat([mean, torch.zeros_like(mean)])
