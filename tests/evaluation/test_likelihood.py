"""The estimators on a model whose evidence is known: x = W z + b + s * noise, z ~ N(0, I)."""

from functools import partial

import pytest
import torch
from tests.evaluation.binary_vae import bernoulli_vae, binary_batches
from tests.evaluation.registry import measure
from tests.models.registry import ROLL
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.latents import Latent, Latents, Undefined, sample
from elbolab.densities.layer import Layer, single_layer
from elbolab.densities.wiring import adversarial_layer, autoencoder
from elbolab.distributions.conditional import Conditional, Head, StandardNormal
from elbolab.distributions.family import DiagonalNormal, Family
from elbolab.distributions.point_mass import Deterministic as PointCode
from elbolab.distributions.universal import Universal
from elbolab.evaluation import likelihood
from elbolab.evaluation.likelihood import (
    KINDS,
    LIVE,
    Likelihood,
    bound,
    degeneracy,
    heavy_tail,
    importance_log_likelihood,
)
from elbolab.evaluation.proposals import SCORED, from_posterior, from_prior
from elbolab.evaluation.quantity import mean_of
from elbolab.nets.mlp import MLP

NOISE = 0.5
LINEAR = partial(MLP, hidden=[], activation="Tanh", init="torch")


class FixedScale(Family):
    """N(raw, NOISE^2)."""

    def __init__(self, event):
        super().__init__(event, event)

    def forward(self, raw):
        return Independent(Normal(raw, torch.full_like(raw, NOISE)), 1)

    def raw_for(self, mean):
        return mean


