"""Priors beyond the standard normal. A learned prior p(z | c) needs nothing of its own: it is a `Head` on c.

Arguments ``parents`` are their shapes, of which an `Unconditional` reads the leading dimensions alone, and ``event`` is
the shape of one draw.
"""

from abc import ABC, abstractmethod
from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, change, choose
from elbolab.distributions.conditional import Conditional, Unconditional
from elbolab.distributions.family import NO_SAMPLES, Sizes


@final
class ScaledNormal(Unconditional):
    """N(0, scale^2 I)."""

    zero: Tensor
    scale: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, scale: float) -> None:
        super().__init__(parents)
        if not scale > 0:
            raise ValueError(f"prior scale={scale}: a standard deviation is positive")
        self.register_buffer("zero", torch.zeros(event), persistent=False)
        self.register_buffer("scale", torch.full(event, float(scale)), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return Independent(Normal(self.zero, self.scale), self.zero.dim())


@final
class FixedBernoulli(Unconditional):
    """Independent Bernoulli variables of one probability of a 1, inside (0, 1)."""

    probs: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, probability: float) -> None:
        super().__init__(parents)
        if not 0 < probability < 1:
            raise ValueError(f"prior probability={probability}: choose one inside (0, 1)")
        self.register_buffer("probs", torch.full(event, probability), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return Independent(Bernoulli(probs=self.probs), self.probs.dim())


@final
class Mixture(Unconditional):
    """sum_m w_m N(loc_m, diag(scale_m^2)) with learned weights, locations and scales.

    Args:
        parents: see above.
        event: see above.
        num_components: M.
        spread: standard deviation of the initial locations, so that components differ; the initial scales are 1.
    """

    def __init__(self, parents: tuple[Shape, ...], event: Shape, num_components: int, spread: float) -> None:
        super().__init__(parents)
        if num_components < 1 or spread < 0:
            raise ValueError(
                f"prior num_components={num_components}, spread={spread}: at least one component, spread not negative"
            )
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(spread * torch.randn(num_components, *event))
        self.log_scale = nn.Parameter(torch.zeros(num_components, *event))

    @override
    def marginal(self) -> Distribution:
        components = Independent(Normal(self.loc, self.log_scale.exp()), self.loc.dim() - 1)
        return MixtureSameFamily(Categorical(logits=self.logits), components)


@final
class FittedMixture(Unconditional):
    """sum_m w_m N(loc_m, L_m L_m^T) that is fitted elsewhere, to vectors, and not trained; at first N(0, I).

    Args:
        parents: see above.
        event: (D,).
        num_components: M.
    """

    probs: Tensor
    loc: Tensor
    scale_tril: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, num_components: int) -> None:
        super().__init__(parents)
        if len(event) != 1:
            raise Refusal(
                f"a mixture of full covariances is one of vectors, and these codes have the shape {tuple(event)}",
                change("densities.latent_dim", prod(event)),
            )
        if num_components < 1:
            raise ValueError(f"prior num_components={num_components}: at least one component")
        self.register_buffer("probs", torch.full((num_components,), 1 / num_components))
        self.register_buffer("loc", torch.zeros(num_components, *event))
        self.register_buffer("scale_tril", torch.eye(*event).repeat(num_components, 1, 1))

    def assign(self, probs: Tensor, loc: Tensor, covariance: Tensor) -> None:
        """Takes over weights (M,), means (M, D) and covariances (M, D, D)."""
        self.probs.copy_(probs)
        self.loc.copy_(loc)
        self.scale_tril.copy_(torch.linalg.cholesky(covariance))

    @override
    def marginal(self) -> Distribution:
        components = MultivariateNormal(self.loc, scale_tril=self.scale_tril)
        return MixtureSameFamily(Categorical(self.probs), components)


CENTRES = "a prior with a centre for each class needs class labels as its condition"
INSTEAD_OF_CENTRES = change("data.given", "labels"), choose("prior", "conditional_normal", "standard_normal")


@final
class ClassCentres(Conditional):
    """N(mu_c, I) with a learned centre for each class c; its one parent is a label as a one-hot vector.

    Other vectors have no class, whatever their length: wiring functions refuse them.

    Args:
        parents: the shape of the label, ((C,),).
        event: see above.
        spread: standard deviation of the initial centres; at 0 every class starts from N(0, I).
    """

    one: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, spread: float) -> None:
        super().__init__()
        match parents:
            case ((num_classes,),):
                self.centres = nn.Parameter(spread * torch.randn(num_classes, *event))
            case _:
                raise Refusal(f"{CENTRES}, and the conditions have shapes {list(parents)}", *INSTEAD_OF_CENTRES)
        if spread < 0:
            raise ValueError(f"prior spread={spread}: must not be negative")
        self.register_buffer("one", torch.ones(event), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        (label,) = parents
        loc = (label @ self.centres.flatten(1)).unflatten(-1, self.one.shape)
        return Independent(Normal(loc, self.one.expand_as(loc)), self.one.dim())


class Partitioned(Distribution, ABC):
    """A mixture of ``num_labels`` equally probable parts, from each of which one can draw."""

    num_labels: int

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where draws are made, and where labels must be."""

    @abstractmethod
    def sample_of(self, labels: Tensor) -> Tensor:
        """A draw of the part that each label names, int64 (...) -> (..., *event). Safe to capture."""

    @final
    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        labels = torch.randint(self.num_labels, (*sample_shape, *self.batch_shape), device=self.device)
        return self.sample_of(labels)  # `Categorical.sample` would wait for the device
