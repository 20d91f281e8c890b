"""The rate of a beta-VAE, and what stands in its place."""

from functools import reduce
from operator import add
from typing import final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.densities.latents import Undefined
from elbolab.densities.terms import Terms
from elbolab.models.cost import Cost
from elbolab.training.schedules import Schedule, weight_of

__all__ = ["Capacity", "Cost", "FreeBits", "Rate"]


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
    """|mean KL - C| (Burgess et al. 2018, Eq. 8; the weight is their gamma), C in nats, a number or a schedule.

    The mean is that of the minibatch, as is usual: the gradient is then right also where the KL is estimated at a
    sample.
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

    Lambda is in nats a dimension, a number or a schedule.
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