class TruePosterior(Conditional):
    """p(z | x) of the linear-Gaussian model, widened by ``factor``."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor, self.decoder = factor, None

    def forward(self, x: Tensor) -> Distribution:
        W, b = self.decoder.weight, self.decoder.bias
        covariance = torch.linalg.inv(torch.eye(W.shape[1]) + W.T @ W / NOISE**2)
        return MultivariateNormal((x - b) @ W @ covariance / NOISE**2, self.factor * covariance)


def linear_gaussian(factor=1.0, num=12) -> tuple[Layer, list[Batch], Tensor]:
    """The model with the (widened) true posterior, data, and the exact log p(x) of each datum."""
    likelihood = partial(Head, net=LINEAR, family=FixedScale)
    posterior = TruePosterior(factor)
    densities = single_layer(
        Spec((5,), Support.REAL), 2, StandardNormal, partial(Head, net=LINEAR, family=DiagonalNormal), likelihood
    )
    posterior.decoder = densities.likelihood.net.layers[0]
    densities.posterior = posterior
    W, b = posterior.decoder.weight.detach(), posterior.decoder.bias.detach()
    evidence = MultivariateNormal(b, W @ W.T + NOISE**2 * torch.eye(5))
    x = evidence.sample((num,))
    return densities, [Batch(x[:7]), Batch(x[7:])], evidence.log_prob(x)


class TwoLatents(Densities):
    """The linear-Gaussian model with its z taken apart: z2 on top, drawn by itself, and z1 under it."""

    def __init__(self, inner: Layer):
        super().__init__()
        self.inner, self.spec, self.code_shapes = inner, inner.spec, ((1,), (1,))

    def infer(self, x, *given, shape=(), draw=sample):
        q, p = self.inner.posterior(x), Independent(Normal(torch.zeros(1), torch.ones(1)), 1)
        mean, covariance = q.mean, q.covariance_matrix[0]
        gain = covariance[0, 1] / covariance[1, 1]
        upper = Independent(Normal(mean[:, 1:], covariance[1, 1].sqrt()), 1)
        z2 = Latent.drawn(draw, shape, upper, p)
        loc = mean[:, :1] + gain * (z2.z - mean[:, 1:])
        lower = Independent(Normal(loc, (covariance[0, 0] - gain * covariance[0, 1]).sqrt()), 1)
        return Latents([z2, Latent.drawn(draw, (), lower, p)])

    def imagine(self, shape, *given, top=(), draw=sample):
        assert not top
        p = Independent(Normal(torch.zeros(1), torch.ones(1)), 1)
        return Latents([Latent(draw(p, shape).z, p=p) for _ in range(2)])

    def likelihood_of(self, latents, *given):
        z2, z1 = latents
        return self.inner.likelihood(torch.cat([z1.z, z2.z], dim=-1))

    def initialise(self, data, mean):
        self.inner.initialise(data, mean)


def deterministic() -> Layer:
    """An autoencoder: no prior, no latent with a density."""
    encoder = partial(Head, net=LINEAR, family=PointCode)
    return autoencoder(Spec((5,), Support.REAL), 2, None, encoder, partial(Head, net=LINEAR, family=FixedScale))


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("num_samples", [1, 7])
def test_true_posterior_gives_the_evidence_for_every_sample(num_samples):
    densities, batches, exact = linear_gaussian()
    marginal = importance_log_likelihood(densities, batches, num_samples=num_samples, seed=3)
    torch.testing.assert_close(marginal.log_px, exact, atol=1e-9, rtol=0)
    torch.testing.assert_close(marginal.ess, torch.full_like(exact, num_samples), atol=1e-6, rtol=0)


def test_bounds_are_ordered_and_reach_the_evidence():
    densities, batches, exact = linear_gaussian(factor=1.5, num=200)
    elbo = bound(densities, batches, seed=0, num_samples=50)["elbo"].mean()
    ten, many = (importance_log_likelihood(densities, batches, num_samples=k, seed=1).log_px.mean() for k in (10, 2000))
    assert elbo < ten - 0.02 < many < exact.mean() + 0.005
    assert abs(many - exact.mean()) < 0.005


def test_one_sample_is_the_elbo_in_expectation():
    densities, batches, _ = linear_gaussian(factor=2.0, num=4)
    draws = torch.stack(
        [importance_log_likelihood(densities, batches, num_samples=1, seed=s).log_px for s in range(400)]
    )
    elbo = bound(densities, batches, seed=0, num_samples=4000)["elbo"]
    assert ((draws.mean(0) - elbo).abs() < 4.5 * draws.std(0) / 20).all()


def test_estimator_is_the_logarithm_of_the_mean_weight():
    densities, batches, _ = linear_gaussian(factor=1.5, num=1)
    x, q = batches[0].x, densities.posterior(batches[0].x)
    with torch.random.fork_rng():
        seed_device(x.device, seed_of("importance sampling", 5, 0))  # the first group of seed 5
        z = q.sample((30,))
    w = (densities.decode(z).log_prob(x) + densities.prior().log_prob(z) - q.log_prob(z)).exp()
    marginal = importance_log_likelihood(densities, batches, num_samples=30, seed=5)
    torch.testing.assert_close(marginal.log_px, w.mean(0).log())
    torch.testing.assert_close(marginal.ess, w.sum(0) ** 2 / (w**2).sum(0))


@pytest.mark.parametrize("memory", [1, 700, 5_000, 10**9])
@pytest.mark.parametrize("batch_size", [1, 6, 20])
def test_neither_chunks_nor_batches_change_the_estimate(memory, batch_size):
    densities, (batch,) = bernoulli_vae(), binary_batches()
    batches = [Batch(x) for x in batch.x.split(batch_size)]
    whole = importance_log_likelihood(densities, [batch], num_samples=33, seed=2)
    chunked = importance_log_likelihood(densities, batches, num_samples=33, seed=2, memory=memory)
    torch.testing.assert_close(chunked, whole, atol=1e-10, rtol=0)


def test_many_small_groups_and_blocks_of_draws_agree_with_the_evidence(monkeypatch):
    monkeypatch.setattr("elbolab.evaluation.likelihood.DRAWN", 10)
    densities, batches, exact = linear_gaussian()
    marginal = importance_log_likelihood(densities, batches, num_samples=23, seed=3)
    torch.testing.assert_close(marginal.log_px, exact, atol=1e-9, rtol=0)


def test_float32_is_within_a_thousandth_of_a_nat():
    densities, batches = bernoulli_vae(spec=Spec((784,), Support.BINARY, 2)), binary_batches(8, 784)
    x = batches[0].x
    latent = densities.infer(x, shape=(1000,)).only()
    log_w = densities.score(x, Latents([latent])).log_weight
    densities.float()
    single = Latent(latent.z.float(), p=densities.prior(), drawn_log_q=latent.log_q.float())
    log_w32 = densities.score(x.float(), Latents([single])).log_weight
    torch.testing.assert_close(log_w32.double().logsumexp(0), log_w.logsumexp(0), atol=1e-3, rtol=0)


def test_every_sample_of_two_latents_has_the_evidence_under_their_true_posterior(monkeypatch):
    """The lower one has other parameters for every sample, which its parts must not be scored without."""
    monkeypatch.setattr("elbolab.evaluation.proposals.SCORED", 24)  # two of the nine samples at once
    inner, batches, exact = linear_gaussian()
    marginal = importance_log_likelihood(TwoLatents(inner), batches, num_samples=9, seed=0, memory=300)
    torch.testing.assert_close(marginal.log_px, exact, atol=1e-9, rtol=0)
    torch.testing.assert_close(marginal.ess, torch.full_like(exact, 9), atol=1e-6, rtol=0)


@pytest.mark.parametrize("proposal", [from_posterior, from_prior])
def test_two_latents_are_estimated_without_bias(proposal):
    """One wrong factor of the weight, or a pair of latents of which only one is the sample's own, is a bias."""
    inner, batches, exact = linear_gaussian(factor=2.0, num=8)
    model = TwoLatents(inner)
    options = {"num_samples": 200, "memory": 5_000, "proposal": proposal}
    found = [importance_log_likelihood(model, batches, seed=s, **options).log_px for s in range(60)]
    ratios = (torch.stack(found) - exact).exp()
    assert ((ratios.mean(0) - 1).abs() < 4.5 * ratios.std(0) / 60**0.5).all()


