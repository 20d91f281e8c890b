"""What the disentanglement scores share.

Shapes: N = data, D = dimensions of the code, F = factors.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elbolab.common.rng import numpy_generator


class Split(NamedTuple):
    """Codes and factors in two disjoint parts: (N_train, D), (N_train, F), (N_test, D), (N_test, F)."""

    train_codes: NDArray
    train_factors: NDArray
    test_codes: NDArray
    test_factors: NDArray


def varying_factors(factors: NDArray) -> NDArray:
    """The factors that take more than one value, (N, F) -> (N, F'), each relabelled to 0 ... K - 1.

    A constant factor carries no information, so no score counts it.

    Raises:
        ValueError: no factor varies.
    """
    columns = [np.unique(column, return_inverse=True)[1] for column in factors.T]
    columns = [column for column in columns if column.max() > 0]
    if not columns:
        raise ValueError("no factor varies over these data: there is nothing to disentangle")
    return np.stack(columns, axis=1)


def check_rows(codes: NDArray, factors: NDArray) -> None:
    """Raises ValueError unless codes are (N, D) and factors (N, F) of the same N data."""
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise ValueError(f"codes {codes.shape} and factors {factors.shape} must be (N, D) and (N, F) of the same data")


def split_rows(codes: NDArray, factors: NDArray, *, seed: int, num_train: int, num_test: int) -> Split:
    """A seeded split of the rows, shrunk in proportion when there are fewer than ``num_train + num_test``."""
    check_rows(codes, factors)
    rows = numpy_generator("split of codes", seed).permutation(len(codes))
    share = min(1.0, len(codes) / (num_train + num_test))
    train, test = np.split(rows[: int(share * (num_train + num_test))], [int(share * num_train)])
    return Split(codes[train], factors[train], codes[test], factors[test])


def gap(matrix: NDArray) -> NDArray:
    """Largest minus second largest entry of each column, (D, F) -> (F,); with one dimension the second is 0."""
    padded = np.vstack([np.zeros(matrix.shape[1]), matrix])
    second, first = np.sort(padded, axis=0)[-2:]
    return first - second
