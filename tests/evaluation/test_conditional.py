"""Likelihoods of conditional models against what is known of them."""

from functools import partial
from math import log

import pytest
import torch
from tests.conditional_gaussian import conditional_gaussian
from tests.evaluation.registry import measure, measured
from tests.helpers import BITS, LABELLED, mlp, regression, small_cvae, small_densities
from tests.models.registry import autoencoder

from elbolab.batch import Batch
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.denoising import denoising_layer
from elbolab.densities.latents import Undefined
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.corruption import bit_flip
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.priors import FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.evaluation.conditional import (
    Conditional,
    class_information,
    class_log_likelihoods,
    is_label,
    monte_carlo_log_likelihood,
)
from elbolab.evaluation.likelihood import Likelihood, importance_log_likelihood
from elbolab.evaluation.report import table

pytestmark = pytest.mark.usefixtures("float64")


def of_label(model):
    return model.log_px.gather(1, model.batch.y[:, None])[:, 0]


def test_with_the_true_posterior_conditional_nll_is_exact():
    model = conditional_gaussian()
    found = measure(Likelihood(3), model.densities, [model.batch], seed=1)
    assert found["conditional_nll"].value == pytest.approx(-of_label(model).mean().item(), abs=1e-9)
    assert "nll" not in found


def test_importance_samples_and_draws_from_the_prior_agree_with_the_exact_likelihood():
    model = conditional_gaussian(wider=1.5)
    data, exact = [model.batch], of_label(model)
    importance = importance_log_likelihood(model.densities, data, num_samples=5_000, seed=1).log_px
    monte_carlo = monte_carlo_log_likelihood(model.densities, data, num_samples=50_000, seed=1)
    torch.testing.assert_close(importance, exact, rtol=0, atol=0.05)
    torch.testing.assert_close(monte_carlo, exact, rtol=0, atol=0.4)
    assert (monte_carlo - exact).mean().abs() < 0.05


def test_draws_from_the_prior_are_averaged_as_probabilities():
    model = conditional_gaussian(num=3)
    x, c = model.batch.x, model.batch.given[0]
    with torch.random.fork_rng():
        seed_device(x.device, seed_of("importance sampling", 4, 0))  # the first group of seed 4
        z = model.densities.prior(c).sample((25,))
    expected = model.densities.decode(z, c).log_prob(x).exp().mean(0).log()
    found = monte_carlo_log_likelihood(model.densities, [model.batch], num_samples=25, seed=4)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("memory", [1, 2_000, 10**9])
def test_chunks_and_batches_change_no_estimate(memory):
    torch.manual_seed(0)
    densities, y = small_cvae(), torch.arange(20) % 3
    batch = Batch(torch.rand(20, 6).round(), (torch.eye(3)[y],), y)
    parts = [Batch(batch.x[s], (batch.given[0][s],), y[s]) for s in (slice(7), slice(7, 20))]
    whole = measure(Conditional(9, class_samples=4), densities, [batch], seed=2)
    chunked = measure(Conditional(9, class_samples=4, memory=memory), densities, parts, seed=2)
    assert whole.keys() == {"conditional_nll_mc", "nll", "class_information", "error"}
    for name, quantity in whole.items():
        assert chunked[name].value == pytest.approx(quantity.value, abs=1e-10), name


def test_the_class_is_summed_out_and_found_by_bayes_rule():
    model = conditional_gaussian(num=60)
    found = measure(Conditional(2, class_samples=3), model.densities, [model.batch])
    nll = log(3) - model.log_px.logsumexp(1)
    assert found["nll"].value == pytest.approx(nll.mean().item(), abs=1e-9)
    wrong = (model.log_px.argmax(1) != model.batch.y).double().mean()
    assert 0 < wrong < 0.7
    assert found["error"].value == pytest.approx(wrong.item(), abs=1e-12)
    assert (found["nll"].k, found["error"].kind.unit, found["nll"].n) == (3, "fraction", 60)


