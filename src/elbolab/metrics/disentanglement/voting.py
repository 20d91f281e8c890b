"""Scores by naming the factor that a group of data has in common: beta-VAE's and FactorVAE's.

Shapes: N = data, D = dimensions of the code, F = factors, V = votes. The chance level of both is 1 / F, F counting the
factors that vary.
"""

from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from elbolab.common.rng import numpy_generator
from elbolab.metrics.disentanglement.factors import check_rows, varying_factors


@final
class SameValue:
    """Draws rows that share a factor's value.

    Args:
        labels: values of one factor, (N,) in 0 ... K - 1, each value present.
    """

    def __init__(self, labels: NDArray) -> None:
        self.labels = labels
        self.order = np.argsort(labels, kind="stable")
        self.counts = np.bincount(labels)
        self.starts = np.cumsum(self.counts) - self.counts

    def draw_partners(self, rows: NDArray, rng: Generator) -> NDArray:
        """For each of ``rows``, a row drawn uniformly from those of the same value."""
        values = self.labels[rows]
        return self.order[self.starts[values] + rng.integers(self.counts[values])]


def beta_vae_score(
    codes: NDArray,
    factors: NDArray,
    *,
    seed: int,
    num_train: int = 10_000,
    num_eval: int = 5_000,
    num_pairs: int = 64,
) -> float:
    """Accuracy of a linear classifier that names the shared factor from the mean absolute difference of paired codes.

    Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework",
    section 3. A constant code scores chance, 1 / F. A rotated code is hardly punished, because the classifier sees all
    dimensions at once: a perfect code, rotated by a large angle, scored 0.94, and 0.51 in FactorVAE's score.

    Args:
        codes: (N, D).
        factors: (N, F) int; constant factors are never the shared one.
        seed: of the votes.
        num_train: votes the classifier is fitted to.
        num_eval: votes it is scored on.
        num_pairs: pairs in a vote.

    Raises:
        ValueError: the rows do not match, or fewer than two factors vary.
    """
    rng, groups = numpy_generator("beta-VAE score", seed), _groups(codes, factors)
    train_x, train_k = _differences(codes, groups, rng, num_train, num_pairs)
    eval_x, eval_k = _differences(codes, groups, rng, num_eval, num_pairs)
    classifier = LogisticRegression(max_iter=1000).fit(train_x, train_k)
    return float(np.mean(classifier.predict(eval_x) == eval_k))


def factor_vae_score(
    codes: NDArray,
    factors: NDArray,
    *,
    seed: int,
    num_train: int = 10_000,
    num_eval: int = 5_000,
    num_data: int = 64,
    min_std: float = 0.05,
) -> float:
    """Accuracy of naming the shared factor from the dimension whose relative variance is least, by majority vote.

    Kim and Mnih 2018, "Disentangling by Factorising", section 4, with dimensions of standard deviation below
    ``min_std`` left out. As in Locatello et al. 2019, a code with no other dimension scores 0, not chance.

    Args:
        codes: (N, D).
        factors: (N, F) int; constant factors are never the shared one.
        seed: of the votes.
        num_train: votes from which each dimension learns its factor.
        num_eval: votes it is scored on.
        num_data: data in a vote.
        min_std: dimensions below it count as collapsed to the prior.

    Raises:
        ValueError: the rows do not match, or fewer than two factors vary.
    """
    rng, groups = numpy_generator("FactorVAE score", seed), _groups(codes, factors)
    scale = codes.std(axis=0, ddof=1)
    relative = codes[:, scale >= min_std] / scale[scale >= min_std]
    if relative.shape[1] == 0:
        return 0.0
    factor_of = _votes(relative, groups, rng, num_train, num_data).argmax(axis=0)
    votes = _votes(relative, groups, rng, num_eval, num_data)
    return float(votes[factor_of, np.arange(votes.shape[1])].sum() / num_eval)


def _groups(codes: NDArray, factors: NDArray) -> list[SameValue]:
    """The groups of data that share a value, for each factor that varies."""
    check_rows(codes, factors)
    labels = varying_factors(factors)
    if labels.shape[1] < 2:
        raise ValueError("naming the shared factor needs at least two factors that vary; these data have one")
    return [SameValue(column) for column in labels.T]


def _differences(
    codes: NDArray, groups: list[SameValue], rng: Generator, num_votes: int, num_pairs: int
) -> tuple[NDArray, NDArray]:
    """Mean |z - z'| over pairs that share factor k, (V, D), and k, (V,)."""
    shared = rng.integers(len(groups), size=num_votes)
    differences = []
    for k in shared:
        first = rng.integers(len(codes), size=num_pairs)
        differences.append(np.abs(codes[first] - codes[groups[k].draw_partners(first, rng)]).mean(axis=0))
    return np.stack(differences), shared


def _votes(relative: NDArray, groups: list[SameValue], rng: Generator, num_votes: int, num_data: int) -> NDArray:
    """How often dimension d varied least when factor k was shared, (F, D)."""
    votes = np.zeros((len(groups), relative.shape[1]), dtype=np.int64)
    for k in rng.integers(len(groups), size=num_votes):
        first = np.broadcast_to(rng.integers(len(relative)), num_data)
        votes[k, relative[groups[k].draw_partners(first, rng)].var(axis=0).argmin()] += 1
    return votes
