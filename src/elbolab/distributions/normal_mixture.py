"""Mixtures of diagonal normals as posteriors, whose draws have a gradient.

Shapes: *S = samples, B = data in a batch, K = components, D = latent dimensions.
"""

from math import log, pi
from typing import final

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, choose
from elbolab.distributions.family import NO_SAMPLES, Family, Sizes, check_floor


@final
class ReparameterisedMixture(MixtureSameFamily):
    """sum_k w_k N(loc_k, diag(scale_k^2)), whose draws follow all its parameters, weights too.

    A draw z is held where the distribution functions of its coordinates, each given those before it, keep their values
    while the parameters move: implicit reparameterisation (Figurnov, Mohamed & Mnih 2018, eq. 6, and section 3 for
    mixtures; Graves 2016, "Stochastic backpropagation through mixture density distributions").
    """

    has_rsample = True
    component_distribution: Independent

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        z = self._draw(sample_shape)
        ranks, slopes = self._ranks_of(z)
        moves = torch.linalg.solve_triangular(slopes, (ranks - ranks.detach())[..., None], upper=False)[..., 0]
        return z - moves

    @torch.no_grad()
    def _draw(self, sample_shape: Sizes) -> Tensor:
        """A draw of one component; their own ``sample`` would wait for the device."""
        logits = self.mixture_distribution.logits.expand(*sample_shape, *self.mixture_distribution.logits.shape)
        chosen = (logits - torch.empty_like(logits).exponential_().log()).argmax(-1)  # the Gumbel-max trick
        candidates = self.component_distribution.rsample(torch.Size(sample_shape))
        return candidates.take_along_dim(chosen[..., None, None], -2).squeeze(-2)

    def _ranks_of(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """F_d(z_d | z_<d), (*S, B, D), as functions of the parameters, and their derivatives in z, (*S, B, D, D)."""
        normal = self.component_distribution.base_dist
        standard = (z.unsqueeze(-2) - normal.loc) / normal.scale  # (*S, B, K, D)
        log_densities = -0.5 * standard.square() - normal.scale.log() - 0.5 * log(2 * pi)
        before = log_densities.cumsum(-1) - log_densities  # log N_k(z_<d)
        weights = (self.mixture_distribution.logits[..., None] + before).softmax(-2)  # P(k | z_<d)
        below = weights * torch.special.ndtr(standard)
        ranks = below.sum(-2)
        with torch.no_grad():
            scores = -standard / normal.scale  # d log N_k(z_j) / dz_j
            mean_score = torch.einsum("...kd,...kj->...dj", weights, scores)
            slopes = torch.einsum("...kd,...kj->...dj", below, scores) - ranks[..., None] * mean_score
            densities = (weights * log_densities.exp()).sum(-2)
            return ranks, slopes.tril(-1) + torch.diag_embed(densities)


@final
class NormalMixture(Family):
    """Logits of the weights, then the locations and the log variances of K diagonal normals, from the raw output.

    Args:
        event: (D,).
        num_components: K.
        spread: standard deviation, over components, of fixed numbers that are added to the locations: where a network
            begins with outputs near 0, components that are alike stay so.
        init_scale: their scale where the raw output is 0. Narrow components find modes; a wide one of little weight
            costs much and is rarely drawn.
        min_scale: lower bound added to the scales.

    Raises:
        ValueError: the event is no vector, there is no component, or a number is out of its range.
    """

    offsets: Tensor

    def __init__(self, event: Shape, num_components: int, spread: float, init_scale: float, min_scale: float) -> None:
        if len(event) != 1:
            raise Refusal(f"a mixture needs a vector, not the shape {event}", choose("posterior", "diagonal_normal"))
        if num_components < 1 or spread < 0 or not init_scale > 0:
            raise ValueError(
                f"posterior num_components={num_components}, spread={spread}, init_scale={init_scale}: at least one "
                "component, a spread that is not negative, a positive scale"
            )
        super().__init__(event, (num_components * (1 + 2 * event[0]),))
        check_floor(min_scale)
        self.num_components, self.init_scale, self.min_scale = num_components, init_scale, min_scale
        self.register_buffer("offsets", spread * torch.randn(num_components, *event))

    @override
    def forward(self, raw: Tensor) -> Distribution:
        num, (dim,) = self.num_components, self.event
        logits, *parts = raw.split([num, num * dim, num * dim], dim=-1)
        loc, log_variance = (part.unflatten(-1, (num, dim)) for part in parts)
        components = Normal(loc + self.offsets, self.init_scale * (0.5 * log_variance).exp() + self.min_scale)
        return ReparameterisedMixture(Categorical(logits=logits), Independent(components, 1))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        loc = (mean - self.offsets).flatten()
        return torch.cat([loc.new_zeros(self.num_components), loc, torch.zeros_like(loc)])
