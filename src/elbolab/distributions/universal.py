"""An encoder with noise as a further input: draws, and no density (Makhzani et al. 2015, section 2.1).

Shapes: *S = samples, B = data in a batch, M = fixed draws of noise.
"""

from collections.abc import Callable
from typing import Self, final

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from typing_extensions import override

from elbolab.batch import Net, Shape
from elbolab.common.refusal import Refusal, choose
from elbolab.common.rng import generator
from elbolab.distributions.conditional import Conditional, Head, lead_of
from elbolab.distributions.family import NO_SAMPLES, Sizes
from elbolab.distributions.point_mass import Deterministic

NUM_FIXED = 16
"""M: draws of noise over which codes are averaged."""


@final
class Implicit(Distribution):
    """What a network makes of noise: draws exist, a density does not.

    Args:
        draw: noise (*S, *batch, num_noise) -> draws (*S, *batch, *event).
        fixed: noise that stands for all noise in the mean, (M, num_noise).
        batch_shape: as in torch.
        event_shape: as in torch.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_rsample = True

    def __init__(self, draw: Callable[[Tensor], Tensor], fixed: Tensor, batch_shape: Sizes, event_shape: Sizes) -> None:
        super().__init__(torch.Size(batch_shape), torch.Size(event_shape), validate_args=False)
        self.draw, self.fixed = draw, fixed

    @constraints.dependent_property(is_discrete=False, event_dim=None)
    @override
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.draw, self.fixed, batch_shape, self.event_shape)

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        shape = (*sample_shape, *self.batch_shape, self.fixed.shape[1])
        return self.draw(torch.randn(shape, dtype=self.fixed.dtype, device=self.fixed.device))

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError("what a network makes of noise has no known density")

    @property
    @override
    def mean(self) -> Tensor:
        """The mean over M draws of noise that are always the same: an estimate without noise of its own."""
        lead = len(self.batch_shape)
        fixed = self.fixed.view(-1, *[1] * lead, self.fixed.shape[1])
        return self.draw(fixed.expand(-1, *self.batch_shape, -1)).mean(0)


@final
class Universal(Conditional):
    """z = f(x, noise), the universal approximator of a posterior.

    Args:
        parents: shapes of the parents.
        event: shape of one draw.
        net: recipe of the network, which reads the parents and the noise.
        num_noise: dimensions of the noise.

    Raises:
        ValueError: num_noise below 1.
    """

    fixed: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, net: Net, num_noise: int) -> None:
        super().__init__()
        if num_noise < 1:
            raise Refusal(
                f"posterior num_noise={num_noise}: a universal posterior has at least one dimension of noise",
                choose("posterior", "deterministic"),
            )
        self.parents, self.event = parents, event
        self.head = Head((*parents, (num_noise,)), event, net, Deterministic)
        half = torch.randn(NUM_FIXED // 2, num_noise, generator=generator("noise of a mean"))
        self.register_buffer("fixed", torch.cat([half, -half]), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        lead = lead_of(parents, self.parents)
        return Implicit(lambda noise: self.head(*parents, noise).mean, self.fixed, lead, self.event)
