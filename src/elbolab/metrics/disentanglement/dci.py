"""Disentanglement, completeness and informativeness.

Shapes: N = data, D = dimensions of the code, F = factors.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from elbolab.common.rng import sklearn_seed
from elbolab.metrics.disentanglement.factors import Split, split_rows, varying_factors

MakeTrees = Callable[[int], RandomForestClassifier | GradientBoostingClassifier]
"""A recipe for the classifier of one factor: seed -> an unfitted ensemble of trees that has importances."""


class DCI(NamedTuple):
    """The three scores of Eastwood and Williams 2018, each in [0, 1], higher is better."""

    disentanglement: float
    completeness: float
    informativeness: float


def random_forest(seed: int) -> RandomForestClassifier:
    """Fifty trees that look at every dimension in every split, with at least 20 data in a leaf.

    A random forest is a choice of Eastwood and Williams 2018. Looking at all dimensions and stopping at 20 data keeps
    importance away from dimensions that tell nothing, which fully grown trees over random subsets credit for noise.
    """
    options = {"n_estimators": 50, "max_features": None, "min_samples_leaf": 20}
    return RandomForestClassifier(**options, random_state=sklearn_seed("DCI trees", seed))


def boosted_trees(seed: int) -> GradientBoostingClassifier:
    """The gradient boosting of Locatello et al. 2019; it grows a tree per value and round, which can take minutes."""
    return GradientBoostingClassifier(random_state=sklearn_seed("DCI trees", seed))


def dci(
    codes: NDArray,
    factors: NDArray,
    *,
    seed: int,
    num_train: int = 10_000,
    num_test: int = 5_000,
    trees: MakeTrees = random_forest,
) -> DCI:
    """From the importances R (D, F) of the dimensions for classifiers of each factor.

    Eastwood and Williams 2018, "A Framework for the Quantitative Evaluation of Disentangled Representations",
    section 2: disentanglement is 1 - entropy of each row of R (base F) and completeness 1 - entropy of each column
    (base D), both weighted by the importance of the row or column. Informativeness is the classifiers' mean accuracy
    on other data (Locatello et al. 2019), so its chance level is the share of the commonest value.

    Args:
        codes: (N, D).
        factors: (N, F) int; constant factors are not counted.
        seed: of the split and of the trees.
        num_train: data the classifiers are fitted to, at most.
        num_test: data they are scored on, at most.
        trees: recipe of the classifiers.

    Raises:
        ValueError: the rows do not match, or no factor varies.
    """
    parts = split_rows(codes, varying_factors(factors), seed=seed, num_train=num_train, num_test=num_test)
    importances, accuracy = _fit(parts, seed, trees)
    return DCI(concentration(importances), concentration(importances.T), accuracy)


def concentration(importances: NDArray) -> float:
    """1 - normalised entropy of each row, weighted by the row's share of the total; 0 when nothing is important.

    (rows, columns) -> a number in [0, 1]. One column leaves nothing to confuse, so its entropy is 0.
    """
    rows, total = importances.sum(axis=1), importances.sum()
    used = rows > 0
    spread = entropy(importances[used], axis=1) / np.log(max(2, importances.shape[1]))
    return float(np.sum(rows[used] / total * (1 - spread)))


def _fit(parts: Split, seed: int, trees: MakeTrees) -> tuple[NDArray, float]:
    """The importances (D, F) and the mean accuracy on the test part."""
    importances, accuracies = [], []
    for train_v, test_v in zip(parts.train_factors.T, parts.test_factors.T, strict=True):
        if (train_v == train_v[0]).all():  # few data may all have one value of a factor that varies
            importances.append(np.zeros(parts.train_codes.shape[1]))
            accuracies.append(np.mean(test_v == train_v[0]))
            continue
        model = trees(seed).fit(parts.train_codes, train_v)
        importances.append(model.feature_importances_)
        accuracies.append(np.mean(model.predict(parts.test_codes) == test_v))
    return np.stack(importances, axis=1), float(np.mean(accuracies))
