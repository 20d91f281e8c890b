"""The shape of the tail of importance weights."""

import numpy as np
import pytest
import torch
from scipy.stats import genpareto

from elbolab.metrics.pareto import fit_shape, tail_shape


@pytest.mark.parametrize("shape", [-0.3, 0.1, 0.5, 0.7, 1.5])
def test_the_shape_of_a_generalised_pareto_distribution_is_found(shape):
    """200 fits of 5,000 draws; their mean is the shape within 5 standard errors, whatever the scale."""
    drawn = genpareto.rvs(shape, scale=3.0, size=(5_000, 200), random_state=np.random.default_rng(0))
    fitted = fit_shape(torch.from_numpy(np.sort(drawn, axis=0)))
    assert abs(fitted.mean() - shape) < 5 * fitted.std() / 200**0.5
    assert fitted.std() < 1.3 * (1 + shape) / 5_000**0.5  # the deviation of the best estimator, asymptotically


@pytest.mark.parametrize("shape", [0.3, 0.9])
def test_it_is_fitted_to_the_largest_weights_and_drawn_to_a_half(shape):
    """Of 10,000 weights the 300 largest, which count as 300 to the prior's 10."""
    weights = genpareto.rvs(shape, size=(10_000, 100), random_state=np.random.default_rng(1))
    khat = tail_shape(torch.from_numpy(weights).log() - 800)  # weights that underflow
    expected = (300 * shape + 5) / 310
    assert abs(khat.mean() - expected) < 5 * khat.std() / 10 + 0.005
    largest = torch.from_numpy(np.sort(weights, axis=0)[-301:])
    fitted = fit_shape(largest[1:] - largest[0])
    torch.testing.assert_close(khat, (300 * fitted + 5) / 310, rtol=0, atol=1e-4)


def test_an_exponential_tail_has_shape_zero():
    """The weights of log-weights that are exponential with mean k have the shape k: a Pareto tail."""
    log_w = torch.empty(20_000, 50, dtype=torch.float64).exponential_(
        1 / 0.8, generator=torch.Generator().manual_seed(0)
    )
    khat = tail_shape(log_w)
    assert khat.mean().item() == pytest.approx((425 * 0.8 + 5) / 435, abs=5 * khat.std().item() / 50**0.5 + 0.01)


def test_extreme_weights_have_a_finite_shape():
    torch.manual_seed(0)
    assert (tail_shape(torch.zeros(100, 2)) < 0).all()
    huge = tail_shape(torch.randn(100, 2) * 1e4)
    assert huge.isfinite().all()
    assert (huge > 5).all()
    assert tail_shape(torch.zeros(24, 2)).isnan().all()
