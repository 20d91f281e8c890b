"""Codes on a sphere: von Mises-Fisher posteriors and a uniform prior (Davidson et al. 2018, "Hyperspherical VAEs").

A code of D numbers is a point of the unit sphere in D dimensions; densities are with respect to its area. Integrals of
exp(kappa cos t) sin(t)^(D - 2) over the angle t between a point and the mean direction are Gauss-Legendre sums.

Shapes: *S = samples, *B = batch, D = numbers of a code, N = proposals or nodes.
"""

from math import lgamma, log, pi
from typing import Self, final

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl
from torch.nn import functional as F
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, change
from elbolab.distributions.conditional import Unconditional
from elbolab.distributions.family import NO_SAMPLES, Family, Sizes

NUM_PROPOSALS = 32
"""Each is accepted with a probability of 0.65 or more, whatever D and kappa; that none is has one of 3e-15."""

NUM_NODES = 64
"""Of an integral; with `REACH` enough for float64."""

REACH = 12.0
"""Widths of the density of the angle beyond which it is 0."""

TOLERANCE = 1e-3
"""How far from 1 the length of a point of the sphere may be, in float32 or in half precision."""


@final
class Sphere(constraints.Constraint):
    """Vectors of length 1."""

    event_dim = 1

    @override
    def check(self, value: Tensor) -> Tensor:
        return (value.norm(dim=-1) - 1).abs() < TOLERANCE


def log_area(dim: int) -> float:
    """Log of the area of the unit sphere in ``dim`` dimensions, log 2 for the two points on the line."""
    return log(2) + dim / 2 * log(pi) - lgamma(dim / 2)


def _check_sphere(event: Shape) -> int:
    if len(event) != 1 or event[0] < 2:
        raise Refusal(
            f"a sphere lies in two dimensions or more, and the shape of the latent is {list(event)}",
            change("densities.latent_dim", 3),
        )
    return event[0]


@final
class UniformOnSphere(Distribution):
    """All directions are equally probable.

    Args:
        zeros: (D,), whose dtype and device draws have.
        batch_shape: as in torch.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = Sphere()
    has_rsample = True

    def __init__(self, zeros: Tensor, batch_shape: Sizes = NO_SAMPLES) -> None:
        super().__init__(torch.Size(batch_shape), zeros.shape, validate_args=False)
        self.zeros = zeros

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        return type(self)(self.zeros, batch_shape)

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        return F.normalize(torch.randn_like(self.zeros.expand(self._extended_shape(sample_shape))), dim=-1)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full((), -log_area(len(self.zeros))).expand(lead)

    @override
    def entropy(self) -> Tensor:
        return self.zeros.new_full((), log_area(len(self.zeros))).expand(self.batch_shape)

    @property
    @override
    def mean(self) -> Tensor:
        return self.zeros.expand(self._extended_shape())


@final
class Hypersphere(Unconditional):
    """The uniform prior on the sphere."""

    zeros: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape) -> None:
        super().__init__(parents)
        _check_sphere(event)
        self.register_buffer("zeros", torch.zeros(event), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return UniformOnSphere(self.zeros)


@final
class VonMisesFisher(Distribution):
    """q(z) proportional to exp(kappa mu . z) on the sphere.

    Args:
        loc: mu, (*B, D) of length 1.
        concentration: kappa, (*B,), not negative.
        rule: nodes in [0, 1] and weights of an integral, (2, N).
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = Sphere()
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor, rule: Tensor) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)
        self.loc, self.concentration, self.rule = loc, concentration, rule

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        shape = torch.Size(batch_shape)
        return type(self)(self.loc.expand(*shape, *self.event_shape), self.concentration.expand(shape), self.rule)

    @property
    @override
    def mean(self) -> Tensor:
        """The mean direction, which is a code, as torch's `VonMises` has it."""
        return self.loc

    def integrate(self) -> tuple[Tensor, Tensor]:
        """Log of the integral of exp(kappa (cos t - 1)) sin(t)^(D - 2) over [0, pi], and 1 - E[cos t], (*B,) both.

        I_(D/2 - 1)(kappa) exp(-kappa) is the integral times (kappa / 2)^(D/2 - 1) / (sqrt(pi) Gamma((D - 1) / 2)), so
        that this is the exponentially scaled Bessel function without its over- and underflow. The nodes follow kappa,
        and no gradient goes through them.
        """
        kappa, power = self.concentration[..., None], self.event_shape[0] - 2
        with torch.no_grad():
            double = power + (power**2 + 4 * kappa.square()).sqrt()
            mode = torch.atan2((2 * power * double).sqrt(), 2 * kappa)  # kappa sin(t)^2 = (D - 2) cos(t)
            reach = REACH * self._width()
            low, high = (mode - reach).clamp_min(0), (mode + reach).clamp_max(pi)
            angles = low + (high - low) * self.rule[0]
            log_weights = ((high - low) * self.rule[1]).log() + power * angles.sin().log()
            drops = 2 * (angles / 2).sin().square()
        terms = log_weights - kappa * drops
        return terms.logsumexp(-1), (terms.softmax(-1) * drops).sum(-1)

    def _width(self) -> Tensor:
        """About the standard deviation of the angle, (*B, 1)."""
        return (self.concentration[..., None] + self.event_shape[0] - 1).rsqrt()

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        drop = 1 - (self.loc * value).sum(-1)
        return -self.concentration * drop - self.integrate()[0] - log_area(self.event_shape[0] - 1)

    @override
    def entropy(self) -> Tensor:
        """Kappa (1 - E[cos t]) + the log of the normaliser at cos t = 1 (Davidson et al. 2018, appendix B)."""
        log_integral, drop = self.integrate()
        return self.concentration * drop + log_integral + log_area(self.event_shape[0] - 1)

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        """Draws by `propose_angles`, with the gradient of draws that move with mu and kappa.

        With mu a draw turns as the plane of mu and its change does, the least rotation. With kappa its angle follows
        the distribution function (implicit reparameterisation, Figurnov et al. 2018): accepting or not has no gradient.
        """
        lead = self._extended_shape(sample_shape)[:-1]
        loc, kappa = self.loc.expand(*lead, -1), self.concentration.expand(lead)
        with torch.no_grad():
            angle = propose_angles(kappa, self.event_shape[0])
            noise = torch.randn_like(loc)
            across = F.normalize(noise - (noise * loc).sum(-1, keepdim=True) * loc, dim=-1)
            cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
            z = cosine * loc + sine * across
        if not (torch.is_grad_enabled() and (loc.requires_grad or kappa.requires_grad)):
            return z
        turned, bent = loc - loc.detach(), (kappa - kappa.detach())[..., None]
        slope = self._slope_of(angle)[..., None]
        rotation = cosine * turned - loc.detach() * (turned * z).sum(-1, keepdim=True)
        return z + rotation + bent * slope * (cosine * across - sine * loc.detach())

    @torch.no_grad()
    def _slope_of(self, angle: Tensor) -> Tensor:
        """The derivative in kappa of an angle (*S, *B) whose distribution function stays the same, (*S, *B).

        It is the integral of (cos t - E[cos t]) p(t) / p(angle) over [angle, pi], or of its negative over [0, angle],
        of which that side is taken where the integrand does not change its sign.
        """
        power, mean_drop = self.event_shape[0] - 2, self.integrate()[1][..., None]
        angle = angle[..., None]
        is_above = 2 * (angle / 2).sin().square() < mean_drop  # cos(angle) above its mean
        reach = REACH * self._width()
        end = torch.where(is_above, (angle - reach).clamp_min(0), (angle + reach).clamp_max(pi))
        angles = angle + (end - angle) * self.rule[0]
        rise = 2 * ((angle - angles) / 2).sin() * ((angle + angles) / 2).sin()  # cos t - cos(angle)
        log_sines = (angles.sin() / angle.sin()).abs().log()  # sin(pi) < 0 in float32
        log_ratio = self.concentration[..., None] * rise + power * log_sines
        centred = mean_drop - 2 * (angles / 2).sin().square()
        return ((end - angle) * self.rule[1] * centred * log_ratio.exp()).sum(-1)


