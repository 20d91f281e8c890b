from dataclasses import replace
from functools import partial
from math import exp, log, pi

import pytest
import torch
from tests.evaluation.registry import measure
from torch import nn
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Independent, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.latents import Latent, Latents, Undefined, sample
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Conditional, Head, Ignore, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.evaluation import few_labels
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.decomposition import Decomposition, log_aggregate
from elbolab.nets.mlp import MLP

linear = partial(MLP, hidden=(), activation="Tanh", init="glorot")
normal = partial(Head, net=linear, family=partial(DiagonalNormal, min_scale=0.0))


@pytest.fixture(autouse=True)
def _float64():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def linear_gaussian(dim=2, scale=0.5, given=()):
    """q(z | x) = N(x, scale^2 I), p(z) = N(0, I), p(x | z) = N(z, I)."""
    spec = Spec((dim,), Support.REAL, given=given)
    parts = StandardNormal, normal, partial(Ignore, conditional=normal)
    densities = single_layer(spec, dim, *parts)
    for head, std in ((densities.posterior, scale), (densities.likelihood.conditional, 1.0)):
        layer = head.net.layers[0]
        nn.init.zeros_(layer.weight)
        nn.init.eye_(layer.weight[:dim])
        nn.init.constant_(layer.bias[dim:], 2 * log(std))
    return densities


def values(quantities):
    return {name: quantity.value for name, quantity in quantities.items()}


def test_both_identities_hold_exactly():
    densities, x = linear_gaussian(), torch.randn(300, 2)
    parts = values(measure(Decomposition(), densities, [Batch(x)], seed=3))
    rate = parts["mutual_information"] + parts["marginal_kl"]
    assert rate == pytest.approx(parts["cross_entropy"] - parts["posterior_entropy"], abs=1e-10)
    # the same draws: seeded groups of 256 data
    with torch.no_grad(), isolated_rng(torch.device("cpu"), seed_of("rate decomposition", 3)):
        latents = [densities.terms(rows).latents[0] for rows in x.split(256)]
    assert rate == pytest.approx(-torch.cat([latent.log_ratio for latent in latents]).mean().item(), abs=1e-10)
    log_q = torch.cat([latent.q.log_prob(latent.z) for latent in latents])
    bracket = log_aggregate(torch.cat([latent.z for latent in latents]), [latent.q for latent in latents])
    middle = (log_q - torch.stack(bracket).mean(0)).mean().item()
    assert parts["mutual_information"] == pytest.approx(middle, abs=1e-10)


def test_minus_elbo_is_distortion_minus_entropy_plus_cross_entropy():
    densities, x = linear_gaussian(), torch.randn(200, 2)
    parts = values(measure(Decomposition(), densities, [Batch(x)], seed=3))
    with torch.no_grad(), isolated_rng(torch.device("cpu"), seed_of("rate decomposition", 3)):
        terms = densities.terms(x)
    expected = terms.distortion.mean().item() - parts["posterior_entropy"] + parts["cross_entropy"]
    assert -terms.log_weight.mean().item() == pytest.approx(expected, abs=1e-10)


def test_a_gaussian_channel_has_its_closed_form():
    """X ~ N(0, I), z = x + s e: I = d/2 log(1 + 1/s^2), q(z) = N(0, (1 + s^2) I), both up to O(1/n) and sampling."""
    scale, dim = 0.8, 2
    x = torch.randn(3000, dim)
    parts = measure(Decomposition(3000), linear_gaussian(dim, scale), [Batch(x)])
    variance = 1 + scale**2
    truth = {
        "mutual_information": dim / 2 * log(variance / scale**2),
        "marginal_kl": dim / 2 * (variance - log(variance) - 1),
        "posterior_entropy": dim / 2 * log(2 * pi * scale**2) + dim / 2,
        "cross_entropy": dim / 2 * (log(2 * pi) + variance),
    }
    assert parts.keys() == truth.keys()
    for name, value in truth.items():
        assert parts[name].value == pytest.approx(value, abs=4.3 * parts[name].stderr + 0.01), name


