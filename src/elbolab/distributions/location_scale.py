"""Likelihoods of a location and a scale: the forms a Gaussian's or a Laplace's scale takes.

A squared error is a Gaussian log-likelihood only with its scale; each class here says where the scale comes from.
A scale for every element, read from the network, is `elbolab.distributions.family.DiagonalNormal`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, constraints
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.family import NO_SAMPLES, Family, Fitted, Sizes

LocationScale = Callable[[Tensor, Tensor], Distribution]
"""A torch class of arguments (loc, scale), such as Normal or Laplace."""


def check_scale(name: str, scale: float) -> None:
    """Raises ValueError unless the scale is positive."""
    if not scale > 0:
        raise ValueError(f"likelihood {name}={scale}: a scale is positive")


@final
class FixedScale(Family):
    """Raw outputs are locations; one scale, chosen by hand, for all elements.

    Args:
        event: shape of one draw.
        base: the distribution, such as `torch.distributions.Normal`.
        scale: its scale, in the units of the data.

    Raises:
        ValueError: the scale is not positive.
    """

    scale: Tensor

    def __init__(self, event: Shape, base: LocationScale, scale: float) -> None:
        super().__init__(event, event)
        check_scale("scale", scale)
        self.base = base
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.get_default_dtype()), persistent=False)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return Independent(self.base(raw, self.scale), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return mean.clone()


@final
class LearnedScale(Family):
    """Raw outputs are locations; one scale for all elements is a parameter, learned with the network.

    Args:
        event: shape of one draw.
        base: the distribution, such as `torch.distributions.Normal`.
        init_scale: the scale that training starts from, in the units of the data.

    Raises:
        ValueError: the scale is not positive.
    """

    def __init__(self, event: Shape, base: LocationScale, init_scale: float) -> None:
        super().__init__(event, event)
        check_scale("init_scale", init_scale)
        self.base = base
        self.log_scale = nn.Parameter(torch.tensor(log(init_scale)))

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return Independent(self.base(raw, self.log_scale.exp()), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return mean.clone()


@final
class OptimalNormal(Family):
    """Raw outputs are means; the variance is the one that maximises the likelihood (Rybkin et al. 2021, eq. 4).

    While training it is the mean squared error of the batch, or of all draws for it, whose log-likelihood is asked;
    asking changes nothing. A test bound may not depend on its test batch, so evaluation uses ``variance``, a buffer
    that `elbolab.training.scales.fit_scales` sets to the mean squared error over training data.

    Args:
        event: shape of one draw.
        min_scale: lower bound of the scale, so that perfect reconstructions have a finite likelihood.

    Attributes:
        errors: what is being collected, None otherwise; see `collecting`.

    Raises:
        ValueError: min_scale is not positive.
    """

    variance: Tensor

    def __init__(self, event: Shape, min_scale: float) -> None:
        super().__init__(event, event)
        check_scale("min_scale", min_scale)
        self.min_scale = min_scale
        self.errors: Tensor | None = None
        self.register_buffer("variance", torch.ones(()))

    @override
    def forward(self, raw: Tensor) -> Distribution:
        if self.training or self.errors is not None:
            return BatchOptimalNormal(raw, self.variance.sqrt(), len(self.event), self._variance_of)
        return Independent(Normal(raw, self.variance.sqrt()), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return mean.clone()

    @contextmanager
    def collecting(self) -> Iterator[Tensor]:
        """Adds up the squared errors of every log-likelihood asked within, and their number, (2,) float64."""
        self.errors = torch.zeros(2, dtype=torch.float64, device=self.variance.device)
        try:
            yield self.errors
        finally:
            self.errors = None

    def _variance_of(self, squared_error: Tensor) -> Tensor:
        """Mean of the squared errors."""
        if self.errors is not None:
            total = squared_error.sum(dtype=torch.float64)
            self.errors += torch.stack([total, torch.full_like(total, squared_error.numel())])
        return squared_error.mean().clamp_min(self.min_scale**2)


@final
class BatchOptimalNormal(Fitted):
    """Independent normals of one scale: the best for the value whose log-likelihood is asked.

    Args:
        loc: means, (*batch, *event).
        scale: the scale of draws, a scalar.
        event_dim: number of event dimensions.
        optimal_variance: squared errors -> the variance.
        validate_args: as in torch.
    """

    arg_constraints = {"loc": constraints.real}

    def __init__(
        self,
        loc: Tensor,
        scale: Tensor,
        event_dim: int,
        optimal_variance: Callable[[Tensor], Tensor],
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.optimal_variance = loc, scale, optimal_variance
        lead = loc.dim() - event_dim
        super().__init__(loc.shape[:lead], loc.shape[lead:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=None)
    @override
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        loc = self.loc.expand(*batch_shape, *self.event_shape)
        return type(self)(loc, self.scale, len(self.event_shape), self.optimal_variance, validate_args=False)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        """Log density at the scale that is best for ``value`` as a whole, (*S, *batch)."""
        if self._validate_args:
            self._validate_sample(value)
        scale = self.optimal_variance((value - self.loc).square()).sqrt()
        return Independent(Normal(self.loc, scale), len(self.event_shape)).log_prob(value)

    @property
    @override
    def mean(self) -> Tensor:
        return self.loc

    @torch.no_grad()
    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        return Normal(self.loc, self.scale).sample(sample_shape)
