"""Bounds of several samples: their values, and what their gradients are in mean and in noise."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.helpers import adam, linear_gaussian, mlp, refused, regression, small_densities
from torch.distributions import Independent, Normal

from elbolab.batch import Batch
from elbolab.densities.estimators import ESTIMATORS
from elbolab.densities.wiring import single_layer
from elbolab.distributions.conditional import Conditional, Head, StandardNormal
from elbolab.distributions.priors import FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.models.iwae import IWAE, iwae_bound
from elbolab.models.piwae import PIWAE

SPREAD = torch.tensor([0.7, 0.4])


class Rows(Conditional):
    """N(loc, spread) with a row of locations for each datum, so that every row has a gradient of its own."""

    def __init__(self, loc):
        super().__init__()
        self.loc = torch.nn.Parameter(loc)

    def forward(self, x):
        return Independent(Normal(self.loc, SPREAD.to(self.loc).expand_as(self.loc)), 1)


@pytest.fixture
def toy(float64):
    return linear_gaussian()


def gradients(toy, estimator, k, num, **options):
    """Gradients in the posterior's location of one datum, from ``num`` repeats of the bound, (num, 2)."""
    posterior = Rows(toy.rough.encode(toy.x[:1]).detach().expand(num, 2).clone())
    spec, likelihood = toy.rough.spec, toy.rough.likelihood
    densities = single_layer(spec, 2, StandardNormal, lambda *_: Rows(torch.zeros(1, 2)), lambda *_: likelihood)
    densities.posterior = posterior
    model = IWAE(num_samples=k, estimator=estimator, densities=densities, optimizer=adam(), **options)
    (model.loss(Batch(toy.x[:1].expand(num, -1))).value * num).backward(inputs=[posterior.loc])
    return posterior.loc.grad


def test_one_sample_is_the_elbo_to_the_bit():
    densities, batch = small_densities(), bits()
    model = IWAE(num_samples=1, densities=densities, optimizer=adam())
    torch.manual_seed(3)
    loss = model.loss(batch)
    torch.manual_seed(3)
    terms = densities.terms(batch.x, shape=(1, 1))
    assert torch.equal(loss.value, -terms.log_weight.mean())
    assert torch.equal(loss.metrics["iwae_bound"], -loss.value.detach())


@pytest.mark.parametrize("options", [{}, {"num_bounds": 3}, {"elbo_weight": 0.3}], ids=["iwae", "miwae", "ciwae"])
def test_every_estimator_has_the_same_value_to_the_bit(options):
    values = []
    for estimator in ESTIMATORS:
        torch.manual_seed(3)
        model = IWAE(num_samples=4, estimator=estimator, densities=small_densities(), optimizer=adam(), **options)
        loss = model.loss(bits())
        values.append((loss.value, loss.metrics["iwae_bound"]))
    assert all(torch.equal(value, values[0][0]) and torch.equal(bound, values[0][1]) for value, bound in values)


def test_what_is_trained_is_the_mixture_of_the_bounds(toy):
    log_w = torch.randn(6, 3, 5, generator=torch.Generator().manual_seed(0))
    bounds = iwae_bound(log_w)
    torch.testing.assert_close(bounds, log_w.exp().mean(0).log())
    model = IWAE(num_samples=6, num_bounds=3, elbo_weight=0.25, densities=toy.rough, optimizer=adam())
    torch.manual_seed(3)
    loss = model.loss(Batch(toy.x))
    torch.manual_seed(3)
    log_w = toy.rough.terms(toy.x, shape=(6, 3)).log_weight
    expected = 0.75 * (log_w.logsumexp(0) - np.log(6)).mean() + 0.25 * log_w.mean()
    torch.testing.assert_close(-loss.value, expected, rtol=0, atol=1e-12)


def test_bounds_grow_with_the_samples_towards_the_evidence(toy):
    def bound(**options):
        model = IWAE(densities=toy.rough, optimizer=adam(), **options)
        return -model.loss(Batch(toy.x.repeat(1_500, 1))).value.item()

    bounds = [bound(num_samples=k) for k in (1, 5, 50)]
    evidence = toy.evidence.log_prob(toy.x).mean().item()
    assert bounds[0] < bound(num_samples=50, elbo_weight=0.5) < bounds[2] < evidence + 0.01
    assert bounds[0] < bounds[1] < bounds[2]


@pytest.mark.parametrize("estimator", ["stl", "dreg"])
@pytest.mark.parametrize("options", [{}, {"num_bounds": 3}, {"elbo_weight": 0.3}], ids=["iwae", "miwae", "ciwae"])
def test_at_the_true_posterior_the_path_has_no_gradient(toy, estimator, options):
    """Every weight is p(x) there (Roeder et al. 2017, section 3); the decoder still learns."""
    model = IWAE(num_samples=4, estimator=estimator, densities=toy.exact, optimizer=adam(), **options)
    model.loss(Batch(toy.x)).value.backward()
    for parameter in toy.exact.posterior.parameters():
        assert parameter.grad.abs().max() < 1e-12
    assert toy.exact.likelihood.weight.grad.abs().max() > 0.1