@pytest.mark.parametrize("threads", [2, 100])
def test_two_latents_are_the_same_draws_on_any_number_of_threads(threads, monkeypatch):
    model, x = TwoLatents(linear_gaussian(factor=2.0)[0]), torch.randn(40, 5)
    pair = LIVE * 5 * 8
    found = []
    for num_threads in (1, threads):
        monkeypatch.setattr(likelihood, "default_memory", lambda _, num=num_threads: num * 100 * pair)
        found.append(importance_log_likelihood(model, [Batch(x)], num_samples=100, seed=0).log_px)
    torch.testing.assert_close(*found, atol=1e-10, rtol=0)


def test_conditions_travel_with_their_data():
    spec = Spec((4,), Support.BINARY, 2, given=((3,),))
    densities = bernoulli_vae(spec=spec)
    x, c = torch.rand(10, 4).round(), torch.rand(10, 3)
    whole = importance_log_likelihood(densities, [Batch(x, (c,))], num_samples=12, seed=0)
    parts = [Batch(x[:3], (c[:3],)), Batch(x[3:], (c[3:],))]
    chunked = importance_log_likelihood(densities, parts, num_samples=12, seed=0, memory=2_000)
    torch.testing.assert_close(chunked[:2], whole[:2], atol=1e-10, rtol=0)


def test_same_seed_same_numbers_and_other_seed_others():
    densities, batches = bernoulli_vae(), binary_batches()
    first, again, other = (
        importance_log_likelihood(densities, batches, num_samples=5, seed=s).log_px for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_callers_generator_and_flags_are_left_alone():
    densities = bernoulli_vae()
    densities.train()
    densities.posterior.eval()
    state = torch.get_rng_state()
    importance_log_likelihood(densities, binary_batches(), num_samples=3, seed=0)
    bound(densities, binary_batches(), seed=0)
    torch.set_rng_state(state)
    after = torch.rand(3)
    torch.set_rng_state(state)
    assert torch.equal(after, torch.rand(3))
    assert densities.training
    assert densities.likelihood.training
    assert not densities.posterior.training


def test_dropout_is_off_while_evaluating():
    densities = bernoulli_vae()
    densities.likelihood.net.layers.append(nn.Dropout(0.9))
    plain = bernoulli_vae()
    plain.load_state_dict(densities.state_dict())
    batches = binary_batches()
    dropped, kept = (importance_log_likelihood(d, batches, num_samples=3, seed=0) for d in (densities, plain))
    torch.testing.assert_close(dropped[:2], kept[:2])


def test_bound_holds_what_exists():
    densities, batches, _ = linear_gaussian()
    parts = bound(densities, batches, seed=0)
    assert {name: value.shape for name, value in parts.items()} == dict.fromkeys(("elbo", "rate", "distortion"), (12,))
    torch.testing.assert_close(parts["elbo"], -parts["rate"] - parts["distortion"])
    assert list(bound(deterministic(), batches, seed=0)) == ["distortion"]


def test_a_model_without_weights_has_no_nll():
    _, batches, _ = linear_gaussian()
    with pytest.raises(Undefined, match="no importance weight"):
        importance_log_likelihood(deterministic(), batches, num_samples=2, seed=0)
    assert set(measure(Likelihood(2), deterministic(), batches)) == {"distortion"}


def test_an_adversarial_autoencoder_has_numbers_where_its_posterior_has_a_density():
    """They are true of the model, though it is not trained by them."""
    own, batches, exact = linear_gaussian(num=200)
    parts = (lambda *_, part=part: part for part in (own.posterior, own.likelihood))
    model = adversarial_layer(own.spec, 2, StandardNormal, *parts)
    found = measure(Likelihood(3), model, batches)
    assert found["nll"].value == pytest.approx(-exact.mean().item(), abs=1e-9)
    assert found["elbo"].value == pytest.approx(exact.mean().item(), abs=4.5 * found["elbo"].stderr)


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [
        (partial(Head, net=LINEAR, family=PointCode), StandardNormal),
        (partial(Universal, net=LINEAR, num_noise=2), StandardNormal),
        (partial(Head, net=LINEAR, family=DiagonalNormal), ROLL),
    ],
    ids=["point mass", "universal", "swiss roll"],
)
def test_an_adversarial_autoencoder_without_a_density_has_a_distortion_alone(posterior, prior):
    likelihood = partial(Head, net=LINEAR, family=FixedScale)
    model = adversarial_layer(Spec((5,), Support.REAL), 2, prior, posterior, likelihood)
    assert set(measure(Likelihood(2), model, [Batch(torch.randn(9, 5))])) == {"distortion"}


