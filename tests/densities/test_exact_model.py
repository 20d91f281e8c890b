"""On a linear-Gaussian VAE everything is known, so every bound can be held against the truth."""

import pytest
import torch
from tests.helpers import linear_gaussian

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture
def model(float64):
    return linear_gaussian()


def test_with_the_true_posterior_every_weight_is_the_evidence(model):
    log_weight = model.exact.terms(model.x, shape=(2, 3)).log_weight
    torch.testing.assert_close(log_weight, model.evidence.log_prob(model.x).expand(2, 3, -1), rtol=0, atol=1e-9)


def test_with_the_true_posterior_the_elbo_is_the_evidence_in_mean(model):
    elbo = model.exact.terms(model.x, shape=(20_000,)).elbo
    error = (elbo.mean(0) - model.evidence.log_prob(model.x)) / (elbo.std(0) / 20_000**0.5)
    assert error.abs().max() < 5


def test_bounds_are_ordered_and_reach_the_evidence(model):
    log_weight = model.rough.terms(model.x, shape=(40, 2_000)).log_weight
    bounds = [log_weight.mean((0, 1))]
    for k in (10, 2_000):
        groups = log_weight.unflatten(1, (-1, k))
        bounds.append((groups.logsumexp(2) - torch.tensor(float(k)).log()).mean((0, 1)))
    exact = model.evidence.log_prob(model.x)
    assert (bounds[0] < bounds[1]).all()
    assert (bounds[1] < bounds[2]).all()
    assert (bounds[2] < exact + 0.02).all()
    torch.testing.assert_close(bounds[2], exact, rtol=0, atol=0.05)


def test_the_gap_of_the_elbo_is_the_kl_to_the_true_posterior(model):
    from torch.distributions import MultivariateNormal, kl_divergence

    q, true = model.rough.posterior(model.x), model.exact.posterior(model.x)
    q = MultivariateNormal(q.mean, torch.diag_embed(q.base_dist.variance))
    w, s2 = model.w, 0.25
    quadratic = (q.covariance_matrix @ w.T @ w).diagonal(dim1=-2, dim2=-1).sum(-1) / (2 * s2)
    distortion = -model.rough.decode(q.mean).log_prob(model.x) + quadratic
    rate = model.rough.terms(model.x).rate
    gap = model.evidence.log_prob(model.x) - (-distortion - rate)
    torch.testing.assert_close(gap, kl_divergence(q, true), rtol=0, atol=1e-9)


def test_gradient_of_the_elbo_in_the_decoder_is_the_hand_derived_one(model):
    torch.manual_seed(3)
    terms = model.rough.terms(model.x)
    terms.elbo.sum().backward()
    likelihood, z = model.rough.likelihood, terms.latents[0].z.detach()
    residual = (model.x - z @ model.w.T - model.b) / 0.25
    torch.testing.assert_close(likelihood.weight.grad, residual.T @ z, rtol=0, atol=1e-9)
    torch.testing.assert_close(likelihood.bias.grad, residual.sum(0), rtol=0, atol=1e-9)


def test_gradient_of_the_elbo_in_the_encoder_is_the_hand_derived_one(model):
    """d ELBO / d mean of q, pathwise: W^T (x - W z - b) / s^2 - mean."""
    torch.manual_seed(3)
    terms = model.rough.terms(model.x)
    terms.elbo.sum().backward()
    z, mean = terms.latents[0].z.detach(), model.rough.encode(model.x).detach()
    in_mean = (model.x - z @ model.w.T - model.b) @ model.w / 0.25 - mean
    torch.testing.assert_close(model.rough.posterior.bias.grad, in_mean.sum(0), rtol=0, atol=1e-9)
    torch.testing.assert_close(model.rough.posterior.weight.grad, in_mean.T @ model.x, rtol=0, atol=1e-9)
