"""The pieces of one bound, per datum.

Shapes: *S = sample dimensions, B = data in a batch; quantities in nats are (*S, B).
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import final

import torch
from torch import Tensor

from elbolab.densities.latents import Latents, Undefined


@final
@dataclass(frozen=True, eq=False)
class Terms:
    """The pieces of one bound, (*S, B) in nats. A piece that does not exist raises Undefined.

    Attributes:
        log_lik: log p(x | z).
        latents: the latent variables, top first.
        fitted: whether the likelihood's scale was fitted to these very data: log_lik is then the highest there is, and
            no model's.
    """

    log_lik: Tensor
    latents: Latents
    fitted: bool = False

    @cached_property
    def rate(self) -> Tensor:
        """The KL, summed over latents; 0 where there are none."""
        if not self.latents:
            return torch.zeros_like(self.log_lik)
        return reduce(add, (latent.kl for latent in self.latents)).expand_as(self.log_lik)

    @property
    def layer_rates(self) -> dict[str, Tensor]:
        """The KL of each layer where there are several, ``rate_1`` that of the lowest; a class is no layer."""
        layers = [latent for latent in reversed(self.latents) if not latent.is_class]
        if len(layers) < 2:
            return {}
        return {f"rate_{number}": latent.kl.expand_as(self.log_lik) for number, latent in enumerate(layers, 1)}

    @property
    def distortion(self) -> Tensor:
        """-log p(x | z)."""
        return -self.log_lik

    @property
    def elbo(self) -> Tensor:
        """Log p(x | z) - KL, a lower bound on log p(x)."""
        rate = self.rate
        if self.fitted:
            raise Undefined("no ELBO: while training, the scale is fitted to the data at hand")
        if any(latent.is_relaxed for latent in self.latents):
            raise Undefined("no ELBO: the latent is relaxed while training; evaluation draws it hard")
        return self.log_lik - rate

    @property
    def log_weight(self) -> Tensor:
        """Log p(x, z) - log q(z | x), the log importance weight."""
        return reduce(add, (latent.log_ratio for latent in self.latents), self.log_lik)

    @property
    def penalty(self) -> Tensor | None:
        """What the latents add to a loss beside the bound; None where they add nothing."""
        penalties = [latent.penalty for latent in self.latents if latent.penalty is not None]
        return reduce(add, penalties) if penalties else None


def add_penalty(cost: Tensor, penalty: Tensor | None) -> Tensor:
    """A cost of each datum with the penalty of its latents, which every loss of a bound includes."""
    return cost if penalty is None else cost + penalty


def negative_elbo(terms: Terms) -> Tensor:
    """-ELBO, or what stands for it where a draw is relaxed or a scale fitted, with the penalties; averaged."""
    return add_penalty(terms.rate - terms.log_lik, terms.penalty).mean()


@torch.no_grad()
def summary(terms: Terms, names: tuple[str, ...] = ("elbo", "rate", "distortion")) -> dict[str, Tensor]:
    """Those quantities of the bound that exist, averaged over samples and data.

    With the rate come those of several layers. Where a draw is relaxed or a scale fitted, they alone are the model's.
    """
    is_of_model = not terms.fitted and not any(latent.is_relaxed for latent in terms.latents)
    means = {}
    for name in names:
        with suppress(Undefined):
            if is_of_model or name == "rate":
                means[name] = getattr(terms, name).mean()
    return means | ({name: rate.mean() for name, rate in terms.layer_rates.items()} if "rate" in means else {})
