import numpy as np
import pytest

from elbolab.metrics.disentanglement.factors import Split, split_rows
from elbolab.metrics.disentanglement.sap import r_squared, sap, svm_accuracy


def test_a_perfect_code_scores_one(perfect_case):
    assert sap(*perfect_case, seed=0) > 0.95


def test_a_constant_code_scores_zero(constant, factors):
    assert sap(constant, factors, seed=0) < 1e-12
    assert sap(constant * 1e9, factors, seed=0) < 1e-12


def test_a_duplicated_code_scores_zero(duplicated, factors):
    assert sap(duplicated, factors, seed=0) == pytest.approx(0.0, abs=1e-12)


def test_a_rotated_code_scores_low(rotated, factors):
    assert sap(rotated, factors, seed=0) < 0.1


def test_an_independent_code_scores_near_zero(independent, factors):
    assert sap(independent, factors, seed=0) < 0.03


def test_r_squared_is_the_squared_correlation(independent, factors):
    codes = independent + factors
    parts = split_rows(codes, factors, seed=0, num_train=800, num_test=400)
    expected = np.corrcoef(parts.train_codes.T, parts.train_factors.T)[:3, 3:] ** 2
    np.testing.assert_allclose(r_squared(parts), expected, atol=1e-12)


def test_svm_accuracy_of_a_binary_factor_is_one_and_chance(rng):
    v = rng.integers(2, size=(400, 1))
    codes = np.hstack([2.0 * v - 1, rng.normal(size=(400, 1))])
    matrix = svm_accuracy(Split(codes[:200], v[:200], codes[200:], v[200:]))
    assert matrix[0, 0] == 1.0
    assert matrix[1, 0] == pytest.approx(0.5, abs=0.12)


def test_svm_accuracy_is_of_the_test_part(rng):
    v = rng.integers(2, size=(200, 1))
    assert svm_accuracy(Split(2.0 * v - 1, v, 2.0 * v - 1, 1 - v)).item() == 0.0


def test_a_factor_without_an_order_is_found_by_an_svm_and_not_by_r_squared(rng):
    """A code that tells three classes apart, in another order than that of their numbers."""
    v = rng.integers(3, size=(900, 1))
    codes = np.hstack([np.array([0.0, 2.0, 1.0])[v], rng.normal(size=(900, 1))])
    assert sap(codes, v, seed=0) < 0.4
    assert sap(codes, v, seed=0, score=svm_accuracy) > 0.5


def test_the_predictor_can_be_chosen(rng):
    v = rng.integers(2, size=(400, 2))
    assert sap(2.0 * v - 1, v, seed=0, score=svm_accuracy) == pytest.approx(0.5, abs=0.12)


def test_a_factor_of_one_value_among_the_training_data_is_guessed():
    """Nothing can be fitted to it; the only value that was seen is right as often as it occurs."""
    parts = Split(np.zeros((4, 1)), np.zeros((4, 1), int), np.zeros((4, 1)), np.array([[0], [0], [0], [1]]))
    assert svm_accuracy(parts) == pytest.approx(0.75)
