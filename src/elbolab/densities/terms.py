"""The pieces of one bound, per datum.

Shapes: S = samples, B = data in a batch, D = latent dimensions; quantities in nats are (*S, B).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, OneHotCategorical, kl_divergence

from elbolab.distributions.data_units import Rescaled
from elbolab.distributions.location_scale import Fitted
from elbolab.distributions.relaxed import Relaxed


class Undefined(NotImplementedError):
    """A quantity that does not exist for this model; evaluation leaves it out instead of inventing a number."""


class Latent(ABC):
    """One latent variable of a bound: a draw, where it came from, and what it costs. Nothing is computed eagerly.

    Attributes:
        z: the draw, (*S, B, *latent_shape).
        is_relaxed: whether the draw relaxes a discrete variable, so that the likelihood at it is not the model's.
    """

    z: Tensor
    is_relaxed: bool = False

    @property
    @abstractmethod
    def kl(self) -> Tensor:
        """KL(q || p) per datum, nats, (*S, B) or (B,): closed form where there is one, else its one-sample estimate."""

    @property
    @abstractmethod
    def log_ratio(self) -> Tensor:
        """Log p(z) - log q(z), (*S, B).

        Raises:
            Undefined: p or q has no density.
        """

    @property
    @abstractmethod
    def kl_per_dim(self) -> Tensor:
        """KL of each latent dimension, (*S, B, D) or (B, D).

        Raises:
            Undefined: q or p does not factorise.
        """

    @property
    @abstractmethod
    def is_bound(self) -> bool:
        """Whether the ELBO with this draw is a lower bound on log p(x); false for a relaxed draw."""

    @property
    @abstractmethod
    def is_class(self) -> bool:
        """Whether it is a class, z a one-hot vector or its probabilities: one latent, whatever the length of z."""


@final
class Sampled(Latent):
    """z ~ q(z | x) with prior p(z).

    Args:
        z: the draw, (*S, B, *latent_shape).
        q: the distribution it was drawn from, batch shape (B,).
        p: the prior, batch shape (B,) or ().
    """

    def __init__(self, z: Tensor, q: Distribution, p: Distribution) -> None:
        self.z, self.q, self.p = z, q, p
        self.is_relaxed = isinstance(q, Relaxed)

    @cached_property
    def kl(self) -> Tensor:
        """Closed form where torch has one, else log q(z) - log p(z)."""
        try:
            return kl_divergence(self.q, expand_to(self.p, self.q))
        except NotImplementedError:
            return -self.log_ratio

    @cached_property
    def log_ratio(self) -> Tensor:
        """Log p(z) - log q(z)."""
        try:
            log_q = self.q.log_prob(self.z)
            return self.p.log_prob(self.z) - log_q
        except NotImplementedError as error:
            raise Undefined(f"no importance weight: {error}") from error

    @cached_property
    def kl_per_dim(self) -> Tensor:
        """KL of the factors of q and p, where both are products over dimensions."""
        match self.q, expand_to(self.p, self.q):
            case Independent(base_dist=q), Independent(base_dist=p):
                try:
                    return kl_divergence(q, p).flatten(len(self.q.batch_shape))
                except NotImplementedError as error:
                    raise Undefined("no KL per dimension: torch has no closed form") from error
        raise Undefined(f"no KL per dimension: {type(self.q).__name__} or {type(self.p).__name__} does not factorise")

    @property
    def is_bound(self) -> bool:
        """False when q is a relaxation."""
        return not self.is_relaxed

    @property
    def is_class(self) -> bool:
        """Whether the prior draws one-hot vectors."""
        return isinstance(self.p, OneHotCategorical)


@final
class AtDraw(Latent):
    """A draw z ~ q whose prior depends on latents that were inferred from that very draw: no closed form is its KL.

    Args:
        z: the draw, (*S, B, *latent_shape).
        log_q: log q(z), (*S, B).
        log_p: log p(z | the latents above it), (*S, B).
    """

    def __init__(self, z: Tensor, log_q: Tensor, log_p: Tensor) -> None:
        self.z, self.log_q, self.log_p = z, log_q, log_p

    @property
    def kl(self) -> Tensor:
        """Log q(z) - log p(z), the one-sample estimate."""
        return self.log_q - self.log_p

    @property
    def log_ratio(self) -> Tensor:
        """Log p(z) - log q(z)."""
        return self.log_p - self.log_q

    @property
    def kl_per_dim(self) -> Tensor:
        """Raises Undefined."""
        raise Undefined("no KL per dimension: the prior of a draw depends on what was inferred from it")

    @property
    def is_bound(self) -> bool:
        """True: the draw is hard."""
        return True

    @property
    def is_class(self) -> bool:
        """False."""
        return False


@final
class Certain(Latent):
    """No latent variable at all: p(x | c) is evaluated exactly, at no rate; ELBO and log-likelihood are the same.

    Args:
        like: a tensor of the batch shape (*S, B) and dtype of the terms.
    """

    def __init__(self, like: Tensor) -> None:
        self.z = like.new_empty(*like.shape, 0)

    @property
    def kl(self) -> Tensor:
        """0."""
        return self.z.new_zeros(self.z.shape[:-1])

    @property
    def log_ratio(self) -> Tensor:
        """0."""
        return self.kl

    @property
    def kl_per_dim(self) -> Tensor:
        """No dimensions, (*S, B, 0)."""
        return self.z

    @property
    def is_bound(self) -> bool:
        """True, and tight."""
        return True

    @property
    def is_class(self) -> bool:
        """False."""
        return False


def expand_to(p: Distribution, q: Distribution) -> Distribution:
    """``p`` in q's batch shape: torch's discrete KLs do not broadcast; those of normals do, and expanding costs."""
    match p:
        case Independent(base_dist=Normal()):
            return p
    return p if p.batch_shape == q.batch_shape else p.expand(q.batch_shape)


@final
@dataclass(frozen=True)
class Terms:
    """The pieces of one bound, per datum, in nats.

    Attributes:
        log_lik: log p(x | z), (*S, B).
        latents: the latent variables, top first.
        fitted: whether the likelihood's scale was fitted to these very data: log_lik is then the highest there is, and
            no model's.
    """

    log_lik: Tensor
    latents: tuple[Latent, ...]
    fitted: bool = False

    @cached_property
    def rate(self) -> Tensor:
        """The KL, summed over latents, (*S, B).

        Raises:
            Undefined: the model has no KL (an autoencoder).
        """
        if not self.latents:
            raise Undefined("no rate: this model has no prior, so no KL")
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
        if not all(latent.is_bound for latent in self.latents):
            raise Undefined("no ELBO: the latent is relaxed while training; evaluation draws it hard")
        return self.log_lik - rate

    @property
    def log_weight(self) -> Tensor:
        """Log p(x, z) - log q(z | x), (*S, B): the log importance weight.

        Raises:
            Undefined: a latent has no density.
        """
        if not self.latents:
            raise Undefined("no importance weight: this model has no prior")
        return self.log_lik + reduce(add, (latent.log_ratio for latent in self.latents))


def scored(p: Distribution, x: Tensor, latents: tuple[Latent, ...]) -> Terms:
    """The terms of the likelihood ``p`` at the data, log p(x) (*S, B)."""
    own = p.base if isinstance(p, Rescaled) else p
    return Terms(p.log_prob(x), latents, isinstance(own, Fitted))


@torch.no_grad()
def summary(terms: Terms) -> dict[str, Tensor]:
    """Every quantity of the bound that exists, averaged over samples and data: elbo, rate, distortion, in nats.

    A draw that is relaxed, or a scale that is fitted to the data at hand, as while training, leaves the rate alone: the
    KL is the model's own, and the log-likelihood is not.
    """
    is_of_model = not terms.fitted and not any(latent.is_relaxed for latent in terms.latents)
    means = {}
    for name in ("elbo", "rate", "distortion") if is_of_model else ("rate",):
        try:
            means[name] = getattr(terms, name).mean()
        except Undefined:
            continue
    return means


def negative_elbo(terms: Terms) -> Tensor:
    """-ELBO averaged over samples and data; what takes its place where a draw is relaxed or a scale fitted."""
    return (terms.rate - terms.log_lik).mean()
