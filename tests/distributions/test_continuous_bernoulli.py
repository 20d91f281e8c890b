import numpy as np
import pytest
import torch
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli

from elbolab.distributions.continuous_bernoulli import ContinuousBernoulli, inverse_cdf

LOGITS = [0.0, 1e-9, -1e-4, 0.0999, 0.1001, -0.5, 3.0, -20.0, 60.0, 700.0]


@pytest.fixture
def logits():
    return torch.tensor(LOGITS, requires_grad=True)


def test_integrates_to_one_at_every_logit(logits):
    points, weights = map(torch.as_tensor, np.polynomial.legendre.leggauss(400))
    density = ContinuousBernoulli(logits).log_prob((points.unsqueeze(1) + 1) / 2).exp()
    assert torch.allclose(weights / 2 @ density, torch.ones(len(LOGITS)), rtol=1e-11)


def test_score_is_value_minus_mean(logits):
    # The family is exponential with statistic x, so d log p(x) / d logit = x - mean.
    p = ContinuousBernoulli(logits)
    (score,) = torch.autograd.grad(p.log_prob(torch.full_like(logits, 0.3)).sum(), logits)
    assert torch.allclose(score, 0.3 - p.mean, rtol=0, atol=1e-11)


def test_mean_near_one_half_has_no_jump():
    logits = torch.linspace(-0.11, 0.11, 4001)
    mean = ContinuousBernoulli(logits).mean
    assert torch.allclose(mean, 0.5 + logits / 12 - logits**3 / 720 + logits**5 / 30240, rtol=0, atol=1e-11)


def test_agrees_with_torch_where_torch_is_exact():
    logits = torch.tensor([-5.0, -0.5, 0.5, 5.0])
    ours, theirs = ContinuousBernoulli(logits), TorchContinuousBernoulli(logits=logits)
    x = torch.linspace(0, 1, 7).unsqueeze(1)
    assert torch.allclose(ours.log_prob(x), theirs.log_prob(x))
    assert torch.allclose(ours.mean, theirs.mean)


def test_float32_keeps_its_digits_at_large_logits():
    logits = torch.tensor([20.0, 100.0, 1000.0])
    x = torch.tensor(0.99)
    exact, single = ContinuousBernoulli(logits).log_prob(x), ContinuousBernoulli(logits.float()).log_prob(x.float())
    assert torch.allclose(single.double(), exact, atol=1e-4)


@pytest.mark.parametrize("logit", [-30.0, -3.0, -0.05, -1e-3, 1e-3, 0.05, 3.0, 30.0])
def test_draws_invert_the_distribution_function(logit):
    """P(X <= x) = (exp(l x) - 1) / (exp(l) - 1), close to logit 0 too, where the draws are nearly uniform."""
    u = torch.linspace(0.001, 0.999, 99)
    x = inverse_cdf(torch.tensor(logit).expand(99), u)
    assert torch.allclose(torch.expm1(logit * x) / np.expm1(logit), u, rtol=0, atol=1e-9)


def test_draws_stay_finite_at_every_logit(logits):
    x = ContinuousBernoulli(logits.float()).sample((10_000,))
    assert ((x >= 0) & (x <= 1)).all()
