"""Models of several layers: exact ones, reductions to one layer, and what is refused."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from tests.densities.registry import BITS_HEAD, NORMAL
from tests.helpers import BITS, LABELLED, adam, refused, small_densities
from tests.linear_hierarchy import SPEC, Z1, Z2, X, exact_models, fixed, linear_hierarchy
from torch.distributions import Independent, Normal, kl_divergence

from elbolab.batch import Batch
from elbolab.densities.hierarchy import BottomUp, bottom_up, two_layer
from elbolab.densities.latents import Latents, centre
from elbolab.distributions.conditional import StandardNormal
from elbolab.distributions.vamp import Vamp
from elbolab.models.costs import Capacity, FreeBits
from elbolab.models.iwae import IWAE
from elbolab.models.piwae import PIWAE
from elbolab.models.vae import VAE

VAMP = partial(Vamp, num_components=3, noise=0.1)
BOTH = pytest.mark.parametrize("wire", [bottom_up, two_layer])


def layers(wire, latent_dim=(3, 2), spec=BITS, prior=StandardNormal, **options):
    return wire(spec, latent_dim, prior, NORMAL, BITS_HEAD, inner=NORMAL, **options)


def bits(num=8):
    return torch.randint(2, (num, 6), generator=torch.Generator().manual_seed(5)).to(torch.get_default_dtype())


# -- one layer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [StandardNormal, VAMP])
@pytest.mark.parametrize("model", [VAE, partial(IWAE, num_samples=3)])
def test_one_layer_from_the_bottom_up_is_the_vae_to_the_bit(model, prior):
    outcomes = []
    for build in (partial(small_densities, prior=prior), partial(layers, bottom_up, [2], prior=prior)):
        torch.manual_seed(11)
        densities = build()
        densities.initialise(Batch(bits()), bits().mean(0))
        loss = model(densities=densities, optimizer=adam()).loss(Batch(bits()))
        loss.value.backward()
        drawn = densities.generate(3).mean
        outcomes.append([loss.value, drawn, *densities.parameters(), *(p.grad for p in densities.parameters())])
    assert len(outcomes[0]) == len(outcomes[1])
    assert all(map(torch.equal, *outcomes))


def test_one_layer_reports_no_rates_of_layers():
    assert layers(bottom_up, [2]).terms(bits()).layer_rates == {}


# -- where the evidence is known --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_with_the_true_posterior_every_weight_is_the_evidence(name):
    model = exact_models[name]()
    log_weight = model.densities.terms(model.x, shape=(2, 3)).log_weight
    torch.testing.assert_close(log_weight, model.evidence.log_prob(model.x).expand(2, 3, -1), rtol=0, atol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_the_bound_with_its_closed_kls_is_the_mean_weight(name):
    """Also of each layer, of 20,000 draws: a KL is closed only where its expectation is that of log q - log p."""
    model = exact_models[name](is_exact=False)
    torch.manual_seed(0)
    terms = model.densities.terms(model.x, shape=(20_000,))
    pairs = [(terms.elbo, terms.log_weight), *((latent.kl, -latent.log_ratio) for latent in terms.latents)]
    for closed, drawn in pairs:
        difference = closed - drawn
        error = difference.mean(0) / (difference.std(0) / 20_000**0.5).clamp(1e-12)
        assert error.abs().max() < 5
    gap = model.evidence.log_prob(model.x) - terms.elbo.mean(0)
    assert (gap > 0).all()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_bounds_are_ordered_and_below_the_evidence(name):
    """As every model minimises them: 2,000 bounds of each datum, in mean."""
    exact = exact_models[name](is_exact=False)
    batch = Batch(exact.x.repeat(2_000, 1))
    iwae = partial(IWAE, densities=exact.densities, optimizer=adam())
    piwae = PIWAE(num_samples=4, num_bounds=2, densities=exact.densities, optimizer=adam())
    torch.manual_seed(0)
    losses = {
        "elbo": VAE(densities=exact.densities, optimizer=adam()).loss(batch),
        "ciwae": iwae(num_samples=4, elbo_weight=0.5).loss(batch),
        "iwae, 4": iwae(num_samples=4).loss(batch),
        "iwae, 40": iwae(num_samples=40).loss(batch),
        "miwae": iwae(num_samples=4, num_bounds=2).loss(batch),
        "piwae": piwae.loss(batch),
    }
    bounds = {of: -loss.value.item() for of, loss in losses.items()}
    evidence = exact.evidence.log_prob(exact.x).mean().item()
    rising = [bounds[name] for name in ("elbo", "ciwae", "iwae, 4", "piwae", "iwae, 40")] + [evidence]
    assert all(higher - lower > 0.01 for lower, higher in pairwise(rising))
    assert bounds["miwae"] == pytest.approx(bounds["iwae, 4"], abs=0.1)
    assert bounds["iwae, 40"] == pytest.approx(evidence, abs=0.15)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_what_is_imagined_has_the_density_of_the_data(name):
    """Mean and covariance of 50,000 draws of x, at five standard errors."""
    model = exact_models[name]()
    torch.manual_seed(0)
    x = model.densities.generate(50_000).sample()
    expected = model.evidence.covariance_matrix
    error = (x.mean(0) - model.evidence.mean) / (expected.diagonal() / 50_000).sqrt()
    assert error.abs().max() < 5
    spread = (expected.diagonal()[:, None] * expected.diagonal() + expected.square()) / 50_000
    assert ((x.T.cov() - expected) / spread.sqrt()).abs().max() < 5


def by_the_papers(densities, x):
    """Log p(x, z) - log q(z | x) at one draw, with its gradients, factor by factor."""
    first, second = densities.posterior
    p2, p1 = densities.priors
    if isinstance(densities, BottomUp):
        q1 = first(x)
        z1 = q1.rsample()
        q2 = second(z1)
        z2 = q2.rsample()
        read = (z1,)
    else:
        q2 = first(x)
        z2 = q2.rsample()
        q1 = second(x, z2)
        z1 = q1.rsample()
        read = (z1, z2)
    log_p = p2().log_prob(z2) + p1(z2).log_prob(z1) + densities.likelihood(*read).log_prob(x)
    return log_p - q1.log_prob(z1) - q2.log_prob(z2)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_the_weight_and_its_gradients_are_those_of_the_papers(name):
    model = exact_models[name](is_exact=False)
    parameters, found = [*model.densities.parameters()], []
    for log_weight in (lambda x: model.densities.terms(x).log_weight, partial(by_the_papers, model.densities)):
        torch.manual_seed(3)
        value = log_weight(model.x)
        found.append([value, *torch.autograd.grad(value.sum(), parameters)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


# -- rates of layers --------------------------------------------------------------------------------------------------


UNIT = fixed([0.0, 0.0], [1.0, 1.0])
SAME = fixed([0.3, -1.0, 2.0], [0.5, 1.0, 2.0])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("wire", "parts", "name"),
    [
        (bottom_up, {((Z1,), Z2): UNIT}, "rate_1"),
        (bottom_up, {((X,), Z1): SAME, ((Z2,), Z1): SAME}, "rate_2"),
        (two_layer, {((X,), Z2): UNIT}, "rate_1"),
        (two_layer, {((X, Z2), Z1): SAME, ((Z2,), Z1): SAME}, "rate_2"),
    ],
)
def test_where_all_layers_but_one_are_as_their_prior_the_rate_is_that_of_the_one(wire, parts, name):
    model = linear_hierarchy(wire, is_exact=False, posteriors=parts)
    terms = model.densities.terms(model.x, shape=(4,))
    other = {"rate_1": "rate_2", "rate_2": "rate_1"}[name]
    assert torch.equal(terms.layer_rates[other], torch.zeros(4, 5))
    assert torch.equal(terms.layer_rates[name], terms.rate)
    assert (terms.rate != 0).all()


@pytest.mark.usefixtures("float64")
def test_a_lower_layer_that_is_as_its_prior_costs_what_one_layer_does():
    """HVAE: the rate is KL(q(z2 | x) || p(z2)), at every draw."""
    model = linear_hierarchy(two_layer, is_exact=False, posteriors={((X, Z2), Z1): SAME, ((Z2,), Z1): SAME})
    q = model.densities.posterior[0](model.x)
    expected = kl_divergence(q, Independent(Normal(torch.zeros(2), torch.ones(2)), 1))
    torch.testing.assert_close(model.densities.terms(model.x, shape=(4,)).rate, expected.expand(4, -1))


@BOTH
def test_the_kl_of_a_layer_is_the_sum_of_its_dimensions(wire):
    for latent in layers(wire).terms(bits(), shape=(3,)).latents:
        assert latent.kl_per_dim.shape[-1] == latent.z.shape[-1]
        torch.testing.assert_close(latent.kl_per_dim.sum(-1), latent.kl)


@BOTH
def test_costs_of_the_rate_are_of_all_layers(wire):
    """Free bits raise the mean KL of every dimension of every layer, and a capacity is of their sum."""
    densities, batch, step = layers(wire), Batch(bits()), torch.tensor(0)
    terms = densities.terms(batch.x, shape=(3,))
    means = torch.cat([latent.kl_per_dim.flatten(0, -2).mean(0) for latent in terms.latents])
    assert len(means) == 5
    threshold = means.median().item()
    expected = sum(max(mean, threshold) for mean in means.tolist())
    assert FreeBits(threshold, 1.0)(terms, batch, step).item() == pytest.approx(expected, rel=1e-5)
    assert FreeBits(100.0, 1.0)(terms, batch, step).item() == pytest.approx(500)
    assert Capacity(1.0, 1.0)(terms, batch, step).item() == pytest.approx(abs(means.sum().item() - 1), rel=1e-4)


# -- pseudo-inputs, codes, conditions ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("float64")
def test_pseudo_inputs_at_all_data_make_the_prior_the_aggregate_posterior():
    x = torch.randn(7, 4)
    prior = partial(Vamp, num_components=7, noise=0.0)
    densities = two_layer(SPEC, [3, 2], prior, NORMAL, NORMAL, inner=NORMAL)
    densities.initialise(Batch(x), x.mean(0))
    latents = densities.infer(x, shape=(3,))
    q = densities.posterior[0](x)
    expected = q.log_prob(latents[0].z[..., None, :]).logsumexp(-1) - torch.tensor(7.0).log()
    torch.testing.assert_close(latents[0].log_p, expected, rtol=0, atol=1e-9)


@BOTH
@pytest.mark.parametrize("options", [{}, {"posterior_sees_conditions": False}])
def test_the_likelihood_sees_data_through_the_latents_alone(wire, options):
    densities = layers(wire, spec=LABELLED, **options)
    x, c = bits(4).requires_grad_(), torch.eye(3)[torch.arange(4) % 3].requires_grad_()
    latents = densities.infer(x, c)
    at_fixed_z = Latents([replace(latent, z=latent.z.detach()) for latent in latents])
    mean = densities.likelihood_of(at_fixed_z, c).mean
    of_x, of_c = torch.autograd.grad(mean.sum(), (x, c), allow_unused=True)
    assert of_x is None
    assert of_c.abs().max() > 0
    posterior_means = sum(latent.q.base_dist.loc.sum() for latent in densities.infer(x, c, draw=centre))
    seen = torch.autograd.grad(posterior_means, c, allow_unused=True)[0]
    assert (seen is None) == ("posterior_sees_conditions" in options)


@BOTH
def test_the_upper_columns_of_a_code_are_decoded_with_lower_layers_at_their_means(wire):
    densities = layers(wire).eval()
    code = densities.encode(bits())
    z2, z1 = densities.infer(bits(), draw=centre)
    assert torch.equal(code, torch.cat([z1.z, z2.z], 1))
    expected = densities.likelihood_of(Latents([z2, replace(z1, z=densities.priors[1](z2.z).mean)])).mean
    torch.testing.assert_close(densities.decode(code[:, 3:]).mean, expected)
    torch.testing.assert_close(densities.decode(code).mean, densities.likelihood_of(Latents([z2, z1])).mean)
    with pytest.raises(ValueError, match="not in list"):
        densities.decode(code[:, 1:])


def test_layers_are_as_many_as_there_are_numbers():
    densities = layers(bottom_up, [5, 4, 3])
    assert densities.code_shapes == ((3,), (4,), (5,))
    for latents in (densities.infer(bits()), densities.imagine((8,))):
        assert [latent.z.shape for latent in latents] == [(8, 3), (8, 4), (8, 5)]
    assert [*densities.terms(bits()).layer_rates] == ["rate_1", "rate_2", "rate_3"]
    assert layers(bottom_up, 4).code_shapes == layers(two_layer, 4).code_shapes == ((4,), (4,))


@BOTH
def test_the_posterior_trained_apart_is_that_of_all_layers(wire):
    densities = layers(wire)
    encoder, decoder = PIWAE(num_samples=2, num_bounds=2, densities=densities, optimizer=adam()).players()
    assert {id(p) for p in encoder.parameters} == {id(p) for p in densities.posterior.parameters()}
    of_rest = [*densities.priors.parameters(), *densities.likelihood.parameters()]
    assert {id(p) for p in decoder.parameters} == {id(p) for p in of_rest}


# -- what is refused --------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("estimator", ["stl", "dreg"])
def test_gradients_by_the_path_of_one_latent_are_refused(wire, estimator):
    """The path of z1 goes through the posterior of another layer, which is to be weighted apart (Bauer & Mnih 2021)."""
    with refused("follows the path of one latent, and there are 2.*model.estimator=standard"):
        IWAE(estimator=estimator, densities=layers(wire), optimizer=adam())


BAD = {
    "pseudo-inputs": (
        partial(layers, bottom_up, prior=VAMP),
        "highest latent.*densities=two_layer.*prior=standard_normal",
    ),
    "three layers": (partial(layers, two_layer, [3, 2, 1]), "latent_dim=.3, 2, 1.: one number, or two"),
    "no layer": (partial(layers, bottom_up, []), "latent_dim=.*at least one"),
    "no dimension": (partial(layers, bottom_up, [3, 0]), "latent_dim=0.*at least one"),
    "no posterior": (partial(bottom_up, BITS, 2, StandardNormal, None, BITS_HEAD, NORMAL), "posterior=diagonal_normal"),
    "no prior": (partial(layers, two_layer, prior=None), "needs a prior.*prior=standard_normal"),
}


@pytest.mark.parametrize("name", BAD)
def test_layers_that_do_not_fit_name_the_fix(name):
    build, message = BAD[name]
    with refused(message):
        build()


def test_an_inner_layer_that_leaves_the_support_of_its_prior_is_refused():
    calls = iter([BITS_HEAD, NORMAL])
    with refused("leaves the support of the prior"):
        two_layer(BITS, 2, StandardNormal, NORMAL, BITS_HEAD, lambda *shapes: next(calls)(*shapes))
