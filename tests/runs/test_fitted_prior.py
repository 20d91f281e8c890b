"""Priors that are fitted to codes afterwards, and runs that have them."""

from functools import partial

import pytest
import torch
from scipy.stats import multivariate_normal
from tests.densities.registry import DENSITIES
from tests.helpers import mlp, refused, regression, small_cvae, small_densities, small_gsnn
from tests.models.registry import autoencoder, batch_for, binary, labelled, make

from elbolab.densities.wiring import replace_prior
from elbolab.distributions.conditional import Head
from elbolab.distributions.family import Bernoulli
from elbolab.distributions.priors import FittedMixture, FixedBernoulli
from elbolab.runs.fitted_prior import REGULARISATION, check_codes, draw_codes, fit_mixture

PROBS = torch.tensor([0.2, 0.5, 0.3])
LOC = torch.tensor([[-20.0, 0.0, 3.0], [0.0, 20.0, -2.0], [20.0, 5.0, 0.0]])
FACTORS = torch.tensor(
    [
        [[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.2, 2.0]],
        [[0.3, 0.0, 0.0], [-0.5, 1.5, 0.0], [0.0, 1.0, 0.4]],
        [[2.0, 0.0, 0.0], [0.0, 0.2, 0.0], [1.0, -0.1, 0.7]],
    ]
)
COVARIANCES = FACTORS @ FACTORS.mT


def mixture():
    found = FittedMixture((), (3,), 3).double()
    found.assign(PROBS, LOC, COVARIANCES)
    return found.marginal()


def codes(num=400):
    return torch.randn(num, 3, dtype=torch.float64) @ FACTORS[0].double() + LOC[0]


def test_the_density_of_a_fitted_mixture_is_that_of_its_parts():
    z = mixture().sample((50,))
    parts = zip(PROBS, LOC, COVARIANCES, strict=True)
    expected = sum(w.item() * multivariate_normal(loc, covariance).pdf(z.numpy()) for w, loc, covariance in parts)
    torch.testing.assert_close(mixture().log_prob(z).exp(), torch.as_tensor(expected), rtol=1e-5, atol=0)


def test_draws_of_a_fitted_mixture_have_its_weights_means_and_covariances():
    num = 40_000
    z = mixture().sample((num,))
    part = (z[:, None] - LOC).norm(dim=-1).argmin(1)  # the parts are far from each other
    for m in range(3):
        own = z[part == m]
        assert len(own) / num == pytest.approx(PROBS[m].item(), abs=5 * 0.5 / num**0.5)
        assert ((own.mean(0) - LOC[m]).abs() < 5 * own.std(0) / len(own) ** 0.5).all()
        scale = COVARIANCES[m].diagonal().sqrt()
        assert ((own.T.cov() - COVARIANCES[m]).abs() < 8 * scale[:, None] * scale / len(own) ** 0.5).all()


def test_one_normal_has_the_mean_and_the_covariance_of_the_codes(float64):
    z = codes()
    prior = fit_mixture(z, 1, seed=0)
    added = REGULARISATION * z.var(0).mean() * torch.eye(3)
    torch.testing.assert_close(prior.loc[0], z.mean(0))
    torch.testing.assert_close(prior.scale_tril[0] @ prior.scale_tril[0].T, z.T.cov(correction=0) + added)
    assert prior.probs.item() == pytest.approx(1)


def test_parts_that_are_far_from_each_other_are_found(float64):
    """Each has the share, the mean and the covariance of the codes that lie there."""
    z = mixture().sample((600,)).double()
    part, prior = (z[:, None] - LOC).norm(dim=-1).argmin(1), fit_mixture(z, 3, seed=1)
    for m in range(3):
        found, own = (prior.loc - LOC[m]).norm(dim=1).argmin(), z[part == m]
        assert prior.probs[found].item() == pytest.approx(len(own) / 600)
        torch.testing.assert_close(prior.loc[found], own.mean(0))
        covariance = prior.scale_tril[found] @ prior.scale_tril[found].T
        torch.testing.assert_close(covariance, own.T.cov(correction=0), rtol=1e-4, atol=2e-3)