@pytest.mark.parametrize(
    "options", [{"k": 1}, {"k": 5}, {"k": 5, "num_bounds": 2}, {"k": 5, "elbo_weight": 0.4}], ids=str
)
def test_the_doubly_reparameterised_gradient_is_that_of_the_bound(toy, options):
    """In mean over 20,000 repeats (Tucker et al. 2019, eq. 8)."""
    standard, dreg = (gradients(toy, name, num=20_000, **options) for name in ("standard", "dreg"))
    error = (standard.mean(0) - dreg.mean(0)) / ((standard.var(0) + dreg.var(0)) / 20_000).sqrt()
    assert error.abs().max() < 5


def test_sticking_the_landing_is_unbiased_for_the_elbo_and_biased_for_more_samples(toy):
    for k, is_biased in ((1, False), (5, True)):
        standard, stl = (gradients(toy, name, k=k, num=20_000) for name in ("standard", "stl"))
        error = (standard.mean(0) - stl.mean(0)) / ((standard.var(0) + stl.var(0)) / 20_000).sqrt()
        assert (error.abs().max() > 5) == is_biased


@pytest.mark.parametrize(("estimator", "slope"), [("standard", -0.5), ("dreg", 0.5)])
def test_signal_to_noise_falls_with_the_samples_and_grows_once_reparameterised_twice(toy, estimator, slope):
    """Rainforth et al. 2018, theorem 1; Tucker et al. 2019, section 3.

    The mean is the true one, of a low-noise estimate: a noisy gradient's own mean over few repeats is mostly noise.
    """
    ks, ratios = (8, 32, 128), []
    for k in ks:
        mean = gradients(toy, "dreg", k=k, num=8_000).mean(0)
        ratios.append((mean.abs() / gradients(toy, estimator, k=k, num=2_000).std(0)).mean().item())
    assert abs(np.polyfit(np.log(ks), np.log(ratios), 1)[0] - slope) < 0.15


def test_the_decoder_has_the_same_gradient_for_every_estimator(toy):
    found = []
    for estimator in ESTIMATORS:
        torch.manual_seed(3)
        model = IWAE(num_samples=4, estimator=estimator, densities=toy.rough, optimizer=adam())
        model.zero_grad()
        model.loss(Batch(toy.x)).value.backward()
        found.append(toy.rough.likelihood.weight.grad.clone())
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=1e-12)


def test_the_partly_weighted_autoencoder_trains_each_part_by_its_own_bound(toy):
    """The encoder by M bounds of K samples, the decoder by one of M K (Rainforth et al. 2018, section 4)."""
    model = PIWAE(num_samples=4, num_bounds=3, densities=toy.rough, optimizer=adam())
    encoder, decoder = model.players()
    torch.manual_seed(3)
    values = encoder.loss(Batch(toy.x)).value, decoder.loss(Batch(toy.x)).value
    torch.manual_seed(3)
    log_w = toy.rough.terms(toy.x, shape=(4, 3)).log_weight
    torch.testing.assert_close(-values[0], (log_w.logsumexp(0) - np.log(4)).mean())
    log_w = toy.rough.terms(toy.x, shape=(12, 1)).log_weight
    torch.testing.assert_close(-values[1], (log_w.logsumexp(0) - np.log(12)).mean())
    assert {id(p) for p in encoder.parameters} == {id(p) for p in toy.rough.posterior.parameters()}
    assert not {id(p) for p in decoder.parameters} & {id(p) for p in encoder.parameters}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_sample_whose_weight_vanishes_leaves_the_gradient_finite(toy, estimator):
    """Normalised weights of unlikely samples are 0 in floating point."""
    model = IWAE(num_samples=4, estimator=estimator, densities=toy.rough, optimizer=adam())
    model.loss(Batch(1e3 * toy.x)).value.backward()
    assert all(parameter.grad.isfinite().all() for parameter in toy.rough.parameters())


def bits():
    x = torch.randint(2, (8, 6), generator=torch.Generator().manual_seed(5))
    return Batch(x.to(torch.get_default_dtype()))


def test_a_bound_needs_samples():
    for options in ({"num_samples": 0}, {"num_bounds": 0}, {"elbo_weight": 1.5}):
        with pytest.raises(ValueError, match=next(iter(options))):
            IWAE(densities=small_densities(), optimizer=adam(), **options)


def test_what_an_estimator_needs_is_said():
    with refused("model.estimator=drag.*standard, stl or dreg"):
        IWAE(estimator="drag", densities=small_densities(), optimizer=adam())
    with refused("latents.*model=regression"):
        IWAE(densities=regression(), optimizer=adam())
    relaxed = partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
    binary = small_densities(
        prior=partial(FixedBernoulli, probability=0.5), posterior=partial(Head, net=mlp(5), family=relaxed)
    )
    with refused("weights.*posterior=diagonal_normal"):
        IWAE(densities=binary, optimizer=adam())