def test_a_label_gains_at_most_its_own_information_and_the_mutual_information_in_mean():
    """On 6 bits and 3 classes, all 64 * 3 pairs: NLL(x) - NLL(x | y) <= -log p(y); its mean is I(x; y)."""
    densities, batch = enumerable(regression)
    y = batch.y
    by_class = class_log_likelihoods(densities, [batch], num_samples=1, seed=0)
    assert torch.equal(by_class.y, y)
    gain = class_information(by_class)
    assert (gain <= log(3) + 1e-12).all()
    weight = by_class.log_px.gather(1, y[:, None])[:, 0].exp() / 3
    torch.testing.assert_close(weight.sum(), torch.tensor(1.0))
    p_x = weight.view(3, 64).sum(0)
    entropy = lambda p: -torch.xlogy(p, p).sum()  # noqa: E731
    information = entropy(p_x) + log(3) - entropy(weight)  # I = H(x) + H(y) - H(x, y)
    assert information > 0.1
    torch.testing.assert_close((weight * gain).sum(), information)


def enumerable(build):
    """A model of 6 bits and 3 classes that are worth telling apart, and all 64 * 3 pairs of them."""
    torch.manual_seed(2)
    densities = build()
    for parameter in densities.likelihood.parameters():
        parameter.data *= 3
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).repeat(3, 1)
    y = torch.arange(3).repeat_interleave(64)
    return densities, Batch(x, (torch.eye(3)[y],), y)


def binary_cvae():
    family = partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
    return small_cvae(
        prior=partial(FixedBernoulli, probability=0.3), posterior=partial(Head, net=mlp(5), family=family)
    )


def test_what_the_class_says_of_the_data_is_that_of_the_sum_over_all_codes():
    """Two binary latents: log p(x | c) = log sum_z p(z) p(x | z, c) has four terms."""
    densities, batch = enumerable(binary_cvae)
    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 2)[:, None]
    log_pz = densities.prior(batch.given[0]).log_prob(z.expand(4, 192, 2))
    log_px = torch.stack(
        [
            (log_pz + densities.decode(z.expand(4, 192, 2), c.expand(192, 3)).log_prob(batch.x)).logsumexp(0)
            for c in torch.eye(3)
        ],
        1,
    )
    exact = log_px.gather(1, batch.y[:, None])[:, 0] - (log_px.logsumexp(1) - log(3))
    found = measure(Conditional(7, 1_000, None), densities, [batch])["class_information"]
    assert found.value == pytest.approx(exact.mean().item(), abs=0.01)
    assert found.stderr == pytest.approx(exact.std().item() / 192**0.5, rel=0.02)
    assert (found.n, found.k, found.kind.unit) == (192, 1_000, "nats")
    for k in (1, 3):  # the bound holds for estimates too, however rough
        rough = class_log_likelihoods(densities, [batch], num_samples=k, seed=0)
        assert (class_information(rough) <= log(3)).all()
    assert class_information(rough).max() > log(3) - 0.05


def test_information_is_measured_with_the_draws_of_nll_alone():
    """-nll + information is the same data's log p(x | c); other data and another K are conditional_nll's."""
    model = conditional_gaussian(num=60, wider=1.5)
    found = measure(Conditional(50, class_samples=2, class_limit=40), model.densities, [model.batch])
    by_class = class_log_likelihoods(model.densities, [first_rows(model.batch, 40)], num_samples=2, seed=0)
    of_label = by_class.log_px.gather(1, by_class.y[:, None]).mean().item()
    assert found["class_information"].value == pytest.approx(found["nll"].value + of_label, abs=1e-9)


def first_rows(batch, num):
    return Batch(batch.x[:num], (batch.given[0][:num],), batch.y[:num])


def test_a_regression_is_exact_with_one_sample():
    densities, y = regression(), torch.arange(9) % 3
    batch = Batch(torch.rand(9, 6).round(), (torch.eye(3)[y],), y)
    predicted = densities.likelihood_of(densities.imagine((), *batch.given), *batch.given)
    exact = -predicted.log_prob(batch.x).mean().item()
    found = measure(Likelihood(1), densities, [batch])
    found |= measure(Conditional(7), densities, [batch])
    assert found["rate"].value == 0
    for name in ("conditional_nll", "conditional_nll_mc", "distortion"):
        assert found[name].value == pytest.approx(exact, abs=1e-12), name


