"""What links the conditional models to one another, and to the VAE."""

from functools import partial

import pytest
import torch
from tests.conditional_gaussian import SCALE, conditional_gaussian
from tests.helpers import (
    BITS,
    LABELLED,
    adam,
    fit,
    mlp,
    predict,
    refused,
    regression,
    small_cvae,
    small_densities,
    small_gsnn,
    weights,
)
from tests.models.registry import autoencoder, batch_for, recurrent

from elbolab.batch import Batch
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Conditional, Head, Ignore, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.models.cvae import CVAE
from elbolab.models.vae import VAE

NORMAL, BERNOULLI = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Bernoulli))


def blind():
    """A conditional model that does not look at its condition."""
    ignoring = [partial(Ignore, conditional=conditional) for conditional in (NORMAL, BERNOULLI)]
    return single_layer(LABELLED, 2, StandardNormal, *ignoring)


def seeded(function, *args, seed=3, **options):
    torch.manual_seed(seed)
    return function(*args, **options)


def test_with_an_ignored_condition_it_is_the_vae_bit_for_bit():
    conditional = CVAE(densities=seeded(blind), optimizer=adam())
    plain = VAE(densities=seeded(small_densities), optimizer=adam())
    assert torch.equal(weights(conditional), weights(plain))
    batch = batch_for(conditional)
    ours, theirs = seeded(conditional.loss, batch), seeded(plain.loss, Batch(batch.x))
    assert torch.equal(ours.value, theirs.value)
    for model in (conditional, plain):
        seeded(fit, model, max_steps=5)
    assert torch.equal(weights(conditional), weights(plain))


class OfCondition(Conditional):
    """What is said of the condition alone, of (x, c)."""

    def __init__(self, conditional):
        super().__init__()
        self.conditional = conditional

    def forward(self, x, c):
        return self.conditional(c)


def test_where_recognition_is_the_prior_network_the_kl_is_0_and_the_cost_the_gsnns():
    prior = NORMAL(LABELLED.given, (2,))
    densities = single_layer(LABELLED, 2, lambda *_: prior, lambda *_: OfCondition(prior), BERNOULLI)
    cvae = CVAE(densities=densities, optimizer=adam())
    assert torch.equal(densities.terms(*_rows(cvae)).rate, torch.zeros(8))
    cost = seeded(cvae.loss, batch_for(cvae)).value
    log_lik = seeded(densities.terms, *_rows(cvae)).log_lik  # whose z is from p(z | c) too
    torch.testing.assert_close(cost, -log_lik.mean())


def _rows(model):
    batch = batch_for(model)
    return (batch.x, *batch.given)


def test_a_prior_network_that_says_n_0_i_costs_what_the_fixed_prior_does():
    head = partial(Head, net=mlp(5), family=partial(DiagonalNormal, min_scale=0.0))
    learned, fixed = seeded(small_cvae, prior=head), seeded(small_cvae, prior=StandardNormal)
    fixed.load_state_dict({k: v for k, v in learned.state_dict().items() if not k.startswith("prior")})
    for parameter in learned.prior.parameters():
        parameter.data.zero_()
    model = CVAE(densities=learned, optimizer=adam())
    ours, theirs = (seeded(densities.terms, *_rows(model)) for densities in (learned, fixed))
    torch.testing.assert_close(ours.rate, theirs.rate)
    assert torch.equal(ours.log_lik, theirs.log_lik)


def loss_of(alpha, num_samples=1, densities=None):
    model = CVAE(alpha=alpha, num_samples=num_samples, densities=densities or seeded(small_cvae), optimizer=adam())
    return model, seeded(model.loss, batch_for(model)).value


def test_alpha_1_is_the_cvae():
    model, loss = loss_of(1.0)
    assert torch.equal(loss, -seeded(model.densities.terms, *_rows(model)).elbo.mean())


@pytest.mark.parametrize("num_samples", [1, 4])
def test_the_hybrid_is_the_weighted_sum_of_both(num_samples):
    (_, cvae), (_, hybrid), (_, half) = (loss_of(alpha, num_samples) for alpha in (1.0, 0.3, 0.5))
    gsnn = 2 * half - cvae
    torch.testing.assert_close(hybrid, 0.3 * cvae + 0.7 * gsnn)


def test_a_stochastic_network_is_trained_by_draws_from_its_prior():
    densities = seeded(small_gsnn)
    model, loss = loss_of(1.0, densities=densities)
    x, c = _rows(model)
    torch.manual_seed(3)
    z = densities.prior(c).rsample()
    torch.testing.assert_close(loss, -densities.decode(z, c).log_prob(x).mean())
    terms = densities.terms(x, c)
    assert torch.equal(terms.rate, torch.zeros(len(x)))
    loss.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in densities.parameters())
    assert torch.equal(densities.encode(x, c), densities.encode(1 - x, c))


