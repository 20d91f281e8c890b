"""The denoising VAE's bounds, where everything is known: a linear-Gaussian model under Gaussian corruption."""

from functools import partial
from math import log
from types import SimpleNamespace

import pytest
import torch
from tests.helpers import BITS, Linear, adam, linear_gaussian, refused, small_densities
from torch.distributions import MultivariateNormal, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.denoising import corrupted_terms, denoising_layer
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import StandardNormal
from elbolab.distributions.corruption import Corruption, bit_flip, gaussian_noise
from elbolab.evaluation import proposals
from elbolab.evaluation.denoising import denoising_bounds
from elbolab.evaluation.likelihood import importance_log_likelihood
from elbolab.evaluation.proposals import from_corruptions, from_posterior, mixture_log_prob, sampling_of
from elbolab.models.dvae import DVAE
from elbolab.models.vae import VAE

SCALE, NOISE = 0.6, 0.5


def untouched(drawing=lambda _: None):
    """x itself; draws the noise that ``drawing`` of x draws, so that two streams of noise stay side by side."""

    def draw(x):
        drawing(x)
        return x

    return Corruption("untouched", draw)


def small(corruption, layer=None):
    """The 6-bit VAE, or ``layer``, as a denoising one with the same weights."""
    layer = layer or small_densities()
    parts = [lambda *_, part=part: part for part in (layer.prior, layer.posterior, layer.likelihood)]
    return denoising_layer(layer.spec, *layer.latent_shape, *parts, corruption)


def linear(num=3, dim=4, latent_dim=2):
    """p(x, z) of `linear_gaussian`, q(z | x) = N(A x + a, D), and x~ = x + SCALE * noise: every bound is known.

    Then q~(z | x) = N(A x + a, D + SCALE^2 A A^T).
    """
    model = linear_gaussian(num, dim, latent_dim, NOISE)
    gain, offset = model.rough.posterior.weight.detach(), model.rough.posterior.bias.detach()
    q = model.rough.posterior.scale.square().diag()
    mixed = q + SCALE**2 * gain @ gain.T
    mean = model.x @ gain.T + offset
    joint = (
        Normal(mean @ model.w.T + model.b, NOISE).log_prob(model.x).sum(1)
        - torch.trace(model.w @ mixed @ model.w.T) / (2 * NOISE**2)
        + Normal(0, 1).log_prob(mean).sum(1)
        - torch.trace(mixed) / 2
    )  # E_q~ log p(x, z)
    entropy = lambda covariance: MultivariateNormal(torch.zeros(latent_dim), covariance).entropy()  # noqa: E731
    return SimpleNamespace(
        x=model.x,
        densities=small(partial(gaussian_noise, SCALE), model.rough).eval(),
        log_px=model.evidence.log_prob(model.x),
        mixture=joint + entropy(mixed),
        dvae=joint + entropy(q),
        information=0.5 * torch.logdet(torch.eye(latent_dim) + SCALE**2 * torch.linalg.solve(q, gain @ gain.T)),
    )


@pytest.fixture
def model(float64):
    return linear()


def test_the_bounds_are_ordered_and_their_gap_is_the_information_in_the_corruption(model):
    assert (model.log_px > model.mixture).all()
    assert (model.mixture > model.dvae).all()
    torch.testing.assert_close(model.mixture - model.dvae, model.information.expand(3))


def close(sampled, exact):
    """Within five standard errors of the mean over the first dimension."""
    error = (sampled.mean(0) - exact).abs() / (sampled.std(0) / len(sampled) ** 0.5)
    assert error.max() < 5


def test_terms_at_corruptions_estimate_l_dvae(model):
    terms = corrupted_terms(model.densities, model.x, corruption_shape=(20_000,), shape=(2,))
    assert terms.elbo.shape == (2, 20_000, 3)
    close(terms.elbo.mean(0), model.dvae)
    close(terms.log_weight.mean(0), model.dvae)


def test_measured_bounds_are_the_known_ones(model):
    def bounds(num_corruptions, repeats):
        rows = [Batch(model.x.repeat(repeats, 1))]
        found = denoising_bounds(model.densities, rows, num_corruptions=num_corruptions, seed=0)
        return [found[name].view(repeats, 3) for name in ("dvae_bound", "mixture_bound")]

    (dvae, few), (_, many) = bounds(3, 3_000), bounds(250, 40)
    close(dvae, model.dvae)
    close(many, model.mixture)
    assert (model.dvae + 0.1 < few.mean(0)).all()
    assert (few.mean(0) + 0.1 < model.mixture).all()


