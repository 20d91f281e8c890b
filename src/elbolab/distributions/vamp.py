"""A prior that is made of the posterior: the variational mixture of posteriors (Tomczak & Welling 2018).

Shapes: M = pseudo-inputs, ``*event`` = shape of a datum.
"""

from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec, Support
from elbolab.common.refusal import Refusal, change, choose
from elbolab.common.rng import generator
from elbolab.distributions.conditional import Conditional, OfPosterior
from elbolab.distributions.family import NO_SAMPLES, Sizes

INSIDE = 0.01
"""Pseudo-inputs start this far inside [0, 1], where the sigmoid that keeps them there has a slope."""


@final
class Vamp(OfPosterior):
    """1/M sum_m q(z | u_m), a mixture of posteriors at learned pseudo-inputs u_m (eq. 9).

    Pseudo-inputs start at training data, and beyond those that are shown at their mean with noise. A sigmoid keeps them
    in [0, 1] where data are.

    Args:
        parents: shapes of the parents, of which there are none.
        event: shape of one draw.
        num_components: M.
        noise: standard deviation of what is added to pseudo-inputs at the start.

    Raises:
        Refusal: there are conditions, which pseudo-inputs do not have.
        ValueError: fewer than one component, or negative noise.
    """

    raw: nn.Parameter
    posterior: Conditional

    def __init__(self, parents: tuple[Shape, ...], event: Shape, num_components: int, noise: float) -> None:
        super().__init__()
        if num_components < 1 or noise < 0:
            raise ValueError(f"prior num_components={num_components}, noise={noise}: at least one, noise not negative")
        if parents:
            raise Refusal(
                "a mixture of posteriors at pseudo-inputs has no conditions for them",
                choose("prior", "conditional_normal", "mixture"),
                change("data.given", "none"),
            )
        self.num_components, self.noise = num_components, noise

    @override
    def share(self, posterior: Conditional, spec: Spec) -> None:
        """Takes the posterior.

        Raises:
            Refusal: more pseudo-inputs than training data.
        """
        if spec.num_train is not None and self.num_components > spec.num_train:
            raise Refusal(
                f"prior num_components={self.num_components}: more pseudo-inputs than training data, {spec.num_train}",
                change("densities.prior.num_components", min(100, spec.num_train)),
            )
        self.posterior, self.is_unit = posterior, spec.support is not Support.REAL
        self.raw = nn.Parameter(torch.zeros(self.num_components, *spec.x))

    @property
    def pseudo_inputs(self) -> Tensor:
        """(M, *event), in the range of the data."""
        return self.raw.sigmoid() if self.is_unit else self.raw

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        q = self.posterior(self.pseudo_inputs)
        return PosteriorMixture(Categorical(logits=self.raw.new_zeros(self.num_components)), q)

    @torch.no_grad()
    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        start = mean.expand_as(self.raw).clone()
        shown = data.x[: self.num_components]
        start[: len(shown)] = shown
        noise = torch.randn(start.shape, generator=generator("pseudo-inputs"), dtype=start.dtype)
        start += self.noise * noise.to(start.device)
        self.raw.copy_(start.clamp(INSIDE, 1 - INSIDE).logit() if self.is_unit else start)


@final
class PosteriorMixture(MixtureSameFamily):
    """A mixture of which many draws cost as much as they are: torch draws each of them from every component."""

    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        """Draws (*sample_shape, *event); of more than there are components it reads numbers on the host."""
        num, num_components = prod(sample_shape), self._num_component
        if self.batch_shape or num <= num_components:
            return super().sample(torch.Size(sample_shape))
        chosen = self.mixture_distribution.sample((num,))
        counts = chosen.bincount(minlength=num_components)
        order = chosen.argsort(stable=True)  # draws of one component are neighbours, and numbered from 0
        rank = torch.empty_like(order)
        rank[order] = torch.arange(num, device=order.device) - (counts.cumsum(0) - counts)[chosen[order]]
        drawn = self.component_distribution.sample((int(counts.max()),))
        return drawn[rank, chosen].unflatten(0, torch.Size(sample_shape))
