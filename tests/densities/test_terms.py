"""The pieces of a bound by value: KLs without a closed form, and their sums."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.densities.registry import DENSITIES
from tests.helpers import mlp, small_densities
from torch.distributions import Independent, Normal

from elbolab.densities.latents import Latent, Latents, Undefined
from elbolab.densities.terms import Terms, negative_elbo, summary
from elbolab.distributions.conditional import Head
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.planar import GaussianRing
from elbolab.distributions.priors import Mixture

pytestmark = pytest.mark.usefixtures("float64")


def normal(mean, scale):
    return Independent(Normal(torch.as_tensor(mean), torch.as_tensor(scale)), 1)


def of_numbers(log_q, log_p):
    """A draw whose densities are known as numbers alone."""
    log_q, log_p = torch.tensor(log_q), torch.tensor(log_p)
    return Latent(torch.zeros(len(log_q), 1), drawn_log_q=log_q, drawn_log_p=log_p)


def mixture_of_two():
    """1/2 N(-2, 1) + 1/2 N(2, 1), on the line."""
    prior = Mixture((), (1,), num_components=2, spread=0.0)
    with torch.no_grad():
        prior.loc.copy_(torch.tensor([[-2.0], [2.0]]))
    return prior()


def kl_on_a_grid(q, p):
    """KL(q || p) of densities on the line by the trapezoidal rule, which is exact to rounding here."""
    z = torch.linspace(-20, 20, 20_001)[:, None]
    log_q, log_p = q.log_prob(z), p.log_prob(z)
    return torch.trapezoid(log_q.exp() * (log_q - log_p), z[:, 0])


def test_a_kl_without_a_closed_form_is_estimated_without_bias():
    """The sign, the scale and the expectation: E_q[log q(z) - log p(z)], against the integral."""
    q, p = normal([1.0], [0.5]), mixture_of_two()
    kl = Latent(q.sample((40_000,)), q, p).kl
    exact = kl_on_a_grid(q, p)
    assert exact > 0.5
    assert abs(kl.mean() - exact) < 5 * kl.std() / 40_000**0.5


PRIORS = {
    "mixture": partial(Mixture, num_components=3, spread=1.0),
    "ring": partial(GaussianRing, num_components=5, radius=2.0, radial_scale=0.5, tangential_scale=0.3),
}


@pytest.mark.parametrize("name", PRIORS)
def test_the_rate_of_a_prior_without_a_closed_form_is_what_the_draw_costs(name):
    densities = small_densities(prior=PRIORS[name])
    terms = densities.terms(torch.ones(4, 6), shape=(3,))
    (latent,) = terms.latents
    cost = densities.posterior(torch.ones(4, 6)).log_prob(latent.z) - densities.prior().log_prob(latent.z)
    torch.testing.assert_close(terms.rate, cost)
    torch.testing.assert_close(terms.elbo, terms.log_lik - cost)
    torch.testing.assert_close(terms.log_weight, terms.elbo)  # of one draw the weight is the estimate of the bound


def test_a_full_posterior_has_the_closed_form_that_its_draws_cost_in_mean():
    posterior = partial(Head, net=mlp(5), family=partial(FullNormal, min_scale=1e-6))
    terms = small_densities(posterior=posterior).terms(torch.ones(1, 6), shape=(40_000,))
    cost = -terms.latents[0].log_ratio
    assert abs(cost.mean() - terms.rate[0, 0]) < 5 * cost.std() / 40_000**0.5


def test_a_draw_with_numbers_of_its_own_costs_log_q_less_log_p():
    latent = of_numbers([1.0, 2.0], [-3.0, 0.5])
    assert latent.kl.tolist() == [4.0, 1.5]
    assert latent.log_ratio.tolist() == [-4.0, -1.5]


def test_a_draw_that_knows_its_density_is_not_costed_by_the_posterior():
    """As of a mixture of posteriors, or a flow: neither KL nor weight may look at q."""
    q, p = normal([[0.3]], [[0.5]]), normal([0.0], [1.0])
    latent = Latent(torch.full((3, 1, 1), 0.2), q, p, drawn_log_q=torch.full((3, 1), 7.0))
    expected = 7.0 - p.log_prob(latent.z)
    torch.testing.assert_close(latent.kl, expected)
    torch.testing.assert_close(latent.log_ratio, -expected)
    with pytest.raises(Undefined, match="no KL per dimension"):
        _ = latent.kl_per_dim


def test_a_prior_that_depends_on_the_draw_has_no_closed_form():
    q, p = normal([[0.3]], [[0.5]]), normal([[0.1]], [[1.0]])
    latent = Latent(torch.full((1, 1), 0.2), q, p, closed_form=False)
    torch.testing.assert_close(latent.kl, q.log_prob(latent.z) - p.log_prob(latent.z))


def test_a_latent_without_a_prior_has_no_rate_and_no_latents_cost_nothing():
    log_lik = torch.tensor([-1.0, -2.0])
    code = Terms(log_lik, Latents([Latent(torch.zeros(2, 1), normal([[0.0], [0.0]], [[1.0], [1.0]]))]))
    for name in ("rate", "elbo", "log_weight"):
        with pytest.raises(Undefined, match="no prior"):
            getattr(code, name)
    nothing = Terms(log_lik, Latents())
    assert torch.equal(nothing.rate, torch.zeros(2))
    assert torch.equal(nothing.elbo, log_lik)
    assert torch.equal(nothing.log_weight, log_lik)


@pytest.mark.parametrize("name", ["diagonal", "labelled", "stacked", "recurrent", "regression", "binary"])
def test_some_samples_of_some_data_weigh_as_they_do_among_all(name):
    """Importance sampling infers once and scores in chunks: of every model, however many latents it has."""
    densities = DENSITIES[name]().double().eval()
    x, given = torch.randint(2, (5, 6)).double(), [torch.eye(*s)[torch.arange(5) % 3] for s in densities.spec.given]
    latents = densities.infer(x, *given, shape=(7,))
    whole = densities.score(x, latents, *given).log_weight
    part = latents.at(slice(2, 6), slice(1, 4))
    found = densities.score(x[1:4], part, *(c[1:4] for c in given)).log_weight
    torch.testing.assert_close(found, whole[2:6, 1:4])


def test_some_samples_of_some_data_are_relaxed_and_penalised_as_all_are():
    q, p = normal([[0.0], [0.0]], [[1.0], [1.0]]), normal([0.0], [1.0])
    penalty = torch.arange(6.0).view(3, 2)
    latent = Latent(torch.zeros(3, 2, 1), q, p, is_relaxed=True, is_class=True, penalty=penalty)
    (part,) = Latents([latent]).at(slice(1, 3), slice(1, 2))
    assert (part.is_relaxed, part.is_class) == (True, True)
    assert torch.equal(part.penalty, penalty[1:3, 1:2])


def test_a_penalty_is_part_of_the_loss_and_of_nothing_else():
    latent = of_numbers([1.0, 2.0], [0.0, 0.0])
    terms = Terms(torch.tensor([-1.0, -2.0]), Latents([replace(latent, penalty=torch.tensor([10.0, 20.0]))]))
    assert negative_elbo(terms) == 3.0 + 15.0
    assert summary(terms) == summary(Terms(terms.log_lik, Latents([latent])))


def test_a_bound_of_several_latents_pays_for_all_of_them():
    log_lik = torch.tensor([-1.0, -2.0])
    first = of_numbers([1.0, 2.0], [0.0, 0.0])
    second = Latent(torch.zeros(2, 1), normal([[1.0], [0.0]], [[1.0], [1.0]]), normal([0.0], [1.0]))
    terms = Terms(log_lik, Latents([first, second]))
    torch.testing.assert_close(terms.rate, torch.tensor([1.5, 2.0]))
    torch.testing.assert_close(terms.elbo, torch.tensor([-2.5, -4.0]))
    torch.testing.assert_close(terms.log_weight, torch.tensor([-1.5, -4.0]))  # log p(0) / q(0) = 1/2 under a mean of 1
    assert summary(terms)["distortion"] == 1.5
    assert negative_elbo(terms) == 3.25


@pytest.mark.parametrize("lead", [(4,), (2, 4)])
@pytest.mark.parametrize("event", [(3,), (1, 2, 2)])
def test_a_kl_of_dimensions_has_the_batch_of_q_and_one_number_a_dimension(lead, event):
    """Also where q has several batch dimensions, as that of several corruptions, or a draw is an image."""
    loc, scale = torch.randn(*lead, *event), torch.rand(*lead, *event) + 0.5
    q = Independent(Normal(loc, scale), len(event))
    p = Independent(Normal(torch.zeros(event), torch.ones(event)), len(event))
    latent = Latent(q.rsample((5,)), q, p)
    expected = 0.5 * (loc.square() + scale.square() - 1) - scale.log()
    torch.testing.assert_close(latent.kl_per_dim, expected.flatten(len(lead)))
    torch.testing.assert_close(latent.kl, expected.flatten(len(lead)).sum(-1))
