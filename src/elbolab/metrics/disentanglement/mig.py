"""The mutual information gap.

Shapes: N = data, D = dimensions of the code, F = factors.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy

from elbolab.metrics.disentanglement.factors import check_rows, gap, varying_factors


def mig(codes: NDArray, factors: NDArray, *, num_bins: int = 20) -> float:
    """Mean over factors of (I(z_1; v) - I(z_2; v)) / H(v), z_1 and z_2 the two most informative dimensions.

    Chen et al. 2018, "Isolating Sources of Disentanglement in Variational Autoencoders", equation 6, with the
    histograms of Locatello et al. 2019: each dimension of the mean code falls into equal bins between its extremes. A
    factor of more than ``num_bins`` values cannot reach 1, since the bins hold at most log(num_bins) nats.

    Args:
        codes: (N, D).
        factors: (N, F) int; constant factors are not counted.
        num_bins: bins of each dimension.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: the rows do not match, or no factor varies.
    """
    check_rows(codes, factors)
    binned = np.stack([to_bins(dimension, num_bins) for dimension in codes.T], axis=1)
    labels = varying_factors(factors)
    information = np.array([[mutual_information(z, v) for v in labels.T] for z in binned.T])
    entropies = np.array([entropy(np.bincount(v)) for v in labels.T])
    return float(np.mean(gap(information) / entropies))


def to_bins(values: NDArray, num_bins: int) -> NDArray:
    """The index 0 ... num_bins - 1 of the bin of each value; a constant falls into one bin. (N,) -> (N,) int."""
    low, high = values.min(), values.max()
    inner_edges = np.linspace(low, high, num_bins + 1)[1:-1]
    return np.digitize(values, inner_edges)


def mutual_information(a: NDArray, b: NDArray) -> float:
    """I(a; b) in nats of the empirical distribution of two (N,) arrays of small non-negative integers."""
    joint = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1)).reshape(a.max() + 1, -1)
    information = entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint.ravel())
    return max(0.0, float(information))
