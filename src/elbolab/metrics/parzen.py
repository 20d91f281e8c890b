"""Log-densities under Gaussian windows around samples, as Breuleux et al. (2011) and the GAN papers report them.

A smoke test and no likelihood: in many dimensions the value says more of the windows than of the model (Theis et al.
2016).

Shapes: N = data, M = samples, D = dimensions.
"""

from collections.abc import Sequence
from math import log, pi

import torch
from torch import Tensor

ROWS = 256
"""Data at a time."""


def parzen_log_density(x: Tensor, samples: Tensor, scales: Sequence[float]) -> Tensor:
    """Log 1/M sum_m N(x; s_m, scale^2 I) in nats for every scale, (scales, N) float64.

    Args:
        x: the data, (N, D).
        samples: s_m, (M, D).
        scales: widths of the window.
    """
    return torch.cat([_rows(rows, samples, scales) for rows in x.split(ROWS)], dim=1)


def _rows(x: Tensor, samples: Tensor, scales: Sequence[float]) -> Tensor:
    squares = torch.cdist(x, samples).double().square()
    num, dim = samples.shape
    norms = [log(num) + 0.5 * dim * log(2 * pi * scale**2) for scale in scales]
    sums = [(-0.5 / scale**2 * squares).logsumexp(1) for scale in scales]
    return torch.stack([total - norm for total, norm in zip(sums, norms, strict=True)])
