"""Priors in the plane whose draws have labels (Makhzani et al. 2015, sections 2 and 2.3).

Shapes: *S = samples, *B = batch, K = labels; a point is (..., 2).
"""

from math import pi
from typing import Self, final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, constraints
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, change, choose
from elbolab.distributions.conditional import Unconditional
from elbolab.distributions.family import NO_SAMPLES, Sizes
from elbolab.distributions.priors import Partitioned


@final
class RingDistribution(Partitioned):
    """Equally probable Gaussians on a circle, each with its own spread along and across the radius.

    Component k is N(radius * u_k, radial^2 u_k u_k^T + tangential^2 v_k v_k^T), u_k at the angle 2 pi k / K, v_k its
    normal.

    Args:
        directions: u_k, (K, 2).
        radius: of the circle of means.
        scales: standard deviations along and across the radius.
        batch_shape: as in torch.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector

    def __init__(
        self, directions: Tensor, radius: float, scales: tuple[float, float], batch_shape: Sizes = NO_SAMPLES
    ) -> None:
        super().__init__(torch.Size(batch_shape), torch.Size((2,)), validate_args=False)
        self.directions, self.radius, self.scales = directions, radius, scales
        self.num_labels = len(directions)

    @property
    @override
    def device(self) -> torch.device:
        return self.directions.device

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.directions, self.radius, self.scales, batch_shape)

    @override
    def sample_of(self, labels: Tensor) -> Tensor:
        u = self.directions[labels]
        noise = torch.randn(*labels.shape, 2, dtype=u.dtype, device=u.device)
        along, across = self.radius + self.scales[0] * noise[..., :1], self.scales[1] * noise[..., 1:]
        return along * u + across * _normal_of(u)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        """Log 1/K sum_k N(value; k), in the coordinates of each component."""
        u = self.directions
        along, across = value @ u.T - self.radius, value @ _normal_of(u).T
        log_k = Normal(0.0, self.scales[0]).log_prob(along) + Normal(0.0, self.scales[1]).log_prob(across)
        log_px = log_k.logsumexp(-1) - torch.full_like(along[..., 0], self.num_labels).log()
        return log_px.expand(torch.broadcast_shapes(log_px.shape, self.batch_shape))

    def marginal_cdf(self, value: Tensor) -> Tensor:
        """P(z_d <= value_d) of every coordinate on its own, (..., D) -> (..., D)."""
        u, v = self.directions, _normal_of(self.directions)
        scale = (self.scales[0] ** 2 * u.square() + self.scales[1] ** 2 * v.square()).sqrt()
        return Normal(self.radius * u, scale).cdf(value.unsqueeze(-2)).mean(-2)

    @property
    @override
    def mean(self) -> Tensor:
        return (self.radius * self.directions.mean(0)).expand(self._extended_shape())


@final
class SwissRollDistribution(Partitioned):
    """A spiral without thickness: z = s * outer_radius * (cos 2 pi t s, sin 2 pi t s), s = sqrt(u), u ~ U(0, 1).

    Its draws are nearly uniform along the spiral of ``t`` turns; label k is the k-th of equal parts. It has no density.

    Args:
        like: a tensor of the dtype and on the device of the draws.
        turns: t.
        outer_radius: of the spiral's end.
        num_labels: parts along the spiral.
        batch_shape: as in torch.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector

    def __init__(
        self, like: Tensor, turns: float, outer_radius: float, num_labels: int, batch_shape: Sizes = NO_SAMPLES
    ) -> None:
        super().__init__(torch.Size(batch_shape), torch.Size((2,)), validate_args=False)
        self.like, self.turns, self.outer_radius, self.num_labels = like, turns, outer_radius, num_labels

    @property
    @override
    def device(self) -> torch.device:
        return self.like.device

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.like, self.turns, self.outer_radius, self.num_labels, batch_shape)

    @override
    def sample_of(self, labels: Tensor) -> Tensor:
        u = torch.rand(labels.shape, dtype=self.like.dtype, device=self.device)
        s = ((labels + u) / self.num_labels).sqrt()
        angle = 2 * pi * self.turns * s
        return self.outer_radius * s.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], dim=-1)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError("a swiss roll is a curve in the plane and has no density")


@final
class GaussianRing(Unconditional):
    """Gaussians on a circle (Makhzani et al. 2015, figure 2).

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: shape of one draw, (2,).
        num_components: K.
        radius: of the circle of means.
        radial_scale: standard deviation along the radius.
        tangential_scale: standard deviation across it.
    """

    directions: Tensor

    def __init__(
        self,
        parents: tuple[Shape, ...],
        event: Shape,
        num_components: int,
        radius: float,
        radial_scale: float,
        tangential_scale: float,
    ) -> None:
        super().__init__(parents)
        _check_plane("ring of Gaussians", event)
        _check_positive(radius=radius, radial_scale=radial_scale, tangential_scale=tangential_scale)
        if num_components < 2:
            raise ValueError(f"prior num_components={num_components}: a ring has at least two components")
        self.radius, self.scales = radius, (radial_scale, tangential_scale)
        angle = 2 * pi * torch.arange(num_components) / num_components
        self.register_buffer("directions", torch.stack([angle.cos(), angle.sin()], dim=-1), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return RingDistribution(self.directions, self.radius, self.scales)


@final
class SwissRoll(Unconditional):
    """A spiral (Makhzani et al. 2015, figure 4): draws with labels, no density.

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: shape of one draw, (2,).
        turns: of the spiral.
        outer_radius: of its end.
        num_labels: parts along it.
    """

    like: Tensor

    def __init__(
        self, parents: tuple[Shape, ...], event: Shape, turns: float, outer_radius: float, num_labels: int
    ) -> None:
        super().__init__(parents)
        _check_plane("swiss roll", event)
        _check_positive(turns=turns, outer_radius=outer_radius, num_labels=num_labels)
        self.options = (turns, outer_radius, num_labels)
        self.register_buffer("like", torch.zeros(()), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return SwissRollDistribution(self.like, *self.options)


def coordinate_cdf(p: Distribution, value: Tensor) -> Tensor:
    """P(z_d <= value_d) of every coordinate of p on its own, (N, D) -> (N, D).

    Raises:
        NotImplementedError: it is not known; draw from p instead.
    """
    match p:
        case Independent(base_dist=Normal() as factors):
            return factors.cdf(value.unflatten(1, p.event_shape)).flatten(1)
        case RingDistribution():
            return p.marginal_cdf(value)
    raise NotImplementedError(f"the coordinates of a {type(p).__name__} have no known distribution function")


def _normal_of(u: Tensor) -> Tensor:
    """The vectors (..., 2) turned by a quarter."""
    return torch.stack([-u[..., 1], u[..., 0]], dim=-1)


def _check_plane(name: str, event: Shape) -> None:
    if event != (2,):
        reason = f"a {name} lives in the plane, and a code has shape {event}"
        raise Refusal(reason, change("densities.latent_dim", 2), choose("prior", "standard_normal"))


def _check_positive(**options: float) -> None:
    for name, value in options.items():
        if not value > 0:
            raise ValueError(f"prior {name}={value}: choose a positive number")