def test_a_model_without_conditions_has_none_of_it():
    batch = Batch(torch.rand(9, 6).round(), y=torch.arange(9) % 3)
    with pytest.raises(Undefined):
        measure(Conditional(2), small_densities(), [batch])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda batch: batch, True),
        (lambda batch: batch._replace(y=None), False),
        (lambda batch: batch._replace(given=(torch.rand(9, 3),)), False),
        (lambda batch: batch._replace(y=(batch.y + 1) % 3), False),
    ],
)
def test_only_one_hot_labels_are_labels(change, expected):
    y = torch.arange(9) % 3
    assert is_label(LABELLED, [change(Batch(torch.rand(9, 6), (torch.eye(3)[y],), y))]) == expected
    assert not is_label(BITS, [Batch(torch.rand(9, 6), y=y)])
    assert not is_label(LABELLED._replace(given=((3,), (3,))), [])


def test_conditions_that_are_no_labels_have_their_own_likelihoods_alone():
    batch = Batch(torch.rand(9, 6).round(), (torch.rand(9, 3),))
    found = measure(Conditional(2), small_cvae(), [batch])
    assert found.keys() == {"conditional_nll_mc"}


def test_without_a_prior_there_are_no_draws_from_one():
    batch = Batch(torch.rand(9, 6).round(), (torch.rand(9, 3),))
    with pytest.raises(Undefined, match="no prior"):
        monte_carlo_log_likelihood(autoencoder(LABELLED), [batch], num_samples=2, seed=0)
    assert measure(Conditional(2), autoencoder(LABELLED), [batch]) == {}


class Source:
    num_labelled = None

    def __init__(self, batch):
        self.batch = batch

    def batches(self, split, device):
        return [self.batch]


def test_everything_is_reported_by_its_name():
    torch.manual_seed(0)
    y = torch.arange(30) % 3
    source = Source(Batch(torch.rand(30, 6).round(), (torch.eye(3)[y],), y))
    options = {"splits": ["test"], "num_samples": 3, "seed": 0, "class_samples": 2, "class_limit": 12}
    report = measured(small_cvae(), source, **options)
    entries = report["test"]
    assert (entries["nll"]["n"], entries["nll"]["k"], entries["error"]["n"]) == (12, 2, 12)
    assert entries["class_information"]["n"] == 12
    assert (entries["conditional_nll"]["n"], entries["conditional_nll_mc"]["k"]) == (30, 3)
    for name in (
        "conditional nll, K=3 [nats]",
        "conditional nll mc, K=3 [nats]",
        "nll, K=2 [nats]",
        "class information, K=2",
        "error",
    ):
        assert name in table(report)


def test_a_regression_is_measured_without_codes():
    y = torch.arange(30) % 3
    source = Source(Batch(torch.rand(30, 6).round(), (torch.eye(3)[y],), y))
    entries = measured(regression(), source, splits=["test"], num_samples=2, seed=0)["test"]
    assert {"elbo", "conditional_nll", "nll", "error", "mse"} <= entries.keys()
    assert not entries.keys() & {"active_units", "kl_per_dim", "probe_accuracy", "mutual_information"}


def test_a_denoising_models_classes_are_measured_from_corruptions_too():
    """As its conditional_nll is: M K samples a class, K from each corruption."""
    head = partial(Head, net=mlp(5))
    parts = (partial(head, family=DiagonalNormal), partial(head, family=Bernoulli))
    torch.manual_seed(0)
    densities = denoising_layer(LABELLED, 2, StandardNormal, *parts, partial(bit_flip, 0.2)).eval()
    y = torch.arange(20) % 3
    batch = Batch(torch.rand(20, 6).round(), (torch.eye(3)[y],), y)
    found = measure(Conditional(9, class_samples=4, num_corruptions=3), densities, [batch], seed=2)
    assert found["nll"].k == 12
    plain = measure(Conditional(9, class_samples=12), densities, [batch], seed=2)
    assert found["nll"].value != plain["nll"].value
