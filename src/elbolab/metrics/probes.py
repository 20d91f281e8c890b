"""What a simple classifier reads from a code.

Shapes: N = training codes, M = test codes, D = dimensions. Both probes return the correctness of each test datum, so
that the accuracy, its mean, has a standard error.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def linear_probe_accuracy(
    train_codes: NDArray, train_y: NDArray, test_codes: NDArray, test_y: NDArray, *, seed: int, limit: int = 50_000
) -> NDArray:
    """Correctness of multinomial logistic regression on standardised codes.

    The scale of each dimension is the training codes'; a constant dimension stays 0. The penalty is scikit-learn's
    default, ||w||^2 / 2 beside the summed cross-entropy, which is weak at these numbers of data.

    Args:
        train_codes: (N, D).
        train_y: (N,) int.
        test_codes: (M, D).
        test_y: (M,) int.
        seed: chooses the training codes when there are more than ``limit``.
        limit: training codes used at most.

    Returns:
        (M,) float64, 1 where the probe is right and 0 where it is wrong.
    """
    rows = choose_rows(len(train_codes), limit, seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(train_codes[rows], train_y[rows])
    return _correct(probe.predict(test_codes), test_y)


def knn_accuracy(
    train_codes: NDArray,
    train_y: NDArray,
    test_codes: NDArray,
    test_y: NDArray,
    *,
    num_neighbours: int,
    seed: int,
    limit: int = 50_000,
) -> NDArray:
    """Correctness of the vote of the nearest training codes, in the Euclidean distance of the codes as they are.

    The codes are not standardised: that would blow up the dimensions a model leaves unused.

    Args:
        train_codes: (N, D).
        train_y: (N,) int.
        test_codes: (M, D).
        test_y: (M,) int.
        num_neighbours: voters, at most N are used.
        seed: chooses the training codes when there are more than ``limit``.
        limit: training codes used at most.

    Returns:
        (M,) float64, 1 where the vote is right and 0 where it is wrong.
    """
    rows = choose_rows(len(train_codes), limit, seed)
    # brute force is one matrix product; trees lose to it above some ten dimensions
    knn = KNeighborsClassifier(min(num_neighbours, len(rows)), algorithm="brute").fit(train_codes[rows], train_y[rows])
    return _correct(knn.predict(test_codes), test_y)


def choose_rows(count: int, limit: int, seed: int) -> NDArray:
    """At most ``limit`` of ``count`` rows, all in order when they are few, else a seeded choice without repetition."""
    if count <= limit:
        return np.arange(count)
    return np.random.default_rng(seed).choice(count, limit, replace=False)


def _correct(predicted: NDArray, y: NDArray) -> NDArray:
    return (predicted == y).astype(np.float64)
