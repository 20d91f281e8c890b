"""Annealed importance sampling where log p(x) is known."""

from functools import partial

import pytest
import torch
from tests.helpers import linear_gaussian, mlp, regression, small_densities

from elbolab.densities.latents import Undefined
from elbolab.densities.layer import Layer
from elbolab.distributions.conditional import Head
from elbolab.distributions.hypersphere import Hypersphere, VonMisesFisherFamily
from elbolab.distributions.priors import Mixture
from elbolab.distributions.universal import Universal
from elbolab.evaluation.annealed import Annealing, Target, move, schedule, temper


@pytest.fixture
def toy(float64):
    return linear_gaussian(num=20)


def with_implicit_posterior(densities):
    posterior = Universal((densities.spec.x,), (2,), mlp(5), num_noise=3)
    return Layer(densities.spec, (2,), densities.prior, posterior, densities.likelihood)


@pytest.mark.parametrize("of", [lambda rough: rough, with_implicit_posterior], ids=["normal", "implicit"])
def test_it_finds_the_evidence_whatever_the_posterior(of, toy):
    annealing = Annealing(num_temperatures=300, num_chains=8, num_leapfrog=5)
    torch.manual_seed(0)
    error = annealing.bracket(of(toy.rough), toy.x).lower - toy.evidence.log_prob(toy.x)
    assert abs(error.mean()) < 0.05
    assert error.square().mean().sqrt() < 0.3


def test_the_bracket_holds_the_evidence_of_simulated_data(toy):
    torch.manual_seed(0)
    latents = toy.rough.imagine((15,))
    x = toy.rough.likelihood_of(latents).sample()
    for num_temperatures, gap in ((5, None), (300, 0.2)):
        annealing = Annealing(num_temperatures=num_temperatures, num_chains=8, num_leapfrog=8)
        lower, upper, _ = annealing.bracket(toy.rough, x, exact=latents)
        evidence = toy.evidence.log_prob(x)
        assert (lower - evidence).mean() < 0.1
        assert (upper - evidence).mean() > -0.1
        if gap is not None:
            assert (upper - lower).mean() < gap


def test_weights_are_unbiased_with_few_temperatures(toy):
    """E w = p(x) whatever the schedule: 20,000 chains of one datum."""
    torch.manual_seed(0)
    target = Target(toy.rough, toy.x[:1], ())
    steps = torch.full((3, 1), 0.15)
    run = temper(target, target.draw_prior((20_000, 1)), schedule(4), steps, num_leapfrog=3)
    weights = (run.log_w[:, 0] - toy.evidence.log_prob(toy.x[:1])).exp()
    assert abs(weights.mean() - 1) < 5 * weights.std() / 20_000**0.5


def test_a_move_leaves_its_density_as_it_is(toy):
    """Draws of p(z | x) stay draws of it."""
    torch.manual_seed(0)
    x = toy.x[:1]
    z = toy.exact.posterior(x).sample((20_000,))
    moved, acceptance = move(Target(toy.exact, x, ()), z, 1.0, torch.tensor([0.25]), 3)
    assert 0.3 < acceptance.mean() < 0.99
    assert (moved - z).norm(dim=-1).mean() > 0.1
    expected = toy.exact.posterior(x)
    error = (moved.mean((0, 1)) - expected.mean[0]) / (moved.std(0)[0] / 20_000**0.5)
    assert error.abs().max() < 5
    torch.testing.assert_close(moved[:, 0].T.cov(), expected.covariance_matrix[0], rtol=0.05, atol=0.005)


def test_a_model_without_continuous_latents_has_none():
    with pytest.raises(Undefined):
        Annealing().bracket(regression(), torch.zeros(2, 6), torch.eye(3)[:2])


def test_a_model_whose_latents_lie_on_a_sphere_has_none():
    densities = small_densities(
        latent_dim=3, prior=Hypersphere, posterior=partial(Head, net=mlp(5), family=VonMisesFisherFamily)
    )
    with pytest.raises(Undefined, match="sphere"):
        Annealing().bracket(densities, torch.zeros(2, 6))


def test_numbers_below_one_are_refused():
    for name in ("num_temperatures", "num_chains", "num_leapfrog", "limit", "num_simulated"):
        with pytest.raises(ValueError, match=name):
            Annealing(**{name: 0})


def test_a_prior_whose_draws_have_no_gradient_will_do(toy):
    """Chains move by the gradient in z: a mixture of components that are all N(0, I)."""
    toy.rough.prior = Mixture((), (2,), num_components=3, spread=0.0)
    torch.manual_seed(0)
    annealing = Annealing(num_temperatures=300, num_chains=8, num_leapfrog=5)
    error = annealing.bracket(toy.rough, toy.x).lower - toy.evidence.log_prob(toy.x)
    assert abs(error.mean()) < 0.05