@torch.no_grad()
def propose_angles(kappa: Tensor, dim: int) -> Tensor:
    """Angles to the mean direction, (*B,), by rejection (Wood 1994; Davidson et al. 2018, algorithm 2).

    `NUM_PROPOSALS` are made for each draw at once, of which the first accepted one is taken. What the papers write in
    the cosine w of the angle is here in 1 - w, which is exact where kappa is large.
    """
    kappa = kappa[..., None].expand(*kappa.shape, NUM_PROPOSALS)
    point = F.normalize(torch.randn(*kappa.shape, dim, dtype=kappa.dtype, device=kappa.device), dim=-1)
    epsilon = (1 + point[..., 0]) / 2  # Beta((dim - 1) / 2, (dim - 1) / 2)
    b = (dim - 1) / (2 * kappa + (4 * kappa.square() + (dim - 1) ** 2).sqrt())
    scale = 1 - (1 - b) * epsilon
    log_accept = 2 * kappa * b * (1 / (1 + b) - epsilon / scale) + (dim - 1) * ((1 + b) / (2 * scale)).log()
    is_accepted = torch.rand_like(kappa).log() <= log_accept
    first = is_accepted.to(torch.uint8).argmax(-1, keepdim=True)
    angles = 2 * (b * epsilon / scale).clamp(0, 1).sqrt().asin()
    tiny = torch.finfo(kappa.dtype).eps
    return angles.gather(-1, first)[..., 0].clamp(tiny, pi - 4 * tiny)


@register_kl(VonMisesFisher, UniformOnSphere)
def _kl_to_uniform(q: VonMisesFisher, p: UniformOnSphere) -> Tensor:
    return p.entropy() - q.entropy()


@final
class VonMisesFisherFamily(Family):
    """A direction and the concentration, by a softplus, from the raw output."""

    rule: Tensor
    axis: Tensor

    def __init__(self, event: Shape) -> None:
        dim = _check_sphere(event)
        super().__init__(event, (dim + 1,))
        nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
        rule = torch.from_numpy(np.stack([(nodes + 1) / 2, weights / 2])).to(torch.get_default_dtype())
        self.register_buffer("rule", rule, persistent=False)
        self.register_buffer("axis", 1e-6 * torch.eye(dim)[0], persistent=False)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        loc = F.normalize(raw[..., :-1] + self.axis, dim=-1)  # so that an output of 0 has a direction
        return VonMisesFisher(loc, F.softplus(raw[..., -1]), self.rule)

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return torch.cat([mean, mean.new_zeros(1)])
