"""The pieces of one bound, per datum.

Shapes: *S = sample dimensions, B = data in a batch; quantities in nats are (*S, B).
"""

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Protocol, final

import torch
from torch import Tensor
from torch.distributions import Distribution

from elbolab.densities.latents import Latents, Undefined
from elbolab.distributions.data_units import Rescaled
from elbolab.distributions.location_scale import Fitted


@final
@dataclass(frozen=True, eq=False)
class Terms:
    """The pieces of one bound, per datum, in nats.

    Attributes:
        log_lik: log p(x | z), (*S, B).
        latents: the latent variables, top first.
        fitted: whether the likelihood's scale was fitted to these very data: log_lik is then the highest there is, and
            no model's.
    """

    log_lik: Tensor
    latents: Latents
    fitted: bool = False

    @cached_property
    def rate(self) -> Tensor:
        """The KL, summed over latents, (*S, B); 0 where there are none.

        Raises:
            Undefined: a latent has no KL to a prior (an autoencoder's code).
        """
        if not self.latents:
            return torch.zeros_like(self.log_lik)
        return reduce(add, (latent.kl for latent in self.latents)).expand_as(self.log_lik)

    @property
    def distortion(self) -> Tensor:
        """-log p(x | z), (*S, B)."""
        return -self.log_lik

    @property
    def elbo(self) -> Tensor:
        """Log p(x | z) - KL, (*S, B): a lower bound on log p(x).

        Raises:
            Undefined: there is no KL, a latent is a relaxed draw, or the scale is fitted to these data: no bound.
        """
        rate = self.rate
        if self.fitted:
            raise Undefined("no ELBO: while training, the scale is fitted to the data at hand")
        if any(latent.is_relaxed for latent in self.latents):
            raise Undefined("no ELBO: the latent is relaxed while training; evaluation draws it hard")
        return self.log_lik - rate

    @property
    def log_weight(self) -> Tensor:
        """Log p(x, z) - log q(z | x), (*S, B): the log importance weight.

        Raises:
            Undefined: a latent has no density.
        """
        return reduce(add, (latent.log_ratio for latent in self.latents), self.log_lik)

    @property
    def penalty(self) -> Tensor | None:
        """What the latents add to a loss beside the bound, (*S, B); None where they add nothing."""
        penalties = [latent.penalty for latent in self.latents if latent.penalty is not None]
        return reduce(add, penalties) if penalties else None


def score(p: Distribution, x: Tensor, latents: Latents) -> Terms:
    """The terms of the likelihood ``p`` at the data, log p(x) (*S, B)."""
    own = p.base if isinstance(p, Rescaled) else p
    return Terms(p.log_prob(x), latents, isinstance(own, Fitted))


@torch.no_grad()
def summary(terms: Terms, names: tuple[str, ...] = ("elbo", "rate", "distortion")) -> dict[str, Tensor]:
    """Those quantities of the bound that exist, averaged over samples and data, in nats.

    While training, a draw may be relaxed or a scale fitted to the data at hand. The log-likelihood is then not that of
    the model, and the rate, which is, is the only one given.
    """
    is_of_model = not terms.fitted and not any(latent.is_relaxed for latent in terms.latents)
    means = {}
    for name in names if is_of_model else (name for name in names if name == "rate"):
        try:
            means[name] = getattr(terms, name).mean()
        except Undefined:
            continue
    return means


def negative_elbo(terms: Terms) -> Tensor:
    """-ELBO averaged over samples and data, with the penalties of the latents.

    Where a draw is relaxed or a scale fitted, it is what stands for -ELBO in training.
    """
    return add_penalty(terms.rate - terms.log_lik, terms).mean()


class Penalised(Protocol):
    """Terms of a bound with what their latents add to a loss."""

    @property
    def penalty(self) -> Tensor | None:
        """Nats of each datum, None for nothing."""


def add_penalty(cost: Tensor, terms: Penalised) -> Tensor:
    """A cost of each datum, (*S, B), with the penalties of its latents, which every loss of a bound includes."""
    return cost if terms.penalty is None else cost + terms.penalty
