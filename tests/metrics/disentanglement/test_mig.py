import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from elbolab.metrics.disentanglement.mig import mig, mutual_information, to_bins


def test_a_perfect_code_has_a_gap_of_one(perfect_case):
    assert mig(*perfect_case) > 0.95


def test_a_constant_code_has_no_gap(constant, factors):
    assert mig(constant, factors) == 0.0


def test_a_duplicated_code_has_no_gap(duplicated, factors):
    assert mig(duplicated, factors) == 0.0


def test_an_independent_code_has_no_gap(independent, factors):
    assert mig(independent, factors) < 0.05


def test_a_rotated_code_has_a_small_gap(rotated, factors):
    assert mig(rotated, factors) < 0.4


def test_one_dimension_is_compared_with_nothing(perfect, factors):
    assert mig(perfect[:, :1], factors[:, :1]) == pytest.approx(1.0)


def test_half_the_bits_give_half_the_gap(factors):
    v = np.arange(4 * 100) % 4
    codes = np.stack([v, v // 2], axis=1).astype(float)
    assert mig(codes, v[:, None]) == pytest.approx(0.5)


def test_it_is_a_mean_of_ratios():
    """Of 2 and of 16 values, the second alone in the code: 0 and 1, and not log 16 / (log 2 + log 16)."""
    small, large = np.arange(320) % 2, np.arange(320) // 2 % 16
    assert mig(large[:, None].astype(float), np.stack([small, large], axis=1)) == pytest.approx(0.5, abs=1e-6)


def test_a_gap_is_within_a_factor_over_dimensions(factors, perfect):
    """Two dimensions of one factor, none of the others."""
    codes = np.stack([perfect[:, 0], perfect[:, 0] // 2], axis=1)
    assert mig(codes, factors[:, :1]) == pytest.approx(0.5, abs=1e-6)


def test_a_factor_of_unequal_values_has_its_entropy():
    """A perfect code of a factor that is nearly always 0 has a gap of one too."""
    v = (np.arange(400) % 20 == 0).astype(int)[:, None]
    assert mig(v.astype(float), v) == pytest.approx(1.0)


def test_information_is_scikit_learns(rng):
    a, b = rng.integers(6, size=500), rng.integers(3, size=500)
    b[:250] = a[:250] // 2
    assert mutual_information(a, b) == pytest.approx(mutual_info_score(a, b), abs=1e-12)


def test_bins_are_those_of_a_histogram(rng):
    values = rng.normal(size=1000)
    assert np.array_equal(np.bincount(to_bins(values, 20), minlength=20), np.histogram(values, 20)[0])


def test_rows_that_do_not_match_are_refused(perfect, factors):
    with pytest.raises(ValueError, match="of the same data"):
        mig(perfect[1:], factors)


def test_factors_that_never_vary_are_refused(perfect, factors):
    with pytest.raises(ValueError, match="no factor varies"):
        mig(perfect, np.zeros_like(factors))
