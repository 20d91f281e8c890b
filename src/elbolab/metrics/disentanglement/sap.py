"""The separated attribute predictability score.

Shapes: N = data, D = dimensions of the code, F = factors.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from elbolab.common.rng import sklearn_seed
from elbolab.metrics.disentanglement.factors import Split, gap, split_rows, varying_factors

ScoreMatrix = Callable[[Split], NDArray]
"""How well each dimension alone predicts each factor: a split of N data -> (D, F)."""


def sap(
    codes: NDArray,
    factors: NDArray,
    *,
    seed: int,
    num_train: int = 10_000,
    num_test: int = 5_000,
    score: ScoreMatrix | None = None,
) -> float:
    """Mean over factors of the gap between the two dimensions that predict it best.

    Kumar, Sattigeri and Balakrishnan 2018, "Variational Inference of Disentangled Latent Concepts from Unlabeled
    Observations", section 3.

    Args:
        codes: (N, D).
        factors: (N, F) int; constant factors are not counted.
        seed: of the split.
        num_train: data the predictors are fitted to, at most.
        num_test: data they are scored on, at most.
        score: `r_squared` by default, for every factor: the paper's score of ordered factors, at which a perfect code
            has 1. It takes the values of a factor as numbers, so that a factor without an order (dSprites' shape) or
            with a cyclic one (its orientation) is only found by a code that puts its values in the order of their
            numbers; the paper classifies categories. Published tables of Locatello et al. 2019 use `svm_accuracy`.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: the rows do not match, or no factor varies.
    """
    parts = split_rows(codes, varying_factors(factors), seed=seed, num_train=num_train, num_test=num_test)
    return float(np.mean(gap((score or r_squared)(parts))))


def r_squared(parts: Split) -> NDArray:
    """R^2 of the linear regression of each factor on each dimension: their squared correlation, (D, F).

    It is taken on the training part: one line through thousands of data does not overfit. 0 for a constant dimension.
    """
    z = _standardise(parts.train_codes.astype(np.float64))
    v = _standardise(parts.train_factors.astype(np.float64))
    return (z.T @ v / len(z)) ** 2


def svm_accuracy(parts: Split) -> NDArray:
    """Accuracy on the test part of a linear SVM (C = 0.01, balanced classes) per dimension and factor, (D, F).

    Locatello et al. 2019. One against the rest in one dimension, it cannot find the middle values of an ordered factor,
    and a perfect code scores at most 1 minus chance.
    """
    columns = zip(parts.train_codes.T, parts.test_codes.T, strict=True)
    return np.array([_svm_accuracies(train_z[:, None], test_z[:, None], parts) for train_z, test_z in columns])


def _svm_accuracies(train_z: NDArray, test_z: NDArray, parts: Split) -> list[float]:
    accuracies = []
    for train_v, test_v in zip(parts.train_factors.T, parts.test_factors.T, strict=True):
        if (train_v == train_v[0]).all():  # few data may all have one value of a factor that varies
            accuracies.append(float(np.mean(test_v == train_v[0])))
            continue
        svm = LinearSVC(C=0.01, class_weight="balanced", random_state=sklearn_seed("SAP")).fit(train_z, train_v)
        accuracies.append(float(np.mean(svm.predict(test_z) == test_v)))
    return accuracies


def _standardise(columns: NDArray) -> NDArray:
    """Each column with mean 0 and variance 1; a constant column becomes 0, up to rounding."""
    centred = columns - columns.mean(0)
    scale = centred.std(0)
    # rounding leaves a constant column a scale of some 1e-16 of its value
    constant = scale <= 1e-12 * (1 + np.abs(columns).max(0))
    return centred / np.where(constant, 1.0, scale)