def test_one_corruption_leaves_nothing_between_the_bounds(model):
    """A mixture of one component is that component: mixture_bound is then an estimate of L_dvae."""
    rows = [Batch(model.x.repeat(4_000, 1))]
    mixture = denoising_bounds(model.densities, rows, num_corruptions=1, seed=0)["mixture_bound"]
    close(mixture.view(-1, 3), model.dvae)


@pytest.mark.parametrize(("num_corruptions", "num_samples"), [(1, 4), (3, 2), (5, 1)])
def test_the_mean_weight_is_the_evidence(model, num_corruptions, num_samples):
    """Unbiased at any number of samples from each of any number of corruptions."""
    proposal, k = sampling_of(model.densities, num_samples, num_corruptions)
    assert k == num_corruptions * num_samples
    rows = [Batch(model.x.repeat(20_000, 1))]
    weights = importance_log_likelihood(model.densities, rows, num_samples=k, seed=1, proposal=proposal).log_px
    close((weights.view(-1, 3) - model.log_px).exp(), torch.ones(3))


def offsets():
    """Adds m to corruption m."""
    return Corruption("offsets", lambda x: x + torch.arange(len(x)).view(-1, 1, 1))


def test_sample_k_comes_from_component_k_mod_m_and_is_weighed_by_the_equal_mixture(model):
    """Two samples from each of three components, taken in two parts."""
    densities = small(offsets, model.densities.layer)
    densities.layer.posterior.scale = torch.full((2,), 1e-3)
    draw = from_corruptions(3, densities, (model.x,), 6)
    parts = [draw(slice(0, 4)), draw(slice(4, 6))]
    z, log_q = (torch.cat([getattr(part.only(), name) for part in parts]) for name in ("z", "log_q"))
    components = [densities.layer.posterior(model.x + m) for m in range(3)]
    for k in range(6):
        torch.testing.assert_close(z[k], components[k % 3].mean, rtol=0, atol=0.01)
        torch.testing.assert_close(log_q[k], components[k % 3].log_prob(z[k]) - log(3))  # no overlap
    densities.layer.posterior.scale = torch.ones(2)  # they do
    q = densities.layer.posterior(torch.stack([model.x + m for m in range(3)]))
    by_hand = sum(densities.layer.posterior(model.x + m).log_prob(z).exp() for m in range(3)) / 3
    torch.testing.assert_close(mixture_log_prob(q, z), by_hand.log())


def test_the_mixture_is_the_same_whatever_fits_into_memory(model, monkeypatch):
    q = model.densities.layer.posterior(model.densities.corrupt(model.x.expand(3, 3, 4)))
    z = q.sample((5,))[:, 0]
    whole = mixture_log_prob(q, z)
    monkeypatch.setattr(proposals, "DRAWN", 1)
    assert torch.equal(mixture_log_prob(q, z), whole)


def test_more_corruptions_need_fewer_samples(model):
    """The variance falls from one corruption to a mixture of them, at equal samples."""
    rows = [Batch(model.x.repeat(2_000, 1))]
    nll = [
        importance_log_likelihood(
            model.densities, rows, num_samples=12, seed=2, proposal=partial(from_corruptions, num)
        ).log_px.mean()
        for num in (1, 4)
    ]
    assert nll[0] < nll[1] < model.log_px.mean() + 0.01


def test_without_corruption_the_estimate_is_the_clean_one_bit_for_bit(model):
    layer = model.densities.layer
    clean = small(untouched, layer).eval()
    estimates = [
        importance_log_likelihood(clean, [Batch(model.x)], num_samples=20, seed=3, proposal=proposal).log_px
        for proposal in (partial(from_corruptions, 1), from_posterior)
    ]
    assert torch.equal(*estimates)


def test_other_models_keep_their_posterior():
    assert sampling_of(small_densities(), 7, 5) == (from_posterior, 7)


def bits(num=8):
    return Batch(torch.randint(2, (num, 6), generator=torch.Generator().manual_seed(5)).float())


