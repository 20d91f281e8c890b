"""Normals with a full covariance, as a posterior of few latent dimensions."""

from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, register_kl
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, choose
from elbolab.distributions.family import Family, check_floor


@final
class FullNormal(Family):
    """N(loc, L L^T): loc, the log diagonal of L and its entries below the diagonal from the raw output, in this order.

    In float32 a covariance is infinite from a log diagonal of 44.4 on; see `DiagonalNormal`.

    Args:
        event: (D,).
        min_scale: lower bound added to the diagonal of L.

    Raises:
        ValueError: the event is no vector, or min_scale is negative.
    """

    below_diagonal: Tensor

    def __init__(self, event: Shape, min_scale: float) -> None:
        if len(event) != 1:
            raise Refusal(
                f"a full covariance needs a vector, not the shape {event}", choose("posterior", "diagonal_normal")
            )
        (dim,) = event
        super().__init__(event, (2 * dim + dim * (dim - 1) // 2,))
        check_floor(min_scale)
        self.min_scale = min_scale
        row, column = torch.tril_indices(dim, dim, offset=-1)
        self.register_buffer("below_diagonal", row * dim + column, persistent=False)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        (dim,) = self.event
        loc, log_diagonal, below = raw.split([dim, dim, len(self.below_diagonal)], dim=-1)
        flat = raw.new_zeros(*raw.shape[:-1], dim * dim).index_copy(-1, self.below_diagonal, below)
        diagonal = torch.diag_embed(log_diagonal.exp() + self.min_scale)
        return MultivariateNormal(loc, scale_tril=flat.unflatten(-1, (dim, dim)) + diagonal)

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return torch.cat([mean, mean.new_zeros(self.out_shape[0] - len(mean))])


@register_kl(MultivariateNormal, Independent)
def _kl_full_to_diagonal(q: MultivariateNormal, p: Independent) -> Tensor:
    """1/2 sum_d [(Sigma_dd + (mu_d - m_d)^2) / s_d^2 + log s_d^2 - 1] - log det L, for p = N(m, diag(s^2))."""
    normal = p.base_dist
    if not isinstance(normal, Normal) or p.reinterpreted_batch_ndims != 1:
        raise NotImplementedError(f"no KL between a multivariate normal and {p}")
    precision = normal.scale.pow(-2)
    spread = q.scale_tril.square().sum(-1) + (q.loc - normal.loc).square()
    log_det = q.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return 0.5 * (spread * precision - precision.log() - 1).sum(-1) - log_det
