"""Codes that a critic matches: what exists of them, and which priors and encoders are refused where."""

from functools import partial

import pytest
import torch
from tests.helpers import LABELLED, mlp, refused, small_densities
from tests.models.registry import (
    NORMAL_HEAD,
    RING,
    ROLL,
    WIDE,
    adversarial,
    class_autoencoder,
    group_autoencoder,
)

from elbolab.densities.latents import Undefined
from elbolab.densities.terms import summary
from elbolab.distributions.conditional import Head
from elbolab.distributions.priors import FixedBernoulli, Mixture
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.distributions.universal import Universal
from elbolab.distributions.vamp import Vamp

UNIVERSAL = partial(Universal, net=mlp(5), num_noise=3)
DENSITIES = {
    "deterministic": adversarial,
    "gaussian": partial(adversarial, posterior=NORMAL_HEAD, prior=RING),
    "universal": partial(adversarial, posterior=UNIVERSAL, prior=ROLL),
    "given": partial(adversarial, spec=LABELLED),
    "classes": class_autoencoder,
    "groups": group_autoencoder,
}


@pytest.fixture(params=DENSITIES)
def densities(request):
    return DENSITIES[request.param]()


def data(densities, num=4):
    x = torch.randint(2, (num, 6)).float()
    return x, *(torch.rand(num, *shape) for shape in densities.spec.given)


@pytest.mark.parametrize("sample_shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("name", [name for name in DENSITIES if name != "gaussian"])
def test_there_is_a_distortion_and_no_bound(name, sample_shape):
    densities = DENSITIES[name]()
    terms = densities.terms(*data(densities), shape=sample_shape)
    assert terms.distortion.shape == (*sample_shape, 4)
    assert terms.latents[-1].z.shape[-1] == 2
    assert set(summary(terms)) == {"distortion"}
    for quantity in ("rate", "elbo", "log_weight"):
        with pytest.raises(Undefined, match="no importance weight"):
            getattr(terms, quantity)
    with pytest.raises(Undefined, match="no KL per dimension"):
        _ = terms.latents[-1].kl_per_dim


def test_codes_with_a_density_have_a_bound_whoever_trains_them():
    """It is that of a VAE of the same parts."""
    densities, x = DENSITIES["gaussian"](), torch.ones(4, 6)
    torch.manual_seed(3)
    terms = densities.terms(x, shape=(7,))
    z = terms.latents.only().z
    log_ratio = densities.prior().log_prob(z) - densities.posterior(x).log_prob(z)
    torch.testing.assert_close(terms.elbo, densities.likelihood(z).log_prob(x) + log_ratio)


def test_codes_and_draws_have_the_shapes_of_latents_and_data(densities):
    x, *given = data(densities)
    z = densities.encode(x, *given)
    assert z.shape == (4, *densities.latent_shape)
    assert densities.decode(z, *given).mean.shape == x.shape
    p = densities.generate(5, *given)
    assert p.batch_shape == ((5, 4) if given else (5,))
    assert len(p.mean.flatten(0, -2).unique(dim=0)) == len(p.mean.flatten(0, -2))


def test_every_parameter_has_a_gradient(densities):
    terms = densities.terms(*data(densities))
    (terms.distortion.sum() + sum(latent.z.square().sum() for latent in terms.latents)).backward()
    for name, parameter in densities.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_universal_or_gaussian_encoder_draws_anew_and_a_deterministic_one_does_not():
    for name, num in {"deterministic": 1, "gaussian": 7, "universal": 7}.items():
        densities = DENSITIES[name]()
        z = densities.terms(torch.ones(4, 6), shape=(7,)).latents[0].z
        assert len(z[:, 0].unique(dim=0)) == num


@pytest.mark.parametrize("make", [class_autoencoder, group_autoencoder])
def test_a_code_is_the_style_and_the_probabilities_of_the_category(make):
    densities = make()
    x = data(densities)[0]
    z, log_y = densities.read(x)
    torch.testing.assert_close(densities.encode(x), torch.cat([z, log_y.exp()], 1))
    torch.testing.assert_close(log_y.exp().sum(1), torch.ones(4))
    p = densities.likelihood(z, log_y.exp())
    torch.testing.assert_close(densities.decode(densities.encode(x)).mean, p.mean)
    torch.testing.assert_close(densities.terms(x).log_lik, p.log_prob(x))


def test_a_class_autoencoder_tells_class_from_style():
    densities = class_autoencoder()
    x, y = data(densities)[0], torch.eye(3)
    z = densities.encode(x)[:, :2]
    assert torch.equal(z, densities.read(x)[0])
    assert densities.imagine((), top=(y,))[1].z.shape == (3, 2)
    restyled = densities.decode(torch.cat([z[:, None].expand(-1, 3, -1), y.expand(4, -1, -1)], -1)).mean
    assert restyled.shape == (4, 3, 6)
    torch.testing.assert_close(restyled[1, 2], densities.decode(torch.cat([z[1], y[2]])[None]).mean[0])


def test_a_generated_category_is_whole():
    densities = group_autoencoder()
    seen = []
    densities.likelihood.register_forward_hook(lambda module, inputs, output: seen.append(inputs[1]))
    densities.generate(200)
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert (seen[0].sum(0) > 20).all()


BITS_POSTERIOR = partial(
    Head, net=mlp(5), family=partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: adversarial(prior=None), "needs a prior: choose prior=normal, gaussian_ring or swiss_roll"),
        (lambda: adversarial(posterior=None), "needs a posterior: choose posterior=deterministic"),
        (lambda: adversarial(prior=partial(Mixture, num_components=3, spread=1.0)), "no parameters to learn"),
        (lambda: adversarial(prior=partial(Vamp, num_components=3, noise=0.1)), "no parameters to learn"),
        (lambda: adversarial(prior=partial(FixedBernoulli, probability=0.5)), "vary smoothly"),
        (lambda: adversarial(posterior=BITS_POSTERIOR), "vary smoothly.*posterior=deterministic with prior=normal"),
        (lambda: class_autoencoder(posterior=NORMAL_HEAD), "posterior is a Normal: choose posterior=deterministic"),
        (
            lambda: small_densities(prior=ROLL),
            "this prior can be drawn from but has no density.*no bound: choose prior=standard_normal or gaussian_ring",
        ),
        (lambda: small_densities(posterior=UNIVERSAL), "this posterior can be drawn from.*posterior=diagonal_normal"),
    ],
)
def test_impossible_combinations_name_the_fix(make, message):
    with refused(message):
        make()


@pytest.mark.parametrize("prior", [RING, WIDE])
def test_a_prior_with_a_density_serves_a_vae(prior):
    terms = small_densities(prior=prior).terms(torch.ones(4, 6), shape=(3,))
    assert terms.elbo.shape == terms.log_weight.shape == (3, 4)
