"""Gradients of a bound whose latents are discrete: by the score of q, with what lowers its variance.

Shapes: K = samples, B = data in a batch.
"""

from collections.abc import Callable
from math import log
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from elbolab.batch import Shape
from elbolab.densities.gradients import with_gradient
from elbolab.densities.latents import Draw, Latents, Undefined, sample
from elbolab.densities.terms import Terms
from elbolab.distributions.family import Drawn


@final
class ScoreFunction(NamedTuple):
    """An estimator of the gradient of a bound in the parameters of q.

    Attributes:
        bound: (terms of K samples, baseline (B,) or 0) -> the bound of each datum with the gradient that is estimated.
        draw: how latents are drawn.
        least: fewest samples.
        multiple: of which the number of samples is one.
    """

    bound: Callable[[Terms, Tensor], Tensor]
    draw: Draw = sample
    least: int = 1
    multiple: int = 1


def log_q_of(latents: Latents) -> Tensor:
    """Log q of all latents together, (K, B)."""
    return torch.stack([latent.log_q for latent in latents]).sum(0)


def subtract_baseline(terms: Terms, baseline: Tensor) -> Tensor:
    """The ELBO by its score, less a baseline that does not depend on z (NVIL: Mnih & Gregor 2014, eq. 8)."""
    log_w, log_q = terms.log_weight, log_q_of(terms.latents)
    learning = (log_w - baseline).detach()
    return with_gradient(log_w, learning * log_q + log_w + log_q).mean(0)


def leave_one_out(terms: Terms, baseline: Tensor) -> Tensor:
    """The ELBO, the baseline of each sample the mean of the others (RLOO: Kool et al. 2019, eq. 8)."""
    log_w, log_q = terms.log_weight, log_q_of(terms.latents)
    learning = (log_w - _mean_of_others(log_w)).detach()
    return with_gradient(log_w, learning * log_q + log_w + log_q).mean(0)


def leave_one_out_of_many(terms: Terms, baseline: Tensor) -> Tensor:
    """The bound of K samples; in each sample's baseline its weight is the geometric mean of the others' (VIMCO).

    Mnih & Rezende 2016, eqs. 8 to 10.
    """
    log_w, log_q = terms.log_weight, log_q_of(terms.latents)
    num = len(log_w)
    bound = log_w.logsumexp(0) - log(num)
    is_own = torch.eye(num, dtype=torch.bool, device=log_w.device)[..., None]
    without = torch.where(is_own, _mean_of_others(log_w)[:, None], log_w[None]).logsumexp(1) - log(num)
    learning = (bound - without).detach()
    return with_gradient(bound, (learning * log_q).sum(0) + bound)


def differ_by_antithetic_pairs(terms: Terms, baseline: Tensor) -> Tensor:
    """The ELBO of independent bits by pairs of samples that share their noise (DisARM: Dong et al. 2020, eq. 8).

    The first half of the samples are the pairs' first members, as `draw_antithetic_pairs` makes them.
    """
    latent, log_w = terms.latents.only(), terms.log_weight
    logits = bits_of(latent.q).logits
    (first, second), (b, c) = log_w.detach().chunk(2), latent.z.chunk(2)
    differ = (b - c) * logits.detach().abs().sigmoid()  # (-1)^c where b is not c, else 0
    score = (first - second)[..., None] / 2 * differ.flatten(2)
    paths = (score * logits.flatten(1)).sum(-1).mean(0)
    log_joint = (log_w + latent.log_q).mean(0)
    return with_gradient(log_w.mean(0), paths + log_joint)


def draw_antithetic_pairs(q: Distribution, shape: Shape) -> Drawn:
    """Bits of u and of 1 - u, half of the samples each: the first are 1 where 1 - u < p, the second where u < p."""
    probs = bits_of(q).probs
    u = torch.rand(shape[0] // 2, *shape[1:], *probs.shape, dtype=probs.dtype, device=probs.device)
    return Drawn(torch.cat([1 - u < probs, u < probs]).to(probs.dtype))


def bits_of(q: Distribution | None) -> Bernoulli:
    """The independent bits that q is made of; raises Undefined where it is not."""
    match q:
        case Independent(base_dist=Bernoulli() as bits):
            return bits
    raise Undefined("this estimator is of independent bits, as posterior=bernoulli_hard has them")


def _mean_of_others(values: Tensor) -> Tensor:
    return (values.sum(0) - values) / (len(values) - 1)


SCORE_FUNCTIONS = {
    "nvil": ScoreFunction(subtract_baseline),
    "rloo": ScoreFunction(leave_one_out, least=2),
    "vimco": ScoreFunction(leave_one_out_of_many, least=2),
    "disarm": ScoreFunction(differ_by_antithetic_pairs, draw_antithetic_pairs, least=2, multiple=2),
}
"""By the names of ``model.estimator``."""
