"""How well a sample matches a distribution: kernel two-sample statistics and Kolmogorov-Smirnov distances.

Shapes: N, M = points of two samples, D = dimensions.
"""

from math import inf
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ks_1samp, ks_2samp, uniform
from torch import Tensor

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0)  # of the kernels, in median distances; each twice the one before
MEDIAN_POINTS = 1_000  # points whose pairwise distances the median is taken of
ROWS, COLUMNS = 256, 512  # pairs at a time: their kernels fit a cache


def mmd2(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased estimates of the squared maximum mean discrepancy, one a bandwidth, (4,) float64.

    Gretton et al. (2012), eq. 3, with k(a, b) = exp(-|a - b|^2 / 2 h^2), h = `BANDWIDTHS` times the median distance
    between points of y. They have mean 0 where both samples are of one distribution, so they can be negative.

    Args:
        x: the sample, (N, D).
        y: draws of what it is compared with, (M, D).

    Raises:
        ValueError: a sample of fewer than two points, or points of other dimensions.
    """
    if x.shape[1:] != y.shape[1:] or min(len(x), len(y)) < 2:
        raise ValueError(f"samples of shapes {tuple(x.shape)} and {tuple(y.shape)}: two or more points of one space")
    widest = BANDWIDTHS[-1] * median_distance(y[:MEDIAN_POINTS])
    n, m, centre = len(x), len(y), y.mean(0)
    a, b = (_factorise((points - centre) / widest) for points in (x, y))
    return _within(a) / (n * (n - 1)) + _within(b) / (m * (m - 1)) - 2 * _between(a.left, b.right) / (n * m)


def median_distance(points: Tensor) -> Tensor:
    """The median distance between two of the points; 1 where they all coincide."""
    median = torch.pdist(points).median()
    return torch.where(median > 0, median, torch.ones_like(median))


class _Factors(NamedTuple):
    """Vectors whose products are the widest kernel's exponents: left_i . right_j = -|x_i - x_j|^2 / 2, (N, D + 2)."""

    left: Tensor
    right: Tensor


def _factorise(x: Tensor) -> _Factors:
    """The factors of points that are in units of the widest bandwidth and near their centre.

    Centred points are small, and the exponents, which are differences of squares, lose little to rounding.
    """
    half = -0.5 * x.square().sum(1, keepdim=True)
    one = torch.ones_like(half)
    return _Factors(torch.cat([x, half, one], 1), torch.cat([x, one, half], 1))


def _between(left: Tensor, right: Tensor) -> Tensor:
    """Sums of kernels over all pairs of a left and a right point, (4,) float64."""
    tiles = [_sums(rows @ columns.T) for rows in left.split(ROWS) for columns in right.split(COLUMNS)]
    return torch.stack(tiles).sum(0)


def _within(x: _Factors) -> Tensor:
    """Sums of kernels over all ordered pairs of two different points, (4,) float64; those of each order once."""
    sums = []
    for start in range(0, len(x.left), ROWS):
        rows, columns = x.left[start : start + ROWS], x.right[start : start + ROWS]
        sums.append(_sums((rows @ columns.T).fill_diagonal_(-inf)))
        if start + ROWS < len(x.left):
            sums.append(2 * _between(rows, x.right[start + ROWS :]))
    return torch.stack(sums).sum(0)


def _sums(exponents: Tensor) -> Tensor:
    """Sums of a tile's kernels, narrowest first, from the widest one's exponents, which are overwritten.

    Each kernel is the fourth power of the one twice as wide, so one exponential serves all. Rows are short enough to be
    summed in the dtype of the points.
    """
    kernel = exponents.clamp_(max=0).exp_()
    sums = [kernel.sum(1).sum(dtype=torch.float64)]
    for _ in BANDWIDTHS[1:]:
        kernel = kernel.square_().square_()
        sums.append(kernel.sum(1).sum(dtype=torch.float64))
    return torch.stack(sums[::-1])


def ks_to_uniform(u: NDArray) -> list[float]:
    """Kolmogorov-Smirnov distance of each column of u (N, D) to U(0, 1): of values to a distribution by its CDF."""
    return [float(ks_1samp(column, uniform.cdf, method="asymp").statistic) for column in np.asarray(u, float).T]


def ks_between(x: NDArray, y: NDArray) -> list[float]:
    """Kolmogorov-Smirnov distance of each column of x (N, D) to that of y (M, D)."""
    return [float(ks_2samp(a, b, method="asymp").statistic) for a, b in zip(x.T, y.T, strict=True)]