class Counting(Conditional):
    """N(0, I), which notes of how many numbers its density is asked for at once."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, *parents):
        p = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
        log_prob = p.log_prob
        p.log_prob = lambda value: self.seen.append(value.numel()) or log_prob(value)
        return p


def test_densities_of_the_draws_are_computed_in_parts():
    """A mixture of 500 components has 500 numbers for each of a draw: of 8 data with K=1000 all took 1.2 GiB."""
    densities, batches = bernoulli_vae(), binary_batches()
    whole = importance_log_likelihood(densities, batches, num_samples=1_000, seed=0)
    densities.prior = Counting(seen := [])
    parts = importance_log_likelihood(densities, batches, num_samples=1_000, seed=0)
    assert sum(seen) == 1_000 * 20 * 3
    assert max(seen) <= SCORED
    torch.testing.assert_close(parts, whole, atol=1e-10, rtol=0)


def test_quantities_name_their_units_and_samples():
    densities, batches, exact = linear_gaussian()
    quantities = measure(Likelihood(12), densities, batches, seed=6)
    nll = quantities["nll"]
    assert (nll.n, nll.k, nll.seed, nll.dtype, nll.kind.unit) == (12, 12, 6, "float64", "nats")
    assert nll.value == pytest.approx(-exact.mean().item(), abs=1e-9)
    assert nll.stderr == pytest.approx(exact.std().item() / 12**0.5, abs=1e-9)
    assert quantities["ess"].value == pytest.approx(12)
    assert quantities["degenerate"].value == 0
    assert "bits_per_dim" not in quantities


def test_continuous_likelihoods_of_levels_have_no_bits():
    densities, batches, _ = linear_gaussian()
    densities.spec = densities.spec._replace(levels=256)
    assert "bits_per_dim" not in measure(Likelihood(2), densities, batches)


@pytest.mark.parametrize(("share", "k", "warns"), [(0.05, 10, False), (0.3, 10, True)])
def test_degenerate_weights_are_told_with_their_fix(share, k, warns):
    degenerate = mean_of((torch.arange(100) < 100 * share).double(), KINDS["degenerate"], k=k, seed=0)
    text = degeneracy({"degenerate": degenerate})
    assert (text is not None) == warns
    if text is not None:
        assert "30% of 100 data" in text
        assert "evaluation.num_samples" in text
    assert degeneracy({}) is None


def test_a_heavy_tail_of_the_weights_is_told_with_its_fix():
    """With the true posterior all weights are alike; a proposal narrower than it leaves out the tail."""
    told = {}
    for factor in (1.0, 0.03):
        densities, batches, _ = linear_gaussian(factor)
        found = measure(Likelihood(400), densities, batches)
        told[factor] = heavy_tail(found), found["psis_khat"].value, found["psis_unreliable"].value
    assert told[1.0][0] is None
    assert told[1.0][1] < 0.7
    assert told[1.0][2] == 0
    assert "evaluation=ais" in told[0.03][0]
    assert f"{told[0.03][1]:.2f}" in told[0.03][0]
    assert told[0.03][2] > 0.5
    assert "psis_khat" not in measure(Likelihood(24), densities, batches)
