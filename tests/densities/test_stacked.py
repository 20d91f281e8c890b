"""M1+M2: a bound on log p(x), held against the truth on a chain of linear Gaussians; and an M1 that stays as it is."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, linear_gaussian, mlp, refused, small_densities, start, weights
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from elbolab.batch import Spec, Support, name_by_number
from elbolab.densities.class_terms import sum_over_classes
from elbolab.densities.stacked import stacked_layers
from elbolab.densities.wiring import autoencoder as autoencoder_layer
from elbolab.distributions.conditional import Conditional, Head, Ignore, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.one_hot import OneHot
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.evaluation.proposals import from_posterior

CLASSES = BITS._replace(classes=name_by_number(3))
HEAD = partial(Head, net=mlp(5))
NORMAL = partial(HEAD, family=DiagonalNormal)


def stacked(spec=CLASSES, m1=small_densities, **changes):
    parts = {
        "prior": StandardNormal,
        "posterior": partial(Ignore, conditional=NORMAL),
        "likelihood": NORMAL,
        "classifier": partial(HEAD, family=OneHot),
    }
    return stacked_layers(spec, 2, **(parts | changes), m1=m1())


def data(num=4):
    return torch.randint(2, (num, 6)).float(), torch.arange(num) % 3


@pytest.mark.parametrize("sample_shape", [(), (3,), (2, 3)])
def test_quantities_have_one_number_a_draw_and_datum(sample_shape):
    terms = stacked().terms(data()[0], shape=sample_shape)
    assert [latent.z.shape for latent in terms.latents] == [(*sample_shape, 4, d) for d in (3, 2, 2)]
    for latent in terms.latents:
        assert not latent.is_relaxed
    for quantity in (terms.elbo, terms.log_weight, terms.rate):
        assert quantity.shape == (*sample_shape, 4)
    torch.testing.assert_close(terms.latents[-1].kl_per_dim.sum(-1), -terms.latents[-1].log_ratio)


def test_codes_samples_and_classes_are_those_of_the_upper_model():
    densities, (x, _) = stacked(), data()
    z = densities.encode(x)
    assert z.shape == (4, *densities.latent_shape) == (4, 5)
    assert densities.decode(z).mean.shape == x.shape
    assert densities.generate(7).mean.shape == (7, 6)
    torch.testing.assert_close(densities.log_class_probs(x), densities.m2.log_class_probs(densities.m1.encode(x)))
    torch.testing.assert_close(z, densities.m2.encode(densities.m1.encode(x)))
    torch.testing.assert_close(densities.decode(z).mean, densities.m1.decode(densities.m2.decode(z).mean).mean)
    assert densities.imagine((), top=(z[:, 2:],))[1].p.batch_shape == (4,)


@torch.no_grad()
def test_samples_are_decoded_at_draws_of_z1_and_not_at_its_mean():
    densities, uppers, codes = stacked(), [], []
    densities.m2.likelihood.register_forward_hook(lambda module, inputs, output: uppers.append(output))
    densities.m1.likelihood.register_forward_hook(lambda module, inputs, output: codes.append(inputs[0]))
    densities.likelihood_of(densities.imagine((), top=(torch.eye(3)[torch.arange(3_000) % 3],)))
    densities.generate(3_000)
    for p, z in zip(uppers, codes, strict=True):
        off = (z - p.mean) / p.stddev
        assert off.mean().abs() < 0.06
        assert off.std() == pytest.approx(1, abs=0.05)


def test_nothing_of_training_reaches_m1():
    densities, (x, y) = stacked().train(), data()
    before, modes = weights(densities.m1), set()
    densities.m1.posterior.net.register_forward_hook(lambda module, *_: modes.add(module.training))
    densities.log_class_probs(x)
    (sum_over_classes(densities.class_terms(x)).elbo.sum() + densities.labelled_terms(x, y).elbo.sum()).backward()
    start(densities, torch.full((6,), 0.9))
    assert modes == {False}
    for name, parameter in densities.named_parameters():
        assert (parameter.grad is not None) == name.startswith("m2."), name
        assert parameter.requires_grad == name.startswith("m2."), name
    assert torch.equal(before, weights(densities.m1))


def test_every_use_draws_the_codes_of_m1_anew():
    densities, (x, _) = stacked(), data()
    first, second = (densities.class_terms(x).log_q for _ in range(2))
    assert not torch.equal(first, second)


class Shifted(Conditional):
    """z1 = A z2 + B y + scale * noise."""

    def __init__(self, weight, shift, scale):
        super().__init__()
        self.weight, self.shift, self.scale = nn.Parameter(weight), nn.Parameter(shift), scale

    def forward(self, z, y):
        mean = z @ self.weight.T + y @ self.shift
        return Independent(Normal(mean, self.scale.expand_as(mean)), 1)


@pytest.mark.usefixtures("float64")
class TestChain:
    """y -> z2 -> z1 -> x, all linear and Gaussian: p(x) is a mixture of Gaussians."""

    @pytest.fixture
    def chain(self, float64):
        torch.manual_seed(1)
        lower = linear_gaussian()
        a, b, scale = 0.6 * torch.randn(2, 2), torch.randn(3, 2), torch.tensor(0.5)
        densities = stacked(
            Spec((4,), Support.REAL, classes=name_by_number(3)),
            m1=lambda: lower.rough,
            posterior=NORMAL,
            likelihood=lambda *_: Shifted(a, b, scale),
        )
        above = a @ a.T + scale**2 * torch.eye(2)
        covariance = lower.w @ above @ lower.w.T + 0.25 * torch.eye(4)
        components = MultivariateNormal(b @ lower.w.T + lower.b, covariance)
        return densities, lower.x, MixtureSameFamily(Categorical(logits=torch.zeros(3)), components).log_prob(lower.x)

    def test_the_bound_is_below_the_evidence(self, chain):
        densities, x, evidence = chain
        elbo = sum_over_classes(densities.class_terms(x.repeat(10_000, 1))).elbo.view(10_000, -1)
        assert (elbo.mean(0) + 5 * elbo.std(0) / 10_000**0.5 < evidence).all()

    def test_draws_of_y_agree_with_the_sum_in_mean(self, chain):
        densities, x, _ = chain
        summed = sum_over_classes(densities.class_terms(x.repeat(10_000, 1))).elbo.view(10_000, -1)
        drawn = densities.terms(x, shape=(10_000,)).elbo
        spread = (summed.var(0) + drawn.var(0)) / 10_000
        assert ((summed.mean(0) - drawn.mean(0)) / spread.sqrt()).abs().max() < 5

    def test_importance_weights_average_to_the_evidence(self, chain):
        densities, x, evidence = chain
        in_strata = from_posterior(densities, (x,), 20_000)(slice(0, 20_000))
        for latents in (densities.infer(x, shape=(20_000,)), in_strata):
            log_weight = densities.score(x, latents).log_weight
            estimate = log_weight.logsumexp(0) - torch.tensor(20_000.0).log()
            torch.testing.assert_close(estimate, evidence, rtol=0, atol=0.2)
        assert len(in_strata[-1].z.flatten(0, 1).unique(dim=0)) == 100_000

    def test_the_labelled_bound_is_below_the_joint_evidence(self, chain):
        densities, x, evidence = chain
        y = torch.arange(5) % 3
        elbo = densities.labelled_terms(x.repeat(10_000, 1), y.repeat(10_000)).elbo.view(10_000, -1).mean(0)
        assert (elbo < evidence).all()


def autoencoder():
    return autoencoder_layer(BITS, 2, None, partial(HEAD, family=Deterministic), partial(HEAD, family=Bernoulli))


def binary():
    posterior = partial(HEAD, family=partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False))
    return small_densities(prior=partial(FixedBernoulli, probability=0.5), posterior=posterior)


BAD = {
    "no M1": (lambda: stacked(m1=lambda: None), "stands on a trained M1.*set pretrained.m1"),
    "other data": (lambda: stacked(m1=lambda: small_densities(BITS._replace(x=(7,)))), "pretrained.m1.*other data"),
    "conditional M1": (lambda: stacked(m1=lambda: small_densities(BITS._replace(given=((3,),)))), "other data"),
    "autoencoder": (
        lambda: stacked(m1=autoencoder),
        r"pretrained.m1 \(Layer\).*model=m1 and model=vae.*set pretrained.m1",
    ),
    "binary latents": (lambda: stacked(m1=binary), "continuous latents"),
    "an M1+M2 below": (lambda: stacked(m1=stacked), "single layer"),
    "no classes": (lambda: stacked(BITS), "data with classes"),
    "Bernoulli codes": (lambda: stacked(likelihood=partial(HEAD, family=Bernoulli)), "likelihood=gaussian"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_models_are_refused(case):
    build, message = BAD[case]
    with refused(message):
        build()
