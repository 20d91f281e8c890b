"""The pieces of a bound on log p(x, y), and the exact sum of it over classes (Kingma et al. 2014, Eq. 6 and 7).

Shapes: C = classes, B = data; quantities in nats.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from elbolab.densities.capabilities import Classifying


@final
@dataclass(frozen=True)
class ClassTerms:
    """The pieces of one bound on log p(x, y): (B,) at one class a datum, or (C, B) at every class.

    Attributes:
        log_q: log q(y | x).
        log_p: log p(y), or what broadcasts to it.
        log_lik: log p(x | y, z).
        rate: what the latents below the class cost, KL(q(z | x, y) || p(z | y)); of M1+M2 also log q(z1 | x) less
            log p(z1 | y, z2).
        penalty: what the latents below the class add to a loss beside the bound; None: nothing.
    """

    log_q: Tensor
    log_p: Tensor
    log_lik: Tensor
    rate: Tensor
    penalty: Tensor | None = None

    @property
    def elbo(self) -> Tensor:
        """-L(x, y) = log p(x | y, z) + log p(y) - KL, a lower bound on log p(x, y) (Eq. 6)."""
        return self.log_lik + self.log_p - self.rate


@final
@dataclass(frozen=True)
class Summed:
    """The bound on log p(x) from terms at every class, (B,) each.

    Attributes:
        distortion: -sum_y q(y | x) log p(x | y, z).
        rate: sum_y q(y | x) KL(q(z | x, y) || p(z | y)) + KL(q(y | x) || p(y)).
        penalty: sum_y q(y | x) times that of the class; None: nothing.
    """

    distortion: Tensor
    rate: Tensor
    penalty: Tensor | None = None

    @property
    def elbo(self) -> Tensor:
        """-U(x), a lower bound on log p(x)."""
        return -self.distortion - self.rate

    @torch.no_grad()
    def means(self) -> dict[str, Tensor]:
        """elbo, rate and distortion, averaged over data."""
        return {name: getattr(self, name).mean() for name in ("elbo", "rate", "distortion")}


def sum_over_classes(terms: ClassTerms) -> Summed:
    """-U(x) = sum_y q(y | x) (-L(x, y)) + H(q(y | x)) (Eq. 7), sorted into distortion and rate."""
    q = terms.log_q.exp()
    rate = q * (terms.rate + terms.log_q - terms.log_p)
    penalty = None if terms.penalty is None else (q * terms.penalty).sum(0)
    return Summed(-(q * terms.log_lik).sum(0), rate.sum(0), penalty)


class Enumerating(Classifying, ABC):
    """What a model with a latent class answers beside its densities: the bound at given classes.

    Semi-supervised training sums it over classes where the label is not known.
    """

    @abstractmethod
    def class_terms(self, x: Tensor) -> ClassTerms:
        """The bound at every class, (C, B)."""

    @abstractmethod
    def labelled_terms(self, x: Tensor, y: Tensor) -> ClassTerms:
        """The bound at the labels y (B,) int64, (B,)."""