@pytest.mark.parametrize("seed", [0, 1])
def test_the_noise_is_not_the_users_own_stream(seed):
    """With the noise of x itself, z = 1.8 x: the cross-entropy was 22 standard errors off."""
    torch.manual_seed(seed)
    x, scale = torch.randn(2000, 2), 0.8
    found = measure(Decomposition(), linear_gaussian(2, scale), [Batch(x)], seed=seed)["cross_entropy"]
    assert found.value == pytest.approx(log(2 * pi) + 1 + scale**2, abs=4.3 * found.stderr)


def test_a_mixture_of_four_agrees_with_numerical_integration():
    centres, scale = torch.tensor([-1.5, -0.2, 0.4, 2.0]), 0.4
    x = centres.repeat(1000)[:, None]
    parts = measure(Decomposition(4000), linear_gaussian(1, scale), [Batch(x)])
    grid = torch.linspace(-9, 9, 20_001)
    log_q = Normal(centres[:, None], scale).log_prob(grid).logsumexp(0) - log(4)
    log_p = Normal(0.0, 1.0).log_prob(grid)
    entropy_of_q = -torch.trapezoid(log_q.exp() * log_q, grid).item()
    truth = {
        "mutual_information": entropy_of_q - 0.5 * log(2 * pi * scale**2) - 0.5,
        "marginal_kl": -entropy_of_q - torch.trapezoid(log_q.exp() * log_p, grid).item(),
    }
    for name, value in truth.items():
        assert parts[name].value == pytest.approx(value, abs=4.3 * parts[name].stderr), name


def matched_channel(information, num, dim=10):
    """Data of n points whose codes have I(x; z) nats, and q(z) = N(0, I): a marginal KL of 0."""
    scale = exp(-information / dim)
    x = (1 - scale**2) ** 0.5 * torch.randn(num, dim)
    return measure(Decomposition(num), linear_gaussian(dim, scale), [Batch(x)])


@pytest.mark.parametrize("information", [4.0, 5.5, 8.0, 26.9])
def test_an_estimate_that_saturates_is_absent(information):
    """With I = 26.9 and n = 500 it read 6.2, log n, and gave the other 20.7 to a marginal KL of 0."""
    found = matched_channel(information, 500)
    assert found.keys() == {"posterior_entropy", "cross_entropy"}
    rate = found["cross_entropy"].value - found["posterior_entropy"].value
    assert rate == pytest.approx(information, abs=0.5)


