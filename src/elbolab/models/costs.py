"""What a VAE pays beside its distortion: the rate, what stands in its place, and what is added to the bound.

Shapes: *S = samples, B = data in a batch; costs in nats are (*S, B), one of each datum, or (), one of the batch.
"""

from abc import ABC, abstractmethod
from functools import reduce
from operator import add
from typing import final

from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.densities.latents import Undefined
from elbolab.densities.terms import Terms
from elbolab.training.schedules import Schedule, weight_of


class Cost(nn.Module, ABC):
    """A term of a loss, which is distortion + rate + the sum of weight * cost.

    Attributes:
        weight: at every step.
        symbol: the name under which the weight is logged.
        is_rate: whether it stands in the place of the rate.
        additive: whether it is a mean over data, so that the costs of parts of a batch add up to that of the whole.

    Args:
        weight: a number or a schedule.
    """

    symbol: str
    is_rate: bool
    additive: bool

    def __init__(self, weight: float | Schedule) -> None:
        super().__init__()
        self.weight = weight_of("weight", weight)

    @abstractmethod
    def forward(self, terms: Terms, batch: Batch, step: Tensor) -> Tensor:
        """Nats, (*S, B) or (), at ``step``, an int64 scalar. Safe to capture: nothing is read on the host."""

    @abstractmethod
    def check(self, terms: Terms) -> None:
        """Raises Undefined where a model does not have the quantity that the cost is computed from."""


@final
class Rate(Cost):
    """KL(q(z | x) || p(z)), whose weight is the beta of Higgins et al. (2017, Eq. 4), in nats against nats."""

    symbol, is_rate, additive = "beta", True, True

    @override
    def forward(self, terms: Terms, batch: Batch, step: Tensor) -> Tensor:
        return terms.rate

    @override
    def check(self, terms: Terms) -> None:
        _ = terms.rate


@final
class Capacity(Cost):
    """|mean KL - C| (Burgess et al. 2018, Eq. 8; the weight is their gamma).

    The mean is that of the minibatch, as is usual: the gradient is then right also where the KL is estimated at a
    sample.

    Args:
        capacity: C in nats, a number or a schedule.
        weight: a number or a schedule.
    """

    symbol, is_rate, additive = "beta", True, False

    def __init__(self, capacity: float | Schedule, weight: float | Schedule) -> None:
        super().__init__(weight)
        self.capacity = weight_of("capacity", capacity)

    @override
    def forward(self, terms: Terms, batch: Batch, step: Tensor) -> Tensor:
        return (terms.rate.mean() - self.capacity(step)).abs()

    @override
    def check(self, terms: Terms) -> None:
        _ = terms.rate


@final
class FreeBits(Cost):
    """The sum over latent dimensions of max(lambda, mean KL of the dimension) (Kingma et al. 2016, Eq. 15).

    Args:
        free_bits: lambda in nats a dimension, a number or a schedule.
        weight: a number or a schedule.
    """

    symbol, is_rate, additive = "beta", True, False

    def __init__(self, free_bits: float | Schedule, weight: float | Schedule) -> None:
        super().__init__(weight)
        self.free_bits = weight_of("free_bits", free_bits)

    @override
    def forward(self, terms: Terms, batch: Batch, step: Tensor) -> Tensor:
        means, free_bits = [latent.kl_per_dim.flatten(0, -2).mean(0) for latent in terms.latents], self.free_bits(step)
        return reduce(add, [mean.clamp(min=free_bits).sum() for mean in means])

    @override
    def check(self, terms: Terms) -> None:
        if not terms.latents:
            raise Undefined("no KL per dimension: there are no latents")
        _ = terms.rate, [latent.kl_per_dim for latent in terms.latents]