@pytest.mark.parametrize("num_samples", [1, 3])
def test_without_noise_a_dvae_is_the_vae_bit_for_bit(num_samples):
    """Loss and gradients, once the noise of what a DVAE draws beside the bound (x~, the clean ELBO) has gone by."""
    layer = small_densities()
    vae = VAE(num_samples=num_samples, densities=layer, optimizer=adam())
    dvae = DVAE(num_samples=num_samples, densities=small(partial(bit_flip, 0.0), layer), optimizer=adam())
    results = []
    for model in (vae, dvae):
        torch.manual_seed(3)
        if model is vae:
            layer.terms(bits().x), dvae.densities.corrupt(bits().x)
        loss = model.loss(bits()).value
        results.append([loss, *torch.autograd.grad(loss, list(layer.parameters()))])
    assert all(torch.equal(mine, its) for mine, its in zip(*results, strict=True))


def test_the_loss_averages_over_all_corruptions_and_samples():
    model = DVAE(num_corruptions=4, num_samples=3, densities=small(partial(bit_flip, 0.3)), optimizer=adam())
    torch.manual_seed(3)
    loss = model.loss(bits())
    torch.manual_seed(3)
    model.densities.terms(bits().x)
    elbo = corrupted_terms(model.densities, bits().x, corruption_shape=(4,), shape=(3,)).elbo
    assert elbo.shape == (3, 4, 8)
    torch.testing.assert_close(loss.value, -elbo.mean())
    torch.testing.assert_close(loss.metrics["dvae_bound"], elbo.mean())


def test_the_encoder_sees_the_corrupted_and_the_likelihood_the_clean_datum():
    flipped = small(partial(bit_flip, 1.0))
    x = bits().x
    terms = corrupted_terms(flipped, x)
    q, z = terms.latents[0].q, terms.latents[0].z
    assert torch.equal(q.mean, flipped.encode(1 - x))
    assert torch.equal(terms.log_lik, flipped.decode(z).log_prob(x))


@pytest.mark.parametrize("training", [True, False])
def test_terms_and_codes_are_those_of_the_clean_datum_in_training_too(training):
    densities = small(partial(bit_flip, 1.0)).train(training)
    assert torch.equal(densities.terms(bits().x).latents[0].q.mean, densities.layer.posterior(bits().x).mean)
    assert torch.equal(densities.encode(bits().x), densities.layer.encode(bits().x))


def test_corruptions_of_one_datum_differ():
    x = bits(2).x
    assert len(small(partial(bit_flip, 0.5)).corrupt(x.expand(5, *x.shape)).flatten(1).unique(dim=0)) == 5


def test_conditions_go_with_corruptions():
    spec = BITS._replace(given=((3,),))
    layer = small_densities(spec)
    terms = corrupted_terms(
        small(partial(bit_flip, 0.2), layer), bits().x, torch.rand(8, 3), corruption_shape=(5,), shape=(2,)
    )
    assert terms.elbo.shape == (2, 5, 8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: small(None), "a denoising model needs a corruption"),
        (lambda: DVAE(densities=small_densities(), optimizer=adam()), "choose model=dvae"),
        (lambda: DVAE(0, densities=small(untouched), optimizer=adam()), "model.num_corruptions=0"),
        (lambda: DVAE(1, 0, densities=small(untouched), optimizer=adam()), "model.num_samples=0"),
        (lambda: small(partial(bit_flip, 1.5)), "corruption probability=1.5"),
    ],
)
def test_impossible_options_are_refused(build, message):
    with refused(message):
        build()


def test_a_layer_of_real_data():
    """The layer's own checks stay: its spec is the data's."""
    spec = Spec((4,), Support.REAL)
    parts = [StandardNormal, lambda *_: Linear(None, None, torch.zeros(2, 4), torch.zeros(2), torch.ones(2))]
    likelihood = lambda *_: Linear(None, None, torch.zeros(4, 2), torch.zeros(4), torch.ones(4))  # noqa: E731
    made = denoising_layer(spec, 2, *parts, likelihood, partial(gaussian_noise, 0.1))
    assert made.spec is spec
    assert made.latent_shape == single_layer(spec, 2, *parts, likelihood).latent_shape