@pytest.mark.parametrize("information", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_away_from_saturation_a_matched_code_has_its_information_and_no_marginal_kl(information):
    found = matched_channel(information, 500)
    for name, truth in (("mutual_information", information), ("marginal_kl", 0.0)):
        assert found[name].value == pytest.approx(truth, abs=0.01 + 4.3 * found[name].stderr)


def test_own_posteriors_make_a_lower_estimate_and_those_of_others_an_upper_one():
    """Z = x + e / 2 of standard normal x in four dimensions: I = 2 log 5; the middle has no bias of first order."""
    own, others = [], []
    for _ in range(60):
        x = torch.randn(200, 4)
        q = Independent(Normal(x, 0.5), 1)
        z = q.sample()
        low, high = log_aggregate(z, [q])
        own.append((q.log_prob(z) - low).mean())
        others.append((q.log_prob(z) - high).mean())
    low, high = torch.stack(own), torch.stack(others)
    truth, error = 2 * log(5), lambda rows: 4.3 * rows.std().item() / 60**0.5
    assert low.mean() + error(low) < truth < high.mean() - error(high)
    assert (low + high).mean().item() / 2 == pytest.approx(truth, abs=error((low + high) / 2))


def test_separated_posteriors_inform_by_log_n_and_no_more():
    z = 1000.0 * torch.arange(50)[:, None]
    q = Independent(Normal(z, 1.0), 1)
    low, high = log_aggregate(z, [q])
    torch.testing.assert_close(q.log_prob(z) - low, torch.full((50,), log(50)))
    assert (q.log_prob(z) - high > 1e5).all()
    assert measure(Decomposition(), linear_gaussian(1), [Batch(z)]).keys() == {"posterior_entropy", "cross_entropy"}


def test_an_ignored_code_has_no_information():
    parts = values(measure(Decomposition(), linear_gaussian(), [Batch(torch.ones(64, 2))]))
    assert parts["mutual_information"] == pytest.approx(0.0, abs=1e-12)


def test_the_posterior_entropy_of_binary_codes_is_its_sum():
    class Coin(Conditional):
        def __init__(self, parents, event):
            super().__init__()

        def forward(self, *parents):
            lead = parents[0].shape[:-1] if parents else ()
            return Independent(TorchBernoulli(torch.full((*lead, 3), 0.5)), 1)

    densities = single_layer(Spec((4,), Support.BINARY), 3, Coin, Coin, partial(Head, net=linear, family=Bernoulli))
    parts = values(measure(Decomposition(), densities, [Batch(torch.ones(30, 4))]))
    assert parts["posterior_entropy"] == pytest.approx(3 * log(2))
    assert parts["mutual_information"] == pytest.approx(0.0, abs=1e-12)
    assert parts["marginal_kl"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("pair_elements", [1, 3 * 50 * 7, 2**23])
def test_the_aggregate_is_the_mean_over_all_data_or_over_all_others_in_any_chunks(pair_elements):
    loc = torch.randn(50, 3)
    z = Normal(loc, 0.7).sample()
    parts = [Independent(Normal(rows, 0.7), 1) for rows in loc.split(20)]
    found = log_aggregate(z, parts, pair_elements=pair_elements)
    pairs = Normal(loc[None], 0.7).log_prob(z[:, None]).sum(-1).exp()
    torch.testing.assert_close(found.with_own, pairs.mean(1).log(), rtol=0, atol=1e-12)
    others = (pairs.sum(1) - pairs.diagonal()) / 49
    torch.testing.assert_close(found.without_own, others.log(), rtol=0, atol=1e-11)


def test_batching_changes_nothing():
    densities, x = linear_gaussian(), torch.randn(100, 2)
    one = measure(Decomposition(), densities, [Batch(x)])
    assert one == measure(Decomposition(), densities, [Batch(rows) for rows in x.split(33)])
    assert one != measure(Decomposition(), densities, [Batch(x)], seed=1)


def test_the_limit_is_what_is_used_and_stated():
    densities, x = linear_gaussian(), torch.randn(100, 2)
    few = measure(Decomposition(40), densities, [Batch(rows) for rows in x.split(33)])
    assert {quantity.n for quantity in few.values()} == {40}
    assert few == measure(Decomposition(), densities, [Batch(x[:40])])
    assert few["cross_entropy"].k == 1
    assert few["cross_entropy"].dtype == "float64"


def test_the_model_and_the_random_state_are_given_back():
    densities = linear_gaussian().train()
    state = torch.get_rng_state()
    measure(Decomposition(), densities, [Batch(torch.randn(8, 2))])
    torch.set_rng_state(state)
    expected = torch.rand(3)
    torch.set_rng_state(state)
    measure(Decomposition(), densities, [Batch(torch.ones(8, 2))])
    assert torch.equal(torch.rand(3), expected)
    assert densities.training


def test_a_condition_leaves_out_what_compares_with_one_prior():
    densities = linear_gaussian(given=((1,),))
    batch = Batch(torch.randn(400, 2), given=(torch.randn(400, 1),))  # enough for an unconditional model
    assert measure(Decomposition(), densities, [batch]).keys() == {"posterior_entropy", "cross_entropy"}


class WithLatents(Densities):
    """Only the latents matter."""

    def __init__(self, make):
        super().__init__()
        self.spec, self.code_shapes, self.make = Spec((2,), Support.REAL), ((2,),), make

    def infer(self, x, *given, shape=(), draw=sample):
        return Latents(self.make(x))

    def imagine(self, shape, *given, top=(), draw=sample):
        raise NotImplementedError

    def likelihood_of(self, latents, *given):
        raise NotImplementedError

    def initialise(self, data, mean):
        raise NotImplementedError


def _sampled(x):
    q = Independent(Normal(x, 1.0), 1)
    return Latent(q.sample(), q, q)


def _relaxed(x):
    return replace(_sampled(x), is_relaxed=True)


@pytest.mark.parametrize(
    "make",
    [lambda x: (), lambda x: (_sampled(x), _sampled(x)), lambda x: (_relaxed(x),)],
    ids=["none", "two", "relaxed"],
)
def test_models_without_one_layer_of_latents_have_no_decomposition(make):
    with pytest.raises(Undefined):
        measure(Decomposition(), WithLatents(make), [Batch(torch.randn(5, 2))])


def test_one_layer_made_by_hand_has_one():
    assert len(measure(Decomposition(), WithLatents(lambda x: (_sampled(x),)), [Batch(torch.randn(400, 2))])) == 4


def test_first_cuts_every_part_of_a_batch():
    batch = Batch(torch.arange(6.0)[:, None], (torch.arange(6),), torch.arange(6), torch.arange(6)[:, None])
    parts = list(take_first([batch, batch, batch], 8))
    assert [len(part.x) for part in parts] == [6, 2]
    assert [len(rows) for rows in (parts[1].given[0], parts[1].y, parts[1].factors)] == [2, 2, 2]
    assert [len(part.x) for part in take_first([batch, batch], None)] == [6, 6]
    assert [len(part.x) for part in take_first([batch, batch], 6)] == [6]
    assert [part.y for part in take_first([Batch(batch.x)], 2)] == [None]


class Stretched(Densities):
    """z' = 1.3 z + 0.3 of another model's latent, whose density the draw alone knows, as of a flow."""

    def __init__(self, inner, keep_q):
        super().__init__()
        self.inner, self.keep_q = inner, keep_q
        self.spec, self.code_shapes = inner.spec, inner.code_shapes

    def infer(self, x, *given, shape=(), draw=sample):
        latent = self.inner.infer(x, *given, shape=shape, draw=draw).only()
        log_q = latent.log_q - latent.z.shape[-1] * log(1.3)
        return Latents([Latent(1.3 * latent.z + 0.3, latent.q if self.keep_q else None, latent.p, drawn_log_q=log_q)])

    def imagine(self, shape, *given, top=(), draw=sample):
        return self.inner.imagine(shape, *given, top=top, draw=draw)

    def likelihood_of(self, latents, *given):
        return self.inner.likelihood_of(latents, *given)

    def initialise(self, data, mean):
        pass


@pytest.mark.parametrize("keep_q", [True, False])
def test_a_density_that_the_draw_alone_knows_has_entropies_and_no_mutual_information(keep_q):
    """q at the draw of another datum is not known: what it is before the flow would be another density."""
    inner, x = linear_gaussian(), [Batch(torch.randn(300, 2))]
    found, before = (values(measure(Decomposition(), model, x, seed=3)) for model in (Stretched(inner, keep_q), inner))
    assert found.keys() == {"posterior_entropy", "cross_entropy"}
    assert found["posterior_entropy"] == pytest.approx(before["posterior_entropy"] + 2 * log(1.3))


@pytest.mark.parametrize("keep_q", [True, False])
def test_codes_of_few_labels_are_the_draws_themselves(keep_q):
    """They lie where the flow has taken them."""
    x = Batch(torch.randn(40, 2))
    with torch.no_grad():
        drawn = few_labels._draw_codes(Stretched(linear_gaussian(scale=1e-3), keep_q), x, 3)
    torch.testing.assert_close(drawn, (1.3 * x.x + 0.3).expand(3, 40, 2), atol=0.02, rtol=0)
