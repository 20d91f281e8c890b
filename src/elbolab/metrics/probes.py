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


def linear_probe_accuracy(train_codes: NDArray, train_y: NDArray, test_codes: NDArray, test_y: NDArray) -> NDArray:
    """Correctness of multinomial logistic regression on standardised codes.

    The scale of each dimension is the training codes'; a constant dimension stays 0. The penalty is scikit-learn's
    default, ||w||^2 / 2 beside the summed cross-entropy, which is weak at these numbers of data.

    Args:
        train_codes: (N, D).
        train_y: (N,) int, of at least two classes.
        test_codes: (M, D).
        test_y: (M,) int.

    Returns:
        (M,) float64, 1 where the probe is right and 0 where it is wrong.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(train_codes, train_y)
    return (probe.predict(test_codes) == test_y).astype(np.float64)


def knn_accuracy(
    train_codes: NDArray, train_y: NDArray, test_codes: NDArray, test_y: NDArray, *, num_neighbours: int
) -> NDArray:
    """Correctness of the vote of the nearest training codes, in the Euclidean distance of the codes as they are.

    The codes are not standardised: that would blow up the dimensions a model leaves unused.

    Args:
        train_codes: (N, D).
        train_y: (N,) int.
        test_codes: (M, D).
        test_y: (M,) int.
        num_neighbours: voters, at most N are used.

    Returns:
        (M,) float64, 1 where the vote is right and 0 where it is wrong.
    """
    # brute force is one matrix product; trees lose to it above some ten dimensions
    knn = KNeighborsClassifier(min(num_neighbours, len(train_y)), algorithm="brute").fit(train_codes, train_y)
    return (knn.predict(test_codes) == test_y).astype(np.float64)
