import numpy as np
import pytest

from elbolab.metrics.disentanglement.factors import gap, split_rows, varying_factors


def test_varying_drops_constants_and_relabels():
    factors = np.array([[5, 10, 3], [5, 30, 3], [5, 20, 4]])
    assert varying_factors(factors).tolist() == [[0, 0], [2, 0], [1, 1]]


def test_varying_refuses_constants():
    with pytest.raises(ValueError, match="nothing to disentangle"):
        varying_factors(np.ones((4, 2)))


def test_split_is_disjoint_and_keeps_rows_together():
    rows = np.arange(30)[:, None]
    parts = split_rows(rows, 2 * rows, seed=0, num_train=12, num_test=6)
    assert (len(parts.train_codes), len(parts.test_codes)) == (12, 6)
    assert not set(parts.train_codes.ravel()) & set(parts.test_codes.ravel())
    assert (parts.train_factors == 2 * parts.train_codes).all()
    assert (parts.test_factors == 2 * parts.test_codes).all()


def test_split_of_few_rows_keeps_the_proportion_and_uses_all():
    rows = np.arange(30)[:, None]
    parts = split_rows(rows, rows, seed=0, num_train=10_000, num_test=5_000)
    assert (len(parts.train_codes), len(parts.test_codes)) == (20, 10)


def test_gap_is_between_the_two_largest_of_a_column():
    assert gap(np.array([[0.1, 0.5], [0.7, 0.5], [0.4, 0.2]])).tolist() == pytest.approx([0.3, 0.0])
    assert gap(np.array([[0.7]])).tolist() == [0.7]