def test_the_hybrids_part_is_the_stochastic_network():
    """The same prior and likelihood, with a posterior beside them that the GSNN does not see."""
    densities, alone = seeded(small_cvae), seeded(small_gsnn)
    alone.load_state_dict({k: v for k, v in densities.state_dict().items() if not k.startswith("posterior")})
    model = CVAE(alpha=0.5, num_samples=50_000, densities=densities, optimizer=adam())
    both = seeded(model.loss, batch_for(model)).metrics["gsnn_bound"]
    x, c = _rows(model)
    ours = alone.terms(x, c, shape=(50_000,)).elbo.mean()
    assert both.item() == pytest.approx(ours.item(), abs=0.02)


def test_both_bounds_are_below_the_likelihood_and_the_gsnns_is_the_known_one(float64):
    """E log N(x; W z + b, s^2 I) over z ~ N(mu, I) is log N(x; W mu + b, s^2 I) - tr(W W^T) / 2 s^2."""
    model = conditional_gaussian(wider=1.2)
    module = CVAE(alpha=0.5, num_samples=20_000, densities=model.densities, optimizer=adam())
    metrics = module.loss(model.batch).metrics
    exact = model.log_px.gather(1, model.batch.y[:, None]).mean()
    assert metrics["gsnn_bound"] < exact
    assert metrics["elbo"] < exact
    centre = model.densities.prior.centres[model.batch.y]
    known = model.densities.decode(centre, *model.batch.given).log_prob(model.batch.x).mean()
    known = known - model.w.square().sum() / (2 * SCALE**2)
    assert metrics["gsnn_bound"].item() == pytest.approx(known.item(), abs=0.3)


def test_a_regression_minimises_minus_its_log_likelihood():
    model = VAE(densities=regression(), optimizer=adam())
    x, c = _rows(model)
    loss = model.loss(Batch(x, (c,)))
    torch.testing.assert_close(loss.value, -predict(model.densities, c).log_prob(x).mean())
    torch.testing.assert_close(loss.metrics["elbo"], -loss.value.detach())


def test_classes_find_centres_of_their_own():
    densities = small_cvae(prior=partial(ClassCentres, spread=0.0))
    fit(CVAE(densities=densities, optimizer=adam()), max_epochs=2)
    assert len(densities.prior.centres.unique(dim=0)) == 3


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_the_bound_that_is_trained_is_reported(alpha):
    model = CVAE(alpha=alpha, densities=seeded(small_cvae), optimizer=adam())
    reported = seeded(model.report, batch_for(model))
    hybrid = reported.get("hybrid_bound", reported["elbo"])
    torch.testing.assert_close(hybrid, alpha * reported["elbo"] + (1 - alpha) * reported.get("gsnn_bound", 0))
    torch.testing.assert_close(hybrid, -seeded(model.loss, batch_for(model)).value)


def cvae(densities, **options):
    return CVAE(densities=densities, optimizer=adam(), **options)


def binary():
    relaxed = partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
    prior = partial(FixedBernoulli, probability=0.5)
    return small_cvae(prior=prior, posterior=partial(Head, net=mlp(5), family=relaxed))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: cvae(small_densities(BITS)), "model=cvae needs conditions.*data.given=labels.*model=vae"),
        (lambda: cvae(small_cvae(), alpha=1.5), "model.alpha=1.5: .*above 0 and at most 1.*set model.alpha=1 or 0.5"),
        (lambda: cvae(small_cvae(), alpha=0.0), "model.alpha=0.0: .*or choose model=gsnn"),
        (lambda: small_gsnn(posterior=partial(Head, net=mlp(5), family=DiagonalNormal)), "choose posterior=none"),
        (lambda: small_gsnn(spec=BITS), "a stochastic network needs conditions"),
        (lambda: small_gsnn(prior=None), "needs a prior"),
        (
            lambda: small_gsnn(prior=partial(Mixture, num_components=2, spread=1.0)),
            "gradient, and this one's have none",
        ),
        (lambda: cvae(small_cvae(), num_samples=0), "model.num_samples=0"),
        (
            lambda: cvae(autoencoder(LABELLED), alpha=0.5),
            "model.alpha below 1 draws z from.*set model.alpha=1, or choose densities=single_layer or recurrent",
        ),
        (
            lambda: cvae(small_cvae(prior=partial(Mixture, num_components=2, spread=1.0)), alpha=0.5),
            "this one's have none: choose prior=conditional_normal",
        ),
        (lambda: cvae(binary(), alpha=0.5), "this one's have none: choose prior=conditional_normal"),
    ],
)
def test_impossible_options_are_refused(build, message):
    with refused(message):
        build()


def test_a_recurrent_model_trains_and_leaves_its_baseline_alone():
    densities = recurrent()
    before = weights(densities.baseline)
    fit(CVAE(densities=densities, optimizer=adam(), ema=0.9), max_epochs=1)
    assert torch.equal(before, weights(densities.baseline))
