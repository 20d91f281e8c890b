"""Densities of standardised data in the units of the user's data."""

from abc import ABC
from typing import Self, final

from torch import Tensor
from torch.distributions import Distribution, constraints
from typing_extensions import override

from elbolab.distributions.conditional import Conditional
from elbolab.distributions.family import NO_SAMPLES, Fitted, Sizes


@final
class InDataUnits(Conditional):
    """A likelihood of standardised data whose log-probabilities are those of the data as the user has them.

    Everything that is measured in nats follows from it: by the change of variables x = shift + scale * u,
    log p(x) = log p(u) - sum log scale.

    Args:
        conditional: p(u | parents).
        log_scale: the sum of the logarithms of all scales, `Spec.log_scale`.
    """

    def __init__(self, conditional: Conditional, log_scale: float) -> None:
        super().__init__()
        self.conditional = conditional
        self.log_scale = log_scale

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        p = self.conditional(*parents)
        return (RescaledFitted if isinstance(p, Fitted) else Rescaled)(p, self.log_scale)


class Rescaling(Distribution, ABC):
    """A distribution whose density is per unit of other coordinates; draws and moments are those of ``base``.

    Args:
        base: the distribution.
        log_scale: log of the volume in the other coordinates of a unit cube in these.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, base: Distribution, log_scale: float) -> None:
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)
        self.base, self.log_scale = base, log_scale

    @property
    @override
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base.has_rsample

    @property
    @override
    def support(self) -> constraints.Constraint | None:
        return self.base.support

    @property
    @override
    def mean(self) -> Tensor:
        return self.base.mean

    @property
    @override
    def variance(self) -> Tensor:
        return self.base.variance

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.base.expand(batch_shape), self.log_scale)  # type: ignore[arg-type]

    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        return self.base.sample(sample_shape)  # type: ignore[arg-type]

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        return self.base.rsample(sample_shape)  # type: ignore[arg-type]

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        return self.base.log_prob(value) - self.log_scale


@final
class Rescaled(Rescaling):
    """A distribution that is not fitted to data."""


@final
class RescaledFitted(Rescaling, Fitted):
    """A distribution that is."""
