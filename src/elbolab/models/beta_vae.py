"""beta-VAE and its relatives: other weights on the rate (Higgins 2017; Burgess 2018; Kingma 2016; each et al.)."""

from math import inf
from typing import Any, final

import torch
from torch import Tensor

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.checks import example_terms
from elbolab.densities.latents import Undefined
from elbolab.densities.terms import Terms, add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.players import one_player
from elbolab.training.schedules import Schedule, as_schedule


@final
class BetaVAE(ElboModule):
    """Minimises distortion + beta * cost(rate), everything in nats, so beta means the same at every resolution.

    The cost is the rate (Higgins et al. 2017, Eq. 4); |mean rate - C| where a capacity is given (Burgess et al. 2018,
    Eq. 8, with the minibatch's mean rate inside, as their readers implement it: a one-sample KL then has the right
    gradient; beta is their gamma); with free bits, the sum over latent dimensions of max(lambda, mean KL of the
    dimension) (Kingma et al. 2016, Eq. 15).

    Args:
        beta: weight, a number or a schedule.
        capacity: C in nats, a number or a schedule; None: no capacity.
        free_bits: lambda in nats a dimension, 0: none.
        **base: see `ElboModule`.

    Raises:
        ValueError: a number that is negative or not finite, a capacity together with free bits, or free bits where the
            rate is no sum over latent dimensions.
    """

    def __init__(
        self, beta: float | Schedule, capacity: float | Schedule | None = None, free_bits: float = 0.0, **base: Any
    ) -> None:
        super().__init__(**base)
        _check_numbers(beta=beta, capacity=capacity, free_bits=free_bits)
        if capacity is not None and free_bits > 0:
            raise ValueError("model.capacity and model.free_bits are two costs of one rate: set one of them")
        if free_bits > 0:
            _check_dimensions(self.densities)
        self.beta = as_schedule(beta)
        self.capacity = None if capacity is None else as_schedule(capacity)
        self.free_bits = free_bits

    def loss(self, batch: Batch) -> Loss:
        """Distortion + beta * cost(rate), nats per datum."""
        terms = self.densities.terms(batch.x, *batch.given)
        beta = self.beta(self.step)
        additive = self.capacity is None and self.free_bits == 0 and not terms.fitted
        cost = add_penalty(terms.distortion + beta * self.cost(terms), terms)
        return Loss(cost.mean(), summary(terms) | {"beta": beta}, additive)

    def cost(self, terms: Terms) -> Tensor:
        """The rate, or what stands in its place; (B,) or a scalar."""
        if self.free_bits > 0:
            per_dim = torch.stack(
                [latent.kl_per_dim.flatten(0, -2).mean(0).clamp(min=self.free_bits).sum() for latent in terms.latents]
            )
            return per_dim.sum()
        return terms.rate if self.capacity is None else (terms.rate.mean() - self.capacity(self.step)).abs()

    def players(self) -> list[Player]:
        """One player."""
        return one_player(self)

    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion at beta = 1."""
        return summary(self.densities.terms(batch.x, *batch.given))


def _check_numbers(**options: float | Schedule | None) -> None:
    """Raises ValueError where a number is negative, infinite or none."""
    for name, value in options.items():
        if isinstance(value, int | float) and not 0 <= value < inf:
            raise ValueError(f"model.{name}={value}: choose a finite number that is not negative")


def _check_dimensions(densities: Densities) -> None:
    """Raises ValueError unless the rate is a sum over latent dimensions."""
    try:
        terms = example_terms(densities)
        _ = terms.rate, [latent.kl_per_dim for latent in terms.latents]
    except Undefined as error:
        raise ValueError(
            f"model.free_bits needs a KL for every latent dimension ({error}): set model.capacity instead, or choose "
            "prior=standard_normal and posterior=diagonal_normal"
        ) from error
