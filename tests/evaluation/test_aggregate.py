"""q(z) against the prior on known Gaussians, groups and their names, and the picture of both."""

from functools import partial
from statistics import NormalDist

import numpy as np
import pytest
import torch
from tests.evaluation.registry import measure
from tests.helpers import CLASSES, LABELLED, Linear, mlp, small_densities
from tests.models.registry import RING, ROLL, WIDE, adversarial, autoencoder, class_autoencoder, group_autoencoder
from torch.distributions import Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.densities.latents import Undefined
from elbolab.densities.wiring import adversarial_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.evaluation import aggregate
from elbolab.evaluation.aggregate import Aggregation, Match, match_codes
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.clusters import Clusters
from elbolab.evaluation.figures.generative import ends_of, groups
from elbolab.evaluation.figures.latent import codes_and_prior
from elbolab.metrics.match import mmd2
from elbolab.models.aae import report_match

BINARY = partial(Head, net=mlp(5), family=partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False))
POINTS = Spec((2,), Support.REAL)


def shifted(shift, prior=StandardNormal):
    """z | x ~ N(x + shift, 0.6^2 I): with x ~ N(0, 0.8^2 I), q(z) = N(shift, I)."""
    encoder = partial(Linear, weight=torch.eye(2), bias=torch.full((2,), shift), scale=torch.tensor(0.6))
    likelihood = partial(Head, net=mlp(3), family=partial(FixedScale, base=Normal, scale=1.0))
    return adversarial_layer(POINTS, 2, prior, lambda p, e: encoder(p, e), likelihood)


