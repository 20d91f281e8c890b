"""The exact evidence and the exact distance of q(z | x) to the true posterior, of latents on the line or in the plane.

Shapes: P = points of a grid, G = data in a group, D = 1 or 2 numbers of the latent; nats throughout.
"""

from dataclasses import dataclass
from functools import partial
from math import log
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.checks import is_discrete
from elbolab.densities.latents import Undefined
from elbolab.distributions.family import Drawn
from elbolab.evaluation.batches import share_out, take_first
from elbolab.evaluation.likelihood import in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.proposals import Rows
from elbolab.evaluation.quantity import Quantity, means_of
from elbolab.evaluation.seeded import evaluating

KINDS = {
    "log_evidence": Kind("nats", "higher"),
    "posterior_kl": Kind("nats", "lower", 62),
    "inclusive_kl": Kind("nats", "lower", 63),
}

CHUNK = 2**13
"""Points at which the likelihood is computed at once."""

GROUP = 16
"""Data whose densities are held on the grid at once."""

TOLERANCE = 0.02
"""What the integral of q over the grid may differ from 1 by, and the share of p(z | x) in the outer twentieth."""


class OnGrid(NamedTuple):
    """Log-densities at the points of a grid, so that sums of their exponentials, each times a cell, are integrals.

    Attributes:
        points: z, (P, D).
        log_cell: log of the length or the area of a cell.
        log_evidence: log p(x), (G,).
        log_true: log p(z | x), (P, G).
        log_q: log q(z | x), (P, G).
    """

    points: Tensor
    log_cell: float
    log_evidence: Tensor
    log_true: Tensor
    log_q: Tensor

    def kl(self, of: Tensor, to: Tensor) -> Tensor:
        """KL between two of the log-densities, (G,); infinite where the first has mass and the second none."""
        weight = (of + self.log_cell).exp()
        return torch.where(weight > 0, weight * (of - to), 0.0).sum(0)


@final
@dataclass(frozen=True)
class Quadrature(Measure):
    """Log p(x), KL(q(z | x) || p(z | x)) and KL(p(z | x) || q(z | x)) by sums over a grid.

    So ELBO = log_evidence - posterior_kl, whatever the posterior. ``inclusive_kl``, the other direction, is absent
    where it is infinite: where q has no mass at points that are possible. Undefined unless the one latent is
    continuous, has one or two numbers, and a posterior whose density is known everywhere; and where the grid does not
    hold both densities: it is too small, or too coarse.

    Args:
        bound: the grid spans [-bound, bound] in each coordinate.
        points: of each coordinate in the plane; on the line there are as many as then in all.
        limit: data that are measured, at most; None: all.
    """

    is_shared: ClassVar[bool] = True
    on_demand: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = ("limit",)
    bound: float
    points: int
    limit: int | None

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bound > 0 or self.points < 3:
            raise ValueError(f"Quadrature.bound={self.bound}, points={self.points}: positive, and at least 3")

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        def integrate(number: int, rows: Rows) -> dict[str, Tensor]:
            grid = lay_grid(densities, rows, self.bound, self.points)
            return {
                "log_evidence": grid.log_evidence,
                "posterior_kl": grid.kl(grid.log_q, grid.log_true),
                "inclusive_kl": grid.kl(grid.log_true, grid.log_q),
            }

        with evaluating(densities, "quadrature", seed):
            values = share_out(integrate, in_groups(take_first(data.measured(split), self.limit), GROUP))
        finite = {name: value for name, value in values.items() if value.isfinite().all()}
        return means_of(finite, KINDS, k=None, seed=seed)


@torch.no_grad()
def lay_grid(densities: Densities, rows: Rows, bound: float, num: int) -> OnGrid:
    """The densities of data at ``num`` points a coordinate of the plane, or ``num`` squared points of the line.

    Raises:
        Undefined: see `Quadrature`.
    """
    x, *given = rows
    latent = densities.infer(x, *given).only()
    if latent.p is None or latent.q is None or is_discrete(latent.q) or latent.z.shape[1:] not in {(1,), (2,)}:
        raise Undefined("quadrature is of one continuous latent with a prior, on the line or in the plane")
    (dim,) = latent.z.shape[1:]
    num = num if dim == 2 else num**2
    axis = torch.linspace(-bound, bound, num, dtype=latent.z.dtype, device=latent.z.device)
    points = torch.cartesian_prod(*(axis,) * dim).view(-1, dim)
    log_cell = dim * log(2 * bound / (num - 1))
    joint, of_q = [], []
    for part in points.split(CHUNK):
        z = part.unsqueeze(1).expand(-1, len(x) if given else 1, -1)
        drawn = densities.imagine((), *given, draw=partial(_place, z))
        joint.append(densities.score(x, drawn, *given).log_lik.double() + drawn.only().log_p.double())
        try:
            of_q.append(latent.q.log_prob(z).double())
        except NotImplementedError as error:
            raise Undefined(f"no quadrature: {error}") from error
    log_joint, log_q = torch.cat(joint), torch.cat(of_q)
    log_evidence = log_joint.logsumexp(0) + log_cell
    log_true = log_joint - log_evidence
    border = points.abs().amax(1) > 0.95 * bound
    at_border = (log_true[border].logsumexp(0) + log_cell).exp()
    mass = (log_q.logsumexp(0) + log_cell).exp()
    if not ((mass - 1).abs() < TOLERANCE).all() or not (at_border < TOLERANCE).all():
        raise Undefined(f"no quadrature: {len(points)} points in [-{bound}, {bound}] do not hold the posteriors")
    return OnGrid(points, log_cell, log_evidence, log_true, log_q)


def _place(z: Tensor, p: Distribution, shape: Shape) -> Drawn:
    """The points of a grid, in the place of draws."""
    return Drawn(z)
