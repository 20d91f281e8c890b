"""Distributions over the levels k / (levels - 1): every one sums to 1 over its levels."""

from typing import Self, final

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints
from torch.nn.functional import logsigmoid
from typing_extensions import override

from elbolab.distributions.family import NO_SAMPLES, Sizes
from elbolab.distributions.grid import Grid, grid_index, grid_values


def log_logistic_bin(x: Tensor, loc: Tensor, scale: Tensor, levels: int) -> Tensor:
    """Log mass that a logistic puts on the bin of x; the outermost bins take the tails (Salimans et al. 2017, eq. 2).

    A bin between a = (x - loc + step/2) / scale and b = (x - loc - step/2) / scale holds sigmoid(a) - sigmoid(b) =
    sigmoid(a) sigmoid(-b) (1 - exp(b - a)): every factor is exact in logarithms, so no approximation in the tails.
    """
    half = 0.5 / (levels - 1)
    upper, lower = (x - loc + half) / scale, (x - loc - half) / scale
    log_below, log_above = logsigmoid(upper), logsigmoid(-lower)
    inside = log_below + log_above + torch.log(-torch.expm1(-2 * half / scale))
    return torch.where(x < half, log_below, torch.where(x > 1 - half, log_above, inside))


def logistic_bin_mean(loc: Tensor, scale: Tensor, levels: int) -> Tensor:
    """Mean of the discretised logistic: sum over k >= 1 of P(X >= k / (levels - 1)), level by level to save memory."""
    step = 1 / (levels - 1)
    total = torch.zeros_like(loc)
    for k in range(1, levels):
        total = total + torch.sigmoid((loc - (k - 0.5) * step) / scale)
    return total * step


def sample_logistic_bin(loc: Tensor, scale: Tensor, levels: int) -> Tensor:
    """One draw for each element: a logistic, clipped to [0, 1] and rounded to the nearest level."""
    x = loc + scale * torch.logit(torch.rand_like(loc))
    return (x.clamp(0, 1) * (levels - 1)).round() / (levels - 1)


@final
class DiscretisedLogistic(Distribution):
    """A logistic with its mass gathered on the levels, elementwise.

    Args:
        loc: location, in the units of the data.
        scale: positive, in the units of the data.
        levels: number of levels.
        validate_args: as in torch.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Tensor, scale: Tensor, levels: int, validate_args: bool | None = None) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.levels = levels
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    @override
    def support(self) -> Grid:
        return Grid(self.levels)

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        loc, scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return type(self)(loc, scale, self.levels, validate_args=False)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return log_logistic_bin(value, self.loc, self.scale, self.levels)

    @property
    @override
    def mean(self) -> Tensor:
        return logistic_bin_mean(self.loc, self.scale, self.levels)

    @torch.no_grad()
    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return sample_logistic_bin(self.loc.expand(shape), self.scale.expand(shape), self.levels)


@final
class GridCategorical(Distribution):
    """Any distribution over the levels, elementwise.

    Args:
        logits: unnormalised log probabilities, (*batch, levels).
        validate_args: as in torch.
    """

    arg_constraints = {"logits": constraints.real_vector}

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        self.levels = logits.shape[-1]
        super().__init__(logits.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    @override
    def support(self) -> Grid:
        return Grid(self.levels)

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.logits.expand(*batch_shape, self.levels), validate_args=False)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        index = grid_index(value, self.levels).unsqueeze(-1)
        logits = self.logits.log_softmax(-1)
        lead = torch.broadcast_shapes(index.shape[:-1], logits.shape[:-1])
        return logits.expand(*lead, self.levels).gather(-1, index.expand(*lead, 1)).squeeze(-1)

    @property
    @override
    def mean(self) -> Tensor:
        return self.logits.softmax(-1) @ grid_values(self.levels, self.logits)

    @torch.no_grad()
    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        index = Categorical(logits=self.logits, validate_args=False).sample(sample_shape)
        return index.to(self.logits.dtype) / (self.levels - 1)
