"""Densities of conditional models: a regression, and a model that looks at its guess."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, LABELLED, mlp, predict, refused, regression, small_cvae, start
from tests.models.registry import recurrent
from torch import nn

from elbolab.batch import Canvas, Support
from elbolab.densities.layer import single_layer
from elbolab.densities.recurrent import recurrent_layer
from elbolab.densities.terms import summary
from elbolab.densities.wiring import adversarial_layer, autoencoder
from elbolab.densities.wiring import regression as regression_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.location_scale import OptimalNormal
from elbolab.distributions.point_mass import Deterministic

NORMAL, BERNOULLI = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Bernoulli))
X, C = torch.ones(4, 6), torch.eye(3)[[0, 1, 2, 0]]


def test_a_regression_has_no_latent_and_generates_what_it_predicts():
    densities = regression()
    terms = densities.terms(X, C, shape=(5,))
    assert torch.equal(terms.elbo, terms.log_weight)
    assert torch.equal(terms.elbo, predict(densities, C).log_prob(X).expand(5, 4))
    assert densities.encode(X, C).shape == (4, 0)
    assert densities.generate(7, C).mean.shape == (7, 4, 6)
    torch.testing.assert_close(densities.generate(7, C).mean[3], predict(densities, C).mean)
    torch.testing.assert_close(densities.decode(torch.empty(2, 4, 0), C).mean[1], predict(densities, C).mean)


def test_a_regression_is_computed_once_however_many_samples():
    densities, rows = regression(), []
    densities.likelihood.net.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    terms = densities.terms(X, C, shape=(50,))
    assert rows == [4]
    assert terms.log_lik.shape == (50, 4)


def test_several_samples_of_a_scale_fitted_to_the_batch_make_no_bound_either():
    """What is one distribution for all samples is still fitted to these data while training."""
    spec = LABELLED._replace(support=Support.REAL, levels=None)
    densities = regression_layer(spec, None, None, partial(BERNOULLI, family=partial(OptimalNormal, min_scale=1e-3)))
    training, evaluated = (densities.train(mode).terms(X, C, shape=(3,)) for mode in (True, False))
    assert summary(training).keys() == {"rate"}
    assert summary(evaluated).keys() == {"elbo", "rate", "distortion"}


def test_a_regression_starts_from_the_mean_of_the_data():
    mean = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    densities = regression_layer(LABELLED, None, None, partial(BERNOULLI, init_to_mean=True))
    nn.init.zeros_(densities.likelihood.net.layers[-1].weight)
    start(densities, mean)
    torch.testing.assert_close(predict(densities, C).mean[0], mean)


@pytest.mark.parametrize(
    ("wiring", "prior"), [(single_layer, StandardNormal), (adversarial_layer, StandardNormal), (autoencoder, None)]
)
def test_a_posterior_sees_the_conditions_unless_it_is_told_not_to(wiring, prior):
    family = Deterministic if wiring is autoencoder else DiagonalNormal
    posterior, other = partial(NORMAL, family=family), C.roll(1, 0)
    seeing, blind = (wiring(LABELLED, 2, prior, posterior, BERNOULLI, sees) for sees in (True, False))
    assert not torch.equal(seeing.encode(X, C), seeing.encode(X, other))
    assert torch.equal(blind.encode(X, C), blind.encode(X, other))


def test_the_guess_is_one_more_condition_of_prior_and_likelihood():
    densities = recurrent().eval()
    guess = predict(densities.baseline, C).mean
    assert torch.equal(densities.first_guess(C), guess)
    torch.manual_seed(3)
    terms = densities.terms(X, C, shape=(3,))
    torch.manual_seed(3)
    inner = densities.inner.terms(X, C, guess, shape=(3,))
    assert torch.equal(terms.log_weight, inner.log_weight)
    before = densities.inner.prior(C, guess).mean, densities.decode(terms.latents[0].z, C).mean
    densities.baseline.likelihood.net.layers[-1].bias.data += 1
    after = densities.inner.prior(C, densities.first_guess(C)).mean, densities.decode(terms.latents[0].z, C).mean
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(densities.encode(X, C), densities.inner.posterior(X, C).mean)


def test_generation_goes_by_the_guess():
    densities = recurrent().eval()
    torch.manual_seed(3)
    p = densities.generate(5, C)
    torch.manual_seed(3)
    torch.testing.assert_close(p.mean, densities.inner.generate(5, C, densities.first_guess(C)).mean)
    assert p.batch_shape == (5, 4)


@pytest.mark.parametrize("training", [True, False])
def test_the_baseline_is_at_rest(training):
    baseline = regression()
    baseline.likelihood.net.layers.append(nn.Dropout(0.9))
    densities = recurrent_layer(LABELLED, 2, NORMAL, NORMAL, BERNOULLI, baseline=baseline).train(training)
    assert torch.equal(densities.first_guess(C), densities.first_guess(C))
    densities.terms(X, C).elbo.sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in densities.baseline.parameters())
    assert all(p.grad is not None for p in densities.inner.parameters())
    assert densities.inner.training == training


def test_z_may_be_independent_of_what_is_seen():
    densities = recurrent_layer(LABELLED, 2, StandardNormal, NORMAL, BERNOULLI, baseline=regression())
    p = densities.terms(X, C).latents[0].p
    assert p.batch_shape == (4,)
    assert (p.mean == 0).all()


BAD = {
    "latents of a regression": (
        lambda: regression_layer(LABELLED, StandardNormal, None, BERNOULLI),
        "choose prior=none, or choose model=cvae",
    ),
    "posterior of a regression": (
        lambda: regression_layer(LABELLED, None, NORMAL, BERNOULLI),
        "choose posterior=none",
    ),
    "regression on nothing": (
        lambda: regression_layer(BITS, None, None, BERNOULLI),
        "a regression needs.*data.given=labels",
    ),
    "likelihood of other data": (
        lambda: regression_layer(LABELLED._replace(levels=256, support="unit"), None, None, BERNOULLI),
        "data.binarize=dynamic",
    ),
    "a guess of nothing": (
        lambda: recurrent_layer(BITS, 2, NORMAL, NORMAL, BERNOULLI, baseline=regression()),
        "first guess needs conditions.*data.given=labels",
    ),
    "a baseline with latents": (
        lambda: recurrent_layer(LABELLED, 2, NORMAL, NORMAL, BERNOULLI, baseline=small_cvae()),
        "pretrained.baseline has latents.*by model=regression: set pretrained.baseline=RUN or sohn2015/nn",
    ),
    "a baseline of other conditions": (
        lambda: recurrent_layer(LABELLED._replace(given=((4,),)), 2, NORMAL, NORMAL, BERNOULLI, baseline=regression()),
        r"conditions \(\(3,\),\).*\(\(4,\),\).*data.given and data.quadrants",
    ),
    "a baseline of another part": (
        lambda: recurrent_layer(
            LABELLED._replace(canvas=Canvas((1, 3, 3), 1)), 2, NORMAL, NORMAL, BERNOULLI, baseline=regression()
        ),
        "data.given and data.quadrants",
    ),
    "a recurrent model without a prior": (
        lambda: recurrent_layer(LABELLED, 2, None, NORMAL, BERNOULLI, baseline=regression()),
        "prior=standard_normal",
    ),
    "a recurrent stochastic network without a prior": (
        lambda: recurrent_layer(LABELLED, 2, None, None, BERNOULLI, baseline=regression()),
        "prior=conditional_normal",
    ),
}


def test_without_a_posterior_it_is_a_stochastic_network_on_the_guess():
    model = recurrent_layer(LABELLED, 2, NORMAL, None, BERNOULLI, baseline=regression())
    x, c = torch.rand(4, 6).round(), torch.eye(3)[[0, 1, 2, 0]]
    terms = model.terms(x, c)
    assert torch.equal(terms.rate, torch.zeros(4))
    assert torch.equal(model.encode(x, c), model.encode(1 - x, c))


@pytest.mark.parametrize("name", BAD)
def test_impossible_combinations_name_the_fix(name):
    build, message = BAD[name]
    with refused(message):
        build()


def test_images_condition_too():
    """Any condition: here an image, beside a label."""
    spec = LABELLED._replace(given=((3,), (1, 4, 4)))
    densities = single_layer(spec, 2, NORMAL, NORMAL, BERNOULLI)
    image = torch.rand(4, 1, 4, 4)
    assert densities.terms(X, C, image, shape=(3,)).elbo.shape == (3, 4)
    assert densities.generate(5, C, image).batch_shape == (5, 4)