def test_a_dimension_that_carries_nothing_and_codes_of_any_scale_are_fitted(float64):
    z = 1e-5 * codes()
    z[:, 1] = 0.25
    prior = fit_mixture(z, 2, seed=0)
    assert prior.marginal().log_prob(z).isfinite().all()
    torch.testing.assert_close(prior.probs @ prior.loc, z.mean(0))


def test_a_fit_is_that_of_its_seed():
    z = mixture().sample((90,)).double()
    first, again, other = (fit_mixture(z, 5, seed).loc for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_codes_without_noise_are_those_of_the_encoder():
    layer = autoencoder()
    batch = batch_for(make("ae"))
    found = draw_codes(layer, [batch, batch], seed=0)
    assert found.dtype is torch.float64
    torch.testing.assert_close(found.float(), layer.encode(batch.x).detach().repeat(2, 1))


def test_codes_with_noise_are_draws_of_the_aggregate_posterior():
    layer, batch = small_densities(), batch_for(make("vae"))
    draws = torch.stack([draw_codes(layer, [batch], seed) for seed in range(400)])
    q = layer.posterior(batch.x)
    assert ((draws.mean(0) - q.mean).abs() < 5 * q.stddev / 20).all()
    assert ((draws.std(0) / q.stddev - 1).abs() < 5 / 800**0.5).all()
    assert torch.equal(draws[3], draw_codes(layer, [batch], 3))


def test_the_elbo_rises_with_a_prior_that_fits_the_codes(float64):
    """By the same draws; of all normals the fitted one makes them most probable."""
    layer, x = small_densities().double(), batch_for(make("vae"), 200).x
    z = draw_codes(layer, [batch_for(make("vae"), 200)], seed=0)
    fitted = replace_prior(layer, fit_mixture(z, 1, seed=0))
    torch.manual_seed(4)
    before = layer.terms(x).elbo.mean()
    torch.manual_seed(4)
    assert fitted.terms(x).elbo.mean() > before
    assert (fitted.posterior, fitted.likelihood) == (layer.posterior, layer.likelihood)


@pytest.mark.parametrize(
    ("densities", "message"),
    [
        (regression, "one layer of latents, and this model has none.*model=rae"),
        (small_gsnn, "one layer of latents, and this model has none.*model=rae"),
        (labelled, "one layer of latents, and this model has none.*model=rae"),
        (DENSITIES["bottom-up"], "one layer of latents.*or several.*densities=single_layer"),
        (small_cvae, "these data have some.*data.given=none"),
        (binary, "discrete codes.*posterior=diagonal_normal"),
        (
            partial(
                small_densities,
                prior=partial(FixedBernoulli, probability=0.5),
                posterior=partial(Head, net=mlp(5), family=Bernoulli),
            ),
            "discrete codes.*posterior=diagonal_normal",
        ),
    ],
)
def test_models_without_codes_of_that_kind_are_refused(densities, message):
    with refused(message):
        check_codes(densities())


def test_codes_that_cannot_be_fitted_are_refused():
    z = codes(5)
    with refused("components=6: the 5 training data have 5 different code.*components=5 at most"):
        fit_mixture(z, 6, seed=0)
    with refused("components=3: the 10 training data have 2 different code.*components=2 at most"):
        fit_mixture(z[:2].repeat(5, 1), 3, seed=0)
    with refused("components=1: the 5 training data have 1 different code"):
        fit_mixture(torch.zeros(5, 3), 1, seed=0)
    with refused("shape .2, 3.*densities.latent_dim=6"):
        FittedMixture((), (2, 3), 4)
    with refused("num_components=0"):
        FittedMixture((), (2,), 0)
