"""Classifiers of codes that have few labelled examples: k-nearest neighbours, logistic regression, RBF-SVM.

Their options are chosen by cross-validation among the labelled data alone: no other label is looked at.

Shapes: N = labelled data, R = draws of the code of each, M = other data, D = dimensions of the code.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from elbolab.common.rng import sklearn_seed

FOLDS = 5  # parts of a cross-validation; fewer where a class has fewer data
MOST = 3_000  # labelled data that classifiers see, as many as were published: an SVM is quadratic, and fitted 60 times


class Search(NamedTuple):
    """A classifier, and the options it is chosen among."""

    classifier: BaseEstimator
    options: dict[str, list[Any]]


def few_label_errors(draws: NDArray, y: NDArray, codes: NDArray, labels: NDArray) -> dict[str, NDArray]:
    """The errors on other data of each classifier that is fitted to the labelled data.

    Codes are not rescaled. Folds keep the draws of a datum together and hold equally many data of
    each class; with one datum a class nothing can be held out, and the first options are taken. Of more than `MOST`
    labelled data a balanced choice is taken, the same in every call.

    Args:
        draws: codes of the labelled data, (R, N, D).
        y: their classes, (N,) int, of at least two classes.
        codes: codes of other data, (M, D).
        labels: their classes, (M,) int.

    Returns:
        knn, logistic and svm, (M,) float64 each: 1 where wrong.
    """
    draws, y = _choose_few(draws, y)
    num_draws, num, _ = draws.shape
    rows, targets = draws.reshape(num_draws * num, -1), np.tile(y, num_draws)
    folds = min(FOLDS, int(np.bincount(y)[np.unique(y)].min()))
    found = {}
    for name, (classifier, options) in _searches(rows, num_draws).items():
        if folds > 1:
            parts = list(StratifiedGroupKFold(folds).split(rows, targets, np.tile(np.arange(num), num_draws)))
            fitted = GridSearchCV(classifier, _limit_neighbours(options, parts), cv=parts).fit(rows, targets)
        else:
            fitted = classifier.set_params(**{option: values[0] for option, values in options.items()})
            fitted.fit(rows, targets)
        found[name] = (fitted.predict(codes) != labels).astype(np.float64)
    return found


def _limit_neighbours(options: dict[str, list[Any]], parts: list[tuple[NDArray, NDArray]]) -> dict[str, list[Any]]:
    """The options without numbers of neighbours that exceed a fold's training data; one neighbour if none is left."""
    most = min(len(others) for others, _ in parts)
    possible = [num for num in options.get("n_neighbors", []) if num <= most] or [1]
    return options | ({"n_neighbors": possible} if "n_neighbors" in options else {})


def _choose_few(draws: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """At most `MOST` of the labelled data, as many of each class as its share."""
    if len(y) <= MOST:
        return draws, y
    state = sklearn_seed("few labels")
    data, _ = train_test_split(np.arange(len(y)), train_size=MOST, stratify=y, random_state=state)
    return draws[:, data], y[data]


def _searches(rows: NDArray, num_draws: int) -> dict[str, Search]:
    """The classifiers; neighbours are counted in data, and gamma in 1 / (D times the variance of the codes)."""
    scale = 1 / max(rows.shape[1] * rows.var(), 1e-12)
    return {
        "knn": Search(KNeighborsClassifier(algorithm="brute"), {"n_neighbors": [num_draws, 1, 3 * num_draws]}),
        "logistic": Search(LogisticRegression(max_iter=1000), {"C": [1.0, 0.01, 0.1, 10.0]}),
        "svm": Search(SVC(kernel="rbf"), {"C": [10.0, 1.0, 100.0], "gamma": [scale * g for g in (0.5, 0.2, 1.0, 2.0)]}),
    }
