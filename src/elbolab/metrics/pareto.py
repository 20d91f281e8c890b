"""How heavy the tail of importance weights is: the Pareto k-hat (Vehtari, Simpson, Gelman, Yao & Gabry 2024).

The r-th moment of the weights exists where k < 1/r. Their mean settles slowly from k = 0.7 on, and has no finite
variance from k = 0.5 on.

Shapes: K = weights of a datum, G = data, M = weights in the tail, J = points of a quadrature.
"""

from math import ceil, sqrt

import torch
from torch import Tensor

LEAST = 25
"""Fewest weights whose tail has the 5 that a fit needs."""

ROUNDING = 1e-4
"""Error of a log-weight in float32: what weights exceed others by less than this share is noise of the computation."""

PRIOR_WEIGHT = 10
"""Exceedances that the prior of k at 0.5 counts as much as (Vehtari et al. 2024, appendix)."""


def tail_shape(log_w: Tensor) -> Tensor:
    """The k-hat of weights (K, G), given by their logarithms: (G,) in float64; NaN with fewer than `LEAST` weights.

    A generalised Pareto distribution is fitted to what the M = min(0.2 K, 3 sqrt(K)) largest weights exceed the next
    one by, and its shape is drawn to 0.5 by a weak prior.
    """
    num = len(log_w)
    if num < LEAST:
        return log_w.new_full(log_w.shape[1:], float("nan"), dtype=torch.float64)
    size = ceil(min(0.2 * num, 3 * sqrt(num)))
    largest = log_w.double().topk(size + 1, dim=0).values
    weights = (largest - largest[0]).exp()
    exceedances = torch.maximum(weights[:-1] - weights[-1], ROUNDING * weights[-1])
    shape = fit_shape(exceedances.flip(0))
    return (size * shape + 0.5 * PRIOR_WEIGHT) / (size + PRIOR_WEIGHT)


def fit_shape(exceedances: Tensor) -> Tensor:
    """Shape k of the density (1 + k x / s)^(-1/k - 1) / s of exceedances (M, G), which rise: (G,).

    The posterior mean of Zhang & Stephens 2009, "A new and efficient estimation method for the generalized Pareto
    distribution", section 3: theta = -k / s has a prior that the first quartile sets, and a likelihood at the best
    k = mean log(1 - theta x). An exceedance of 0 is taken as the smallest number.
    """
    x = exceedances.clamp(min=1e3 * torch.finfo(exceedances.dtype).tiny)
    num = len(x)
    points = 30 + int(sqrt(num))
    index = torch.arange(1, points + 1, dtype=x.dtype, device=x.device)[:, None]
    theta = 1 / x[-1] + (1 - (points / (index - 0.5)).sqrt()) / (3 * x[int(num / 4 + 0.5) - 1])  # (J, G)
    shape = torch.stack([torch.log1p(-row * x).mean(0) for row in theta])
    log_lik = num * ((-theta / shape).log() - shape - 1)
    return torch.log1p(-(log_lik.softmax(0) * theta).sum(0) * x).mean(0)
