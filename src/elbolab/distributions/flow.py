"""Normalising flows: z = f_T(... f_1(z_0)) of a Gaussian z_0, with the density of z by the change of variables.

Shapes: *S = samples, B = data in a batch, D = latent dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, Self, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, constraints
from torch.distributions.utils import _standard_normal
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, Way, change, choose
from elbolab.distributions.family import NO_SAMPLES, Drawn, Family, KnowsDraws, Sizes, check_floor


class Step(Protocol):
    """One invertible step of a flow."""

    def apply(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Points (*S, B, D) -> f(z) and log |det df/dz|, (*S, B)."""

    def invert(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The point (*S, B, D) of which ``z`` is f, and log |det df/dz| there."""


class Steps(nn.Module, ABC):
    """The steps of a flow, made of numbers that a network gives for every datum.

    Attributes:
        num_parameters: how many these are.
    """

    num_parameters: int

    @abstractmethod
    def forward(self, parameters: Tensor) -> Sequence[Step]:
        """(B, num_parameters) -> the steps of each datum, the first one first."""


MakeSteps = Callable[[int], Steps]
"""Of the number of dimensions."""


@final
class Flow(KnowsDraws):
    """What becomes of N(loc, diag(scale^2)) when steps are applied to its draws.

    A draw knows its density. That of another point is found by inverting the steps, with no gradient through the search
    of those that have no inverse in closed form.

    Args:
        loc: of the Gaussian, (B, D).
        scale: likewise.
        steps: the first one first.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, steps: Sequence[Step]) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:])
        self.base, self.steps = Independent(Normal(loc, scale), 1), steps

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        normal = self.base.base_dist.expand((*batch_shape, *self.event_shape))
        return type(self)(normal.loc, normal.scale, self.steps)

    @override
    def draw(self, shape: Shape) -> Drawn:
        normal = self.base.base_dist
        size = self._extended_shape(torch.Size(shape))
        noise = _standard_normal(size, dtype=normal.loc.dtype, device=normal.loc.device)
        noise.requires_grad_(torch.is_grad_enabled())
        z = normal.loc + noise * normal.scale
        log_q = self.base.log_prob(z)
        for step in self.steps:
            z, log_det = step.apply(z)
            log_q = log_q - log_det
        return Drawn(z, log_q, noise if noise.requires_grad else None)

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        return self.draw(tuple(sample_shape)).z

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z, log_dets = value, value.new_zeros(())
        for step in reversed(self.steps):
            z, log_det = step.invert(z)
            log_dets = log_dets + log_det
        return self.base.log_prob(z) - log_dets

    @property
    @override
    def mean(self) -> Tensor:
        """Where the steps take the mean of the Gaussian: the centre of the flow, and not its mean, which is unknown."""
        z = self.base.mean
        for step in self.steps:
            z, _ = step.apply(z)
        return z


@final
class FlowFamily(Family):
    """A flow of each datum: loc and log variance of its Gaussian from the raw output, then the parameters of its steps.

    Args:
        event: (D,).
        steps: recipe of the steps.
        min_scale: lower bound added to the scale of the Gaussian.

    Raises:
        Refusal: the event is no vector.
        ValueError: a negative min_scale.
    """

    def __init__(self, event: Shape, steps: MakeSteps, min_scale: float) -> None:
        check_vector(event)
        check_floor(min_scale)
        made = steps(event[0])
        super().__init__(event, (2 * event[0] + made.num_parameters,))
        self.steps, self.min_scale = made, min_scale

    @override
    def forward(self, raw: Tensor) -> Distribution:
        (dim,) = self.event
        loc, log_variance, parameters = raw.split([dim, dim, self.steps.num_parameters], dim=-1)
        return Flow(loc, (0.5 * log_variance).exp() + self.min_scale, self.steps(parameters))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        raise ValueError("a flow has no known mean: set init_to_mean=false")


def check_vector(event: Shape) -> None:
    """Raises Refusal unless a latent is a vector."""
    if len(event) != 1:
        raise Refusal(
            f"a flow needs a vector, not the shape {event}",
            choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
        )


def check_dimensions(dim: int, way: Way) -> None:
    """Raises Refusal, with a way out, where a flow moves dimensions by each other and there is one alone."""
    if dim < 2:
        raise Refusal(
            "this flow moves dimensions by each other, and there is one alone", way, change("densities.latent_dim", 2)
        )


def check_length(num_steps: int) -> None:
    """Raises ValueError for a negative number of steps."""
    if num_steps < 0:
        raise ValueError(f"posterior num_steps={num_steps}: a flow has at least none")
