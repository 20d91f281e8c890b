"""A code without noise, for autoencoders."""

from typing import Self, final

from torch import Tensor
from torch.distributions import Distribution, constraints
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.family import NO_SAMPLES, Family, Sizes


@final
class PointMass(Distribution):
    """All mass at ``loc``: draws and mean exist, a density does not.

    Args:
        loc: (*batch, *event).
        event_dim: number of event dimensions.
        validate_args: as in torch.
    """

    arg_constraints = {"loc": constraints.real}
    has_rsample = True

    def __init__(self, loc: Tensor, event_dim: int, validate_args: bool | None = None) -> None:
        self.loc = loc
        lead = loc.dim() - event_dim
        super().__init__(loc.shape[:lead], loc.shape[lead:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=None)
    @override
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.loc.expand(*batch_shape, *self.event_shape), len(self.event_shape), validate_args=False)

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        return self.loc.expand(self._extended_shape(sample_shape))

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError("a point mass has no density, so neither a KL nor an importance weight")

    @property
    @override
    def mean(self) -> Tensor:
        return self.loc


@final
class Deterministic(Family):
    """Raw outputs are the draw itself."""

    def __init__(self, event: Shape) -> None:
        super().__init__(event, event)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return PointMass(raw, len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return mean.clone()