def batches(num, spec=POINTS, scale=0.8):
    g = torch.Generator().manual_seed(1234)
    x = scale * torch.randn(num, *spec.x, generator=g)
    given = tuple(torch.eye(*shape)[torch.arange(num) % shape[0]] for shape in spec.given)
    whole = Batch(x if spec.support is Support.REAL else (x > 0).float(), given, torch.arange(num) % 3)
    parts = (slice(0, num // 3), slice(num // 3, num))
    return [Batch(whole.x[s], tuple(g[s] for g in given), whole.y[s]) for s in parts]


def test_codes_of_the_prior_match_it():
    found = measure(Aggregation(null_pairs=10), shifted(0.0), batches(1_000))
    assert found["mmd2"].value < 2 * found["mmd2_null"].value
    assert max(found["ks"].value) < 1.95 / 1_000**0.5  # Kolmogorov: one false alarm in 1,000, for the fixed seed
    assert (found["mmd2"].n, found["mmd2"].k, found["ks"].kind.unit) == (1_000, 1, "probability")


def test_codes_elsewhere_do_not_and_the_distances_are_known():
    """N(1, I) against N(0, I): sup |F - G| = 2 Phi(1/2) - 1, at half the way."""
    found = measure(Aggregation(null_pairs=10), shifted(1.0), batches(1_000))
    assert found["ks"].value == pytest.approx([2 * NormalDist().cdf(0.5) - 1] * 2, abs=0.03)
    assert found["mmd2"].value > 50 * found["mmd2_null"].value


def test_the_discrepancy_is_that_of_the_mean_kernel():
    """A maximum over kernels has a bias that depends on the number of data."""
    densities, held = shifted(0.5), batches(300)
    found = measure(Aggregation(), densities, held)["mmd2"].value
    with isolated_rng(torch.device("cpu"), seed_of("aggregate posterior", 0)), torch.no_grad():
        match = match_codes(densities, take_first(held, 300))
    assert found == pytest.approx(mmd2(match.z, match.drawn).mean().item())


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_validation_and_test_estimate_one_discrepancy_whatever_the_batch_size(shift):
    """By a maximum over kernels batches of 20 read 0.016 where 0 is right."""
    densities, g = shifted(shift), torch.Generator().manual_seed(3)
    x = 0.8 * torch.randn(8_000, 2, generator=g)
    with torch.no_grad():
        small = torch.stack([report_match(densities.terms(rows))["mmd2"] for rows in x.split(20)])
    whole = measure(Aggregation(), densities, [Batch(x[:4_000])])["mmd2"].value
    assert small.mean().item() == pytest.approx(whole, abs=4.5 * small.std().item() / 20 + 0.002)


def test_draws_of_the_prior_are_as_many_as_codes_and_of_the_prior():
    with torch.no_grad():
        match = match_codes(shifted(1.0), [Batch(0.8 * torch.randn(20_000, 2))])
    assert match.drawn.shape == match.z.shape
    torch.testing.assert_close(match.drawn.std(0), torch.ones(2), rtol=0, atol=0.025)
    torch.testing.assert_close(match.drawn.mean(0), torch.zeros(2), rtol=0, atol=0.035)
    torch.testing.assert_close(match.z.mean(0), torch.ones(2), rtol=0, atol=0.035)


def test_the_null_is_the_upper_percentile_of_draws_of_the_prior():
    p = WIDE((), (2,))()
    torch.manual_seed(3)
    found = aggregate.null_percentile(p, 50, 30)
    torch.manual_seed(3)
    values = [mmd2(p.sample((50,)), p.sample((50,))).mean().item() for _ in range(30)]
    assert found == pytest.approx(np.quantile(values, 0.99))


@pytest.mark.parametrize(
    "densities",
    [
        partial(small_densities),
        partial(small_densities, prior=partial(Mixture, num_components=3, spread=1.0)),
        partial(small_densities, LABELLED, prior=partial(ClassCentres, spread=1.0)),
        partial(adversarial, prior=RING),
        partial(adversarial, prior=ROLL),
        partial(adversarial, spec=LABELLED),
        class_autoencoder,
        group_autoencoder,
    ],
)
def test_every_model_with_a_prior_to_draw_from_is_compared_with_it(densities, monkeypatch):
    monkeypatch.setattr(aggregate, "LARGE", 500)
    model = densities()
    found = measure(Aggregation(50), model, batches(60, model.spec))
    assert set(found) == {"mmd2", "ks"}
    assert len(found["ks"].value) == 2
    assert found["mmd2"].n == 50
    assert found == measure(Aggregation(50), model, batches(60, model.spec))


def test_a_prior_without_distribution_functions_is_compared_by_a_large_draw(monkeypatch):
    monkeypatch.setattr(aggregate, "LARGE", 20_000)

    def unknown(p, value):
        raise NotImplementedError

    monkeypatch.setattr(aggregate, "coordinate_cdf", unknown)
    found = measure(Aggregation(), shifted(1.0), batches(1_000))
    assert found["ks"].value == pytest.approx([2 * NormalDist().cdf(0.5) - 1] * 2, abs=0.03)


def test_draws_of_a_prior_are_under_the_conditions_of_their_data(monkeypatch):
    """In every group of data; classes are far apart."""
    monkeypatch.setattr(aggregate, "GROUP", 7)
    densities, held = small_densities(LABELLED, prior=partial(ClassCentres, spread=100.0)), batches(60, LABELLED)
    with torch.no_grad():
        match = match_codes(densities, held)
        centres = torch.cat([batch.given[0] for batch in held]) @ densities.prior.centres
    assert match.p is None
    assert (match.drawn - centres).abs().max() < 5


def test_codes_are_compared_with_as_many_draws_where_the_prior_depends_on_conditions():
    z, drawn = torch.randn(2_000, 2) + 1, torch.randn(2_000, 2)
    found = aggregate._ks_distances(Match(z, drawn, None, None))
    assert found == pytest.approx([2 * NormalDist().cdf(0.5) - 1] * 2, abs=0.05)


def test_models_without_one_such_prior_are_left_out():
    bits = CLASSES
    with pytest.raises(Undefined):
        measure(Aggregation(), autoencoder(), batches(20, bits))
    with pytest.raises(Undefined):
        measure(Aggregation(1), shifted(0.0), batches(20)[:1])
    binary = small_densities(prior=partial(FixedBernoulli, probability=0.5), posterior=BINARY)
    with pytest.raises(Undefined):
        measure(Aggregation(), binary, batches(20, bits))


def test_groups_are_named_by_the_datum_they_are_surest_of():
    densities = group_autoencoder(num_groups=3)
    log_y = torch.tensor([[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]]).log()
    densities.log_group_probs = lambda x: log_y[: len(x)]
    naming = [Batch(torch.zeros(4, 6), y=torch.tensor([2, 0, 1, 1]))]  # groups 0, 1, 2 are classes 2, 1, 1
    measured = [Batch(torch.zeros(4, 6), y=torch.tensor([2, 0, 1, 1]))]
    found = measure(Clusters(), densities, measured, val=naming)
    assert found["cluster_error"].value == 0.25
    with pytest.raises(Undefined):
        measure(Clusters(), densities, [Batch(torch.zeros(4, 6))], val=naming)
    with pytest.raises(Undefined):
        measure(Clusters(), class_autoencoder(), measured, val=naming)


def test_the_picture_has_codes_above_and_the_prior_beneath():
    models = {"ring": adversarial(prior=RING), "roll": adversarial(prior=ROLL)}
    figure = codes_and_prior(models, batches(60, CLASSES), seed=0)
    assert [axes.get_title() for axes in figure.axes] == ["ring: q(z)", "roll: q(z)", "ring: p(z)", "roll: p(z)"]
    top, _, bottom, _ = figure.axes
    assert top.get_xlim() == bottom.get_xlim()
    assert len(top.collections[0].get_offsets()) == len(bottom.collections[0].get_offsets()) == 60
    assert len(np.unique(bottom.collections[0].get_facecolors(), axis=0)) == 3
    for axes in figure.axes:  # a square around 0 that holds the points of both
        assert axes.get_xlim() == axes.get_ylim() == (-axes.get_xlim()[1], axes.get_xlim()[1])
        assert np.abs(axes.collections[0].get_offsets()).max() <= axes.get_xlim()[1]


def test_walks_go_to_three_deviations_of_a_matched_normal():
    low, high, _ = ends_of(adversarial(), batches(20, CLASSES)[1]._replace(y=None))
    torch.testing.assert_close((low, high), (torch.full((2,), -9.0), torch.full((2,), 9.0)))


def test_groups_are_rows_of_one_choice_of_styles():
    densities = group_autoencoder(num_groups=4)
    seen = []
    densities.likelihood.register_forward_hook(lambda module, inputs, output: seen.append(inputs))
    assert groups(densities, batches(20, CLASSES)[0], seed=0, num=5).axes
    ((z, y),) = seen
    assert z.shape == (4, 5, 2)
    assert (z == z[0]).all()
    assert len(z[0].unique(dim=0)) == 5
    assert torch.equal(y, torch.eye(4)[:, None].expand(4, 5, 4))
    with pytest.raises(Undefined, match="finds no groups"):
        groups(class_autoencoder(), batches(20, CLASSES)[0], seed=0)
