"""Inverting a mean: the parameter at which a family has the mean that it should start from."""

from collections.abc import Callable

import torch
from torch import Tensor

MARGIN = 0.001
"""Means are kept this far from 0 and 1, as in Burda et al.'s code: a pixel that is always 0 may still move."""


def inside_unit(mean: Tensor) -> Tensor:
    """``mean`` kept off 0 and 1, where no parameter is finite."""
    return mean.clamp(MARGIN, 1 - MARGIN)


def invert_increasing(function: Callable[[Tensor], Tensor], target: Tensor, low: float, high: float) -> Tensor:
    """The argument in [low, high] at which an increasing, elementwise ``function`` takes the values ``target``.

    Bisection in float64 until the interval is 2^-32 of its start.

    Args:
        function: elementwise and increasing, in float64.
        target: wanted values, any shape.
        low: lower end of every bracket.
        high: upper end of every bracket.
    """
    goal = target.double()
    lower, upper = torch.full_like(goal, low), torch.full_like(goal, high)
    for _ in range(32):
        middle = (lower + upper) / 2
        below = function(middle) < goal
        lower, upper = torch.where(below, middle, lower), torch.where(below, upper, middle)
    return ((lower + upper) / 2).to(target.dtype)
