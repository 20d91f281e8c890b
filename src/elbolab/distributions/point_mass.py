"""A code without noise, for autoencoders."""

from typing import Self, final

from torch import Tensor
from torch.distributions import Distribution, constraints

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
    def support(self) -> constraints.Constraint:
        """The reals, in every element."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        """The same point with another batch shape."""
        return type(self)(self.loc.expand(*batch_shape, *self.event_shape), len(self.event_shape), validate_args=False)

    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        """``loc``, (*sample_shape, *batch, *event)."""
        return self.loc.expand(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Does not exist.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a point mass has no density, so neither a KL nor an importance weight")

    @property
    def mean(self) -> Tensor:
        """``loc``."""
        return self.loc


@final
class Deterministic(Family):
    """Raw outputs are the draw itself."""

    def __init__(self, event: Shape) -> None:
        super().__init__(event, event)

    def forward(self, raw: Tensor) -> Distribution:
        """All mass at raw."""
        return PointMass(raw, len(self.event))

    def raw_for(self, mean: Tensor) -> Tensor:
        """The mean itself."""
        return mean.clone()
