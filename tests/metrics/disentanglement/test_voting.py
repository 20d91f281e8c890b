from functools import partial

import numpy as np
import pytest

from elbolab.metrics.disentanglement.voting import SameValue, beta_vae_score, factor_vae_score

CHANCE = 1 / 3
beta = partial(beta_vae_score, seed=0, num_train=300, num_eval=300)
factor = partial(factor_vae_score, seed=0, num_train=300, num_eval=300)


@pytest.mark.parametrize("score", [beta, factor])
def test_a_perfect_code_scores_one(score, perfect_case):
    assert score(*perfect_case) > 0.95


@pytest.mark.parametrize("score", [beta, factor])
def test_a_duplicated_code_still_names_its_factors(score, duplicated, factors):
    assert score(duplicated, factors) > 0.95


@pytest.mark.parametrize("score", [beta, factor])
def test_an_independent_code_scores_chance(score, independent, factors):
    # 300 votes: 3.3 standard errors
    assert score(independent, factors) == pytest.approx(CHANCE, abs=0.09)


def test_beta_vae_score_of_a_constant_code_is_chance(constant, factors):
    assert beta(constant, factors) == pytest.approx(CHANCE, abs=0.09)


def test_factor_vae_score_of_a_collapsed_code_is_zero(constant, factors, independent):
    assert factor(constant, factors) == 0.0
    assert factor(0.049 * independent / independent.std(0), factors) == 0.0


def test_factor_vae_score_compares_relative_variances(factors, perfect, rng):
    # in absolute terms the second dimension would always vary least
    noisy = perfect + 0.3 * rng.normal(size=perfect.shape)
    assert factor(noisy * [100.0, 0.1, 100.0], factors) > 0.95


def test_a_code_of_one_factor_names_that_factor_only(perfect, factors):
    assert factor(perfect[:, :1], factors) == pytest.approx(CHANCE, abs=0.09)


def test_a_rotated_code_is_punished_by_factor_vae_score_alone(rotated, factors):
    # four seeds gave 0.45 to 0.52, and 0.93 to 0.96
    assert factor(rotated, factors) < 0.7
    assert beta(rotated, factors) > 0.9


@pytest.mark.parametrize("score", [beta_vae_score, factor_vae_score])
def test_a_score_is_of_other_votes_than_those_it_was_learned_from(score, factors, rng):
    """Eight votes on 30 dimensions of noise can be learned by heart."""
    noise = rng.normal(size=(len(factors), 30))
    assert score(noise, factors, seed=0, num_train=8, num_eval=300) == pytest.approx(CHANCE, abs=0.09)


def test_a_dimension_is_collapsed_by_its_deviation(factors, perfect, rng):
    """A deviation of 0.06 is above 0.05, and its square is not; beside a dimension of noise."""
    small = 0.06 * perfect / perfect.std(0)
    assert factor(small, factors) > 0.95


@pytest.mark.parametrize("score", [beta, factor])
def test_one_factor_is_refused(score, perfect, factors):
    with pytest.raises(ValueError, match="at least two factors"):
        score(perfect, factors[:, :1])


@pytest.mark.parametrize("score", [beta, factor])
def test_the_seed_decides(score, rotated, factors):
    noisy = rotated + np.random.default_rng(1).normal(size=rotated.shape)
    assert score(noisy, factors) == score(noisy, factors)
    assert score(noisy, factors) != score(noisy, factors, seed=1)


def test_partners_share_the_value_and_are_uniform(rng):
    labels = np.array([2, 0, 1, 0, 2, 0])
    rows = np.zeros(3000, dtype=int)
    partners = SameValue(labels).draw_partners(rows + 1, rng)
    assert set(partners) == {1, 3, 5}
    # 5 standard errors of a count of 3000 / 3
    np.testing.assert_allclose(np.bincount(partners)[[1, 3, 5]], 1000, atol=130)
    assert set(SameValue(labels).draw_partners(rows, rng)) == {0, 4}
