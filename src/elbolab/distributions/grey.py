"""Families for data in [0, 1]: grey or colour values, continuous or of equally spaced levels."""

from math import log
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions import continuous_bernoulli, discretised, logistic_mixture
from elbolab.distributions.family import Family, per_element, split
from elbolab.distributions.grid import check_levels, grid_values
from elbolab.distributions.inversion import inside_unit, invert_increasing

INITIAL_SCALE = 0.1
"""Scale of a logistic at a raw output of 0: a tenth of the range of the data."""
SMALLEST_SCALE = 0.02
"""Smallest scale of a logistic, in steps between levels: all its mass is then on one level, to 1e-10."""


@final
class ContinuousBernoulliFamily(Family):
    """x in [0, 1], continuous: raw outputs are logits (Loaiza-Ganem & Cunningham 2019)."""

    def __init__(self, event: Shape) -> None:
        super().__init__(event, event)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return Independent(continuous_bernoulli.ContinuousBernoulli(raw), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """The logit of that mean (not logit(mean): its mean is no sigmoid), kept in [0.001, 0.999]."""
        return invert_increasing(continuous_bernoulli.mean_of, inside_unit(mean), -1100.0, 1100.0)


@final
class DiscretisedLogisticFamily(Family):
    """x = k / (levels - 1): a logistic of location and log scale from the raw output, gathered on the levels.

    Args:
        event: shape of one draw.
        levels: number of levels, 256 for 8-bit data.

    Raises:
        ValueError: fewer than 2 levels.
    """

    def __init__(self, event: Shape, levels: int) -> None:
        super().__init__(event, per_element(event, 2))
        self.levels = check_levels(levels)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        loc, log_scale = split(raw, self.event, 2)
        scale = logistic_scale(log_scale, self.levels)
        return Independent(discretised.DiscretisedLogistic(loc, scale, self.levels), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """The location of that mean, kept in [0.001, 0.999], at the initial scale."""
        return torch.cat([location_for(mean, self.levels), torch.zeros_like(mean)])


@final
class LogisticMixtureFamily(Family):
    """x = k / (levels - 1): a mixture of discretised logistics at every position, channels coupled.

    Args:
        event: shape of one draw, (channels, height, width) or (D,).
        levels: number of levels, 256 for 8-bit data.
        num_components: logistics at every position, M.

    Raises:
        ValueError: fewer than one component, or fewer than 2 levels.
    """

    def __init__(self, event: Shape, levels: int, num_components: int) -> None:
        if num_components < 1:
            raise ValueError(f"likelihood num_components={num_components}: a mixture has at least one component")
        channels, positions = logistic_mixture.channels_and_positions(event)
        counts = (1, channels, channels, channels * (channels - 1) // 2)
        numbers = num_components * sum(counts)
        super().__init__(event, per_element(event, numbers) if len(event) == 1 else (numbers, *positions))
        self.levels, self.num_components = check_levels(levels), num_components
        self.counts, self.positions = counts, positions

    @override
    def forward(self, raw: Tensor) -> Distribution:
        lead = raw.shape[: raw.dim() - len(self.out_shape)]
        parts = raw.reshape(*lead, self.num_components, sum(self.counts), *self.positions)
        logits, loc, log_scale, coupling = parts.split(self.counts, len(lead) + 1)
        scale = logistic_scale(log_scale, self.levels)
        components = logistic_mixture.Components(logits.squeeze(len(lead) + 1), loc, scale, coupling.tanh())
        return logistic_mixture.LogisticMixture(components, self.event, self.levels)

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        raw = mean.new_zeros(self.num_components, sum(self.counts), *self.positions)
        raw[:, 1 : 1 + self.counts[1]] = location_for(mean, self.levels).reshape(self.counts[1], *self.positions)
        return raw.reshape(self.out_shape)


@final
class CategoricalFamily(Family):
    """x = k / (levels - 1): raw outputs are the logits of every level of every element.

    Args:
        event: shape of one draw.
        levels: number of levels, 256 for 8-bit data.

    Raises:
        ValueError: fewer than 2 levels.
    """

    def __init__(self, event: Shape, levels: int) -> None:
        super().__init__(event, per_element(event, check_levels(levels)))
        self.levels = levels

    @override
    def forward(self, raw: Tensor) -> Distribution:
        dim = raw.dim() - len(self.event)
        logits = raw.unflatten(dim, (self.levels, self.event[0])).movedim(dim, -1)
        return Independent(discretised.GridCategorical(logits), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """The distribution of largest entropy with that mean, kept in [0.001, 0.999]: logits linear in the level."""
        values = grid_values(self.levels, mean.double())

        def mean_at(slope: Tensor) -> Tensor:
            return (slope.unsqueeze(-1) * values).softmax(-1) @ values

        slope = invert_increasing(mean_at, inside_unit(mean), -7.0 * self.levels, 7.0 * self.levels)
        return torch.cat([slope * value for value in values.to(mean.dtype)])


def logistic_scale(raw: Tensor, levels: int) -> Tensor:
    """Positive scale of a logistic from a raw output."""
    return (raw + log(INITIAL_SCALE)).exp() + SMALLEST_SCALE / (levels - 1)


def location_for(mean: Tensor, levels: int) -> Tensor:
    """The location at which a discretised logistic of raw scale 0 has this mean."""
    scale = logistic_scale(torch.zeros((), dtype=torch.float64, device=mean.device), levels)

    def mean_at(loc: Tensor) -> Tensor:
        return discretised.logistic_bin_mean(loc, scale, levels)

    return invert_increasing(mean_at, inside_unit(mean), -2.0, 3.0)
