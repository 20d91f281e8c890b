"""Steps of a flow whose every parameter is given for each datum: planar, radial and Sylvester flows.

Shapes: *S = samples, B = data in a batch, D = latent dimensions, M = columns of a Sylvester flow, H = reflections.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, final

import torch
from torch import Tensor
from torch.nn.functional import softplus
from typing_extensions import override

from elbolab.common.refusal import Refusal, change, choose
from elbolab.distributions.flow import Step, Steps, check_dimensions, check_length

BISECTIONS = 64
"""Halvings of an interval in which a root is searched, which end at the precision of a float64."""

ITERATIONS = 30
"""Of orthogonalisation: they bring singular values from 1e-4 of the largest on to 1."""


@final
class PlanarStep(NamedTuple):
    """f(z) = z + u tanh(w^T z + b) (Rezende & Mohamed 2015, eq. 10).

    Attributes:
        u: (B, D), with w^T u > -1, which makes f invertible; see `invertible_planar`.
        w: (B, D).
        b: (B,).
    """

    u: Tensor
    w: Tensor
    b: Tensor

    def apply(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """F(z) and log |1 + u^T w tanh'(w^T z + b)| (eqs. 11 and 12)."""
        bent = torch.tanh((self.w * z).sum(-1) + self.b)
        slope = (self.w * self.u).sum(-1) * (1 - bent.square())
        return z + self.u * bent[..., None], torch.log1p(slope)

    def invert(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The point a along w, a + w^T u tanh(a + b) = w^T z, by bisection: its left side grows with a."""
        a = solve_bent((self.w * z).sum(-1), (self.w * self.u).sum(-1), torch.ones_like(self.b), self.b)
        came = z - self.u * torch.tanh(a + self.b)[..., None]
        return came, self.apply(came)[1]


def invertible_planar(u: Tensor, w: Tensor, b: Tensor) -> PlanarStep:
    """The planar step of unconstrained parameters: u is moved along w until w^T u > -1 (appendix A.1)."""
    product = (w * u).sum(-1, keepdim=True)
    least = softplus(product) - 1
    squared = w.square().sum(-1, keepdim=True).clamp_min(torch.finfo(w.dtype).tiny)
    return PlanarStep(u + (least - product) * w / squared, w, b)


@final
class Planar(Steps):
    """Planar steps (Rezende & Mohamed 2015).

    Args:
        dim: D.
        num_steps: their number.
    """

    def __init__(self, dim: int, num_steps: int) -> None:
        super().__init__()
        check_length(num_steps)
        self.dim, self.num_steps, self.num_parameters = dim, num_steps, num_steps * (2 * dim + 1)

    @override
    def forward(self, parameters: Tensor) -> Sequence[Step]:
        each = parameters.unflatten(-1, (self.num_steps, 2 * self.dim + 1)).unbind(-2)
        parts = (one.split([self.dim, self.dim, 1], -1) for one in each)
        return [invertible_planar(u, w, b[..., 0]) for u, w, b in parts]


@final
class RadialStep(NamedTuple):
    """f(z) = z + beta / (alpha + r) (z - centre), r = |z - centre| (Rezende & Mohamed 2015, eq. 14).

    Attributes:
        centre: (B, D).
        alpha: (B,), positive.
        beta: (B,), above -alpha, which makes f invertible (appendix A.2).
    """

    centre: Tensor
    alpha: Tensor
    beta: Tensor

    def apply(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """F(z) and (D - 1) log(1 + beta h) + log(1 + beta h + beta h' r), h = 1 / (alpha + r)."""
        away = z - self.centre
        r = torch.linalg.vector_norm(away, dim=-1)
        pulled = self.beta / (self.alpha + r)
        along = pulled * self.alpha / (self.alpha + r)  # beta h + beta h' r
        return z + pulled[..., None] * away, (z.shape[-1] - 1) * torch.log1p(pulled) + torch.log1p(along)

    def invert(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The distance r that became R = r (1 + beta / (alpha + r)): r^2 + (alpha + beta - R) r - alpha R = 0."""
        away = z - self.centre
        became = torch.linalg.vector_norm(away, dim=-1)
        half = (self.alpha + self.beta - became) / 2
        r = (half.square() + self.alpha * became).sqrt() - half
        came = self.centre + away * (r / became.clamp_min(torch.finfo(z.dtype).tiny))[..., None]
        return came, self.apply(came)[1]


@final
class Radial(Steps):
    """Radial steps (Rezende & Mohamed 2015).

    Args:
        dim: D.
        num_steps: their number.
    """

    def __init__(self, dim: int, num_steps: int) -> None:
        super().__init__()
        check_length(num_steps)
        self.dim, self.num_steps, self.num_parameters = dim, num_steps, num_steps * (dim + 2)

    @override
    def forward(self, parameters: Tensor) -> Sequence[Step]:
        steps: list[Step] = []
        for one in parameters.unflatten(-1, (self.num_steps, self.dim + 2)).unbind(-2):
            centre, alpha, beta = one[..., :-2], softplus(one[..., -2]), one[..., -1]
            steps.append(RadialStep(centre, alpha, softplus(beta) - alpha))
        return steps


@final
class SylvesterStep(NamedTuple):
    """f(z) = z + Q R tanh(S Q^T z + b) (van den Berg et al. 2018, eq. 13; S is their R tilde).

    Attributes:
        q: (B, D, M), orthonormal columns.
        r: (B, M, M), upper triangular.
        s: likewise, with r_ii s_ii > -1, which makes f invertible (theorem 2).
        b: (B, M).
    """

    q: Tensor
    r: Tensor
    s: Tensor
    b: Tensor

    def apply(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """F(z) and sum_i log(1 + tanh'_i r_ii s_ii) (eq. 14)."""
        bent = torch.tanh(_times(self.s, _times(self.q.mT, z)) + self.b)
        diagonal = self.r.diagonal(dim1=-2, dim2=-1) * self.s.diagonal(dim1=-2, dim2=-1)
        log_det = torch.log1p(diagonal * (1 - bent.square())).sum(-1)
        return z + _times(self.q, _times(self.r, bent)), log_det

    def invert(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The coordinates along Q, from the last one up: each is the root of a growing function of itself."""
        became, num = _times(self.q.mT, z), self.q.shape[-1]
        found, bent = torch.zeros_like(became), torch.zeros_like(became)
        for i in reversed(range(num)):
            target = became[..., i] - (self.r[..., i, :] * bent).sum(-1)
            shift = self.b[..., i] + (self.s[..., i, :] * found).sum(-1)
            root = solve_bent(target, self.r[..., i, i], self.s[..., i, i], shift)
            at = torch.arange(num, device=z.device) == i
            found = torch.where(at, root[..., None], found)
            bent = torch.where(at, torch.tanh(self.s[..., i, i] * root + shift)[..., None], bent)
        came = z - _times(self.q, _times(self.r, bent))
        return came, self.apply(came)[1]


@final
class Orthogonal:
    """M orthonormal columns from D M numbers, by iterated orthogonalisation (eqs. 15 and 16; Bjorck & Bowie 1971).

    Args:
        dim: D.
        num_columns: M, at most D.

    Raises:
        Refusal: M is not from 1 to D.
    """

    def __init__(self, dim: int, num_columns: int) -> None:
        if not 1 <= num_columns <= dim:
            key = "densities.posterior.family.steps.columns.num_columns"
            raise Refusal(f"{num_columns} of {dim} dimensions cannot be columns", change(key, dim))
        self.dim, self.num_columns, self.num_parameters = dim, num_columns, dim * num_columns

    def __call__(self, raw: Tensor) -> Tensor:
        """(B, D M) -> (B, D, M)."""
        # about the first columns of the identity, since numbers that are all 0 have no direction
        q = raw.unflatten(-1, (self.dim, self.num_columns)) + torch.eye(
            self.dim, self.num_columns, dtype=raw.dtype, device=raw.device
        )
        q = q / torch.linalg.matrix_norm(q, keepdim=True)  # Frobenius: no singular value is above 1
        for _ in range(ITERATIONS):
            q = 1.5 * q - 0.5 * q @ (q.mT @ q)
        return q


@final
class Householder:
    """D orthonormal columns, the product of H reflections (section 3.2 of van den Berg et al. 2018).

    Args:
        dim: D.
        num_reflections: H.

    Raises:
        ValueError: H below 1.
    """

    def __init__(self, dim: int, num_reflections: int) -> None:
        if num_reflections < 1:
            raise ValueError(f"posterior num_reflections={num_reflections}: at least one")
        self.dim, self.num_columns, self.num_parameters = dim, dim, dim * num_reflections

    def __call__(self, raw: Tensor) -> Tensor:
        """(B, H D) -> (B, D, D)."""
        q = torch.eye(self.dim, dtype=raw.dtype, device=raw.device).expand(*raw.shape[:-1], -1, -1)
        away = torch.eye(self.dim, dtype=raw.dtype, device=raw.device)  # likewise
        for h, v in enumerate(raw.unflatten(-1, (-1, self.dim)).unbind(-2)):
            v = v + away[h % self.dim]
            unit = v / torch.linalg.vector_norm(v, dim=-1, keepdim=True)
            q = q - 2 * _times(q, unit)[..., None] * unit[..., None, :]
        return q


class Columns(Protocol):
    """Orthonormal columns of each datum, made of numbers that a network gives."""

    num_columns: int
    num_parameters: int

    def __call__(self, raw: Tensor) -> Tensor:
        """(B, num_parameters) -> (B, D, M)."""


@final
class Sylvester(Steps):
    """Sylvester steps, the diagonals of whose triangular matrices lie in (-1, 1) (van den Berg et al. 2018).

    Args:
        dim: D.
        num_steps: their number.
        columns: recipe (D) of the columns of Q: `Orthogonal` or `Householder`.

    Raises:
        Refusal: one dimension alone.
    """

    def __init__(self, dim: int, num_steps: int, columns: Callable[[int], Columns]) -> None:
        super().__init__()
        check_length(num_steps)
        check_dimensions(dim, choose("posterior", "planar", "diagonal_normal"))
        self.columns, self.num_steps = columns(dim), num_steps
        num = self.columns.num_columns
        self.sizes = [self.columns.num_parameters, num**2, num, num]
        self.num_parameters = num_steps * sum(self.sizes)

    @override
    def forward(self, parameters: Tensor) -> Sequence[Step]:
        steps: list[Step] = []
        for one in parameters.unflatten(-1, (self.num_steps, sum(self.sizes))).unbind(-2):
            raw, square, of_s, b = one.split(self.sizes, -1)
            square = square.unflatten(-1, (self.columns.num_columns, -1))  # R with its diagonal, and S below it
            r = square.triu(1) + torch.diag_embed(square.diagonal(dim1=-2, dim2=-1).tanh())
            s = square.tril(-1).mT + torch.diag_embed(of_s.tanh())
            steps.append(SylvesterStep(self.columns(raw), r, s, b))
        return steps


def solve_bent(target: Tensor, weight: Tensor, slope: Tensor, shift: Tensor) -> Tensor:
    """The root a of a + weight tanh(slope a + shift) = target, whose left side grows with a: weight slope > -1.

    It is searched by bisection, and its gradient is that of the equation.
    """
    with torch.no_grad():
        low, high = target - weight.abs(), target + weight.abs()
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            is_above = middle + weight * torch.tanh(slope * middle + shift) > target
            low, high = torch.where(is_above, low, middle), torch.where(is_above, middle, high)
        root = (low + high) / 2
    bent = torch.tanh(slope * root + shift)
    rise = 1 + weight * slope * (1 - bent.square())
    return root - (root + weight * bent - target) / rise.detach()


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
