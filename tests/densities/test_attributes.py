"""CMMA: the attributes reach the data through the latent alone."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, mlp, refused

from elbolab.densities.layer import single_layer
from elbolab.densities.wiring import attribute_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture

GIVEN = BITS._replace(given=((3,),))
LABELS = GIVEN._replace(given_is_label=True)
HEAD = partial(Head, net=mlp(5))
NORMAL = partial(HEAD, family=DiagonalNormal)


def cmma(spec=GIVEN, prior=NORMAL, posterior=NORMAL, **options):
    return attribute_layer(spec, 2, prior, posterior, partial(HEAD, family=Bernoulli), **options)


@pytest.fixture
def rows():
    return torch.randint(2, (4, 6)).float(), torch.rand(4, 3), torch.rand(4, 3)


def test_the_likelihood_does_not_see_the_attributes(rows):
    x, y, other = rows
    model, z = cmma(), torch.randn(4, 2)
    assert torch.equal(model.decode(z, y).mean, model.decode(z, other).mean)
    y.requires_grad_()
    log_lik = model.terms(x, y).log_lik
    assert torch.autograd.grad(log_lik.sum(), y, allow_unused=True) == (None,)


def test_the_posterior_does_not_see_the_attributes_unless_it_is_asked_to(rows):
    x, y, other = rows
    model, seeing = cmma(), cmma(posterior_sees_conditions=True)
    assert torch.equal(model.encode(x, y), model.encode(x, other))
    assert not torch.equal(seeing.encode(x, y), seeing.encode(x, other))


def test_the_prior_does(rows):
    x, y, other = rows
    rates = [cmma_terms(x, c).rate for c in (y, other)]
    assert not torch.equal(*rates)


def cmma_terms(x, y):
    torch.manual_seed(0)
    return cmma().terms(x, y)


def test_centres_of_classes_are_a_prior_that_reads_them(rows):
    x, y, other = rows
    model = cmma(LABELS, prior=partial(ClassCentres, spread=1.0))
    assert not torch.equal(model.terms(x, y).rate, model.terms(x, other).rate)


def test_it_generates_by_attributes(rows):
    _, y, _ = rows
    assert cmma().generate(5, y).batch_shape == (5, 4)


def test_with_every_attribute_ignored_it_is_the_vae_bit_for_bit(rows):
    """The same weights under the same noise: the posterior and the likelihood are those of a VAE without conditions."""
    x, y, _ = rows
    model = cmma()
    posterior, likelihood = model.posterior.conditional, model.likelihood.conditional
    vae = single_layer(BITS, 2, StandardNormal, lambda *_: posterior, lambda *_: likelihood)
    distortions = []
    for densities, given in ((model, (y,)), (vae, ())):
        torch.manual_seed(1)
        distortions.append(densities.terms(x, *given).distortion)
    assert torch.equal(*distortions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": BITS}, "determined by attributes needs.*set data.given=labels, factors or own"),
        ({"prior": StandardNormal}, "must read the attributes: choose prior=conditional_normal"),
        ({"prior": partial(Mixture, num_components=2, spread=1.0)}, "must read the attributes"),
        ({"prior": partial(FixedBernoulli, probability=0.5)}, "leaves the support"),
        ({"prior": None}, "needs a prior"),
        (
            {"prior": partial(ClassCentres, spread=1.0)},
            "needs class labels.*is no label: set data.given=labels, or choose prior=",
        ),
        ({"posterior": None}, "needs a posterior"),
    ],
)
def test_what_it_cannot_be_made_of(options, message):
    with refused(message):
        cmma(**options)
