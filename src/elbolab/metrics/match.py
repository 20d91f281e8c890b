"""How well a sample matches a distribution: kernel two-sample statistics and Kolmogorov-Smirnov distances.

Shapes: N, M = points of two samples, D = dimensions.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ks_1samp, ks_2samp, uniform
from torch import Tensor

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0)
"""Of the kernels, in median distances; each twice the one before."""

MEDIAN_POINTS = 1_000
"""Points whose pairwise distances the median is taken of."""

ROWS, COLUMNS = 256, 1_024
"""Pairs at a time: their distances fit a cache."""


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
    x, y = x - centre, y - centre  # distances are differences of squares, small where points are
    within_x, within_y = _within(x, widest) / (n * (n - 1)), _within(y, widest) / (m * (m - 1))
    return within_x + within_y - 2 * _between(x, y, widest) / (n * m)


def median_distance(points: Tensor) -> Tensor:
    """The median distance between two of the points; 1 where they all coincide."""
    median = torch.pdist(points).median()
    return torch.where(median > 0, median, torch.ones_like(median))


def _between(x: Tensor, y: Tensor, widest: Tensor) -> Tensor:
    """Sums of kernels over all pairs of a point of x and one of y, (4,) float64."""
    tiles = [_tile(rows, columns, widest) for rows in x.split(ROWS) for columns in y.split(COLUMNS)]
    return torch.stack(tiles).sum(0)


def _within(x: Tensor, widest: Tensor) -> Tensor:
    """Sums of kernels over all ordered pairs of two different points of x, (4,) float64."""
    total = torch.zeros(len(BANDWIDTHS), dtype=torch.float64, device=x.device)
    for start in range(0, len(x), ROWS):
        rows = x[start : start + ROWS]
        total += _tile(rows, rows, widest) - len(rows)
        if start + ROWS < len(x):
            total += 2 * _between(rows, x[start + ROWS :], widest)
    return total


def _tile(x: Tensor, y: Tensor, widest: Tensor) -> Tensor:
    """Sums over all pairs of a tile, narrowest kernel first; each is the fourth power of the one twice as wide."""
    squares = torch.addmm(y.square().sum(1), x, y.T, alpha=-2).add_(x.square().sum(1, keepdim=True)).clamp_(min=0)
    kernel = squares.mul_(-0.5 / widest**2).exp_()
    sums = [kernel.sum(dtype=torch.float64)]
    for _ in BANDWIDTHS[1:]:
        kernel = kernel.square_().square_()
        sums.append(kernel.sum(dtype=torch.float64))
    return torch.stack(sums[::-1])


def ks_to_uniform(u: NDArray) -> list[float]:
    """Kolmogorov-Smirnov distance of each column of u (N, D) to U(0, 1): of values to a distribution by its CDF."""
    return [float(ks_1samp(column, uniform.cdf, method="asymp").statistic) for column in np.asarray(u, float).T]


def ks_between(x: NDArray, y: NDArray) -> list[float]:
    """Kolmogorov-Smirnov distance of each column of x (N, D) to that of y (M, D)."""
    return [float(ks_2samp(a, b, method="asymp").statistic) for a, b in zip(x.T, y.T, strict=True)]
