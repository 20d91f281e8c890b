from functools import partial

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from elbolab.metrics.disentanglement.dci import boosted_trees, concentration, dci, random_forest
from elbolab.metrics.disentanglement.factors import split_rows


def few_trees(seed):
    return random_forest(seed).set_params(n_estimators=10)


score = partial(dci, seed=0, trees=few_trees)


def test_a_perfect_code_scores_one(perfect_case):
    assert min(score(*perfect_case)) > 0.95


def test_a_constant_code_scores_zero_and_chance(constant, factors):
    disentanglement, completeness, informativeness = score(constant, factors)
    assert disentanglement == completeness == 0.0
    assert informativeness == pytest.approx(np.mean([1 / 4, 1 / 3, 1 / 5]), abs=0.06)


def test_a_duplicated_code_is_disentangled_but_not_complete(duplicated, factors):
    disentanglement, completeness, _ = score(duplicated, factors)
    assert disentanglement > 0.95
    # two of six dimensions share each factor; so few trees split the shares unevenly
    assert completeness == pytest.approx(1 - np.log(2) / np.log(6), abs=0.06)


def test_a_rotated_code_scores_low_but_informs(rotated, factors):
    disentanglement, completeness, informativeness = score(rotated, factors)
    assert disentanglement < 0.5
    assert completeness < 0.5
    assert informativeness > 0.6


def test_an_independent_code_scores_near_zero(independent, factors):
    disentanglement, completeness, informativeness = score(independent, factors)
    assert max(disentanglement, completeness) < 0.05
    assert informativeness < 0.4


def test_a_mixing_dimension_lowers_disentanglement_and_not_completeness():
    importances = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert concentration(importances) == pytest.approx(0.0)
    assert concentration(importances.T) == pytest.approx(1.0)


def test_rows_count_by_their_importance():
    importances = np.array([[3.0, 0.0], [0.5, 0.5]])
    assert concentration(importances) == pytest.approx(0.75)


def test_one_factor_cannot_be_confused(perfect, factors):
    assert score(perfect, factors[:, :1]).disentanglement == pytest.approx(1.0)


def test_the_seed_decides(rotated, factors):
    assert score(rotated, factors) == score(rotated, factors)
    assert score(rotated, factors) != score(rotated, factors, seed=1)


def test_the_trees_get_the_seed(perfect, factors):
    seeds = []
    dci(perfect, factors, seed=3, trees=lambda seed: seeds.append(seed) or few_trees(seed))
    assert seeds == [3, 3, 3]


def test_boosted_trees_see_a_perfect_code(perfect, factors):
    result = dci(perfect, factors, seed=0, trees=lambda seed: boosted_trees(seed).set_params(n_estimators=10))
    assert min(result) > 0.95


def test_the_recipes_make_fresh_classifiers():
    assert isinstance(boosted_trees(1), GradientBoostingClassifier)
    assert isinstance(random_forest(1), RandomForestClassifier)
    assert random_forest(1) is not random_forest(1)


@pytest.mark.parametrize("trees", [few_trees, boosted_trees])
def test_a_factor_of_one_value_among_the_training_data_has_no_importance(trees):
    """One datum of fifty has another value."""
    factors = np.stack([np.arange(50) % 2, np.arange(50) == 7], axis=1).astype(int)
    codes = np.random.default_rng(0).normal(size=(50, 2))
    seed = next(
        s
        for s in range(9)
        if not split_rows(codes, factors, seed=s, num_train=25, num_test=25).train_factors[:, 1].any()
    )
    assert np.isfinite(dci(codes, factors, seed=seed, num_train=25, num_test=25, trees=trees)).all()
