"""What evaluation says of a model of several layers, and its likelihood where that is known."""

import pytest
import torch
from tests.densities.registry import BITS_HEAD, NORMAL
from tests.evaluation.registry import Held, measured
from tests.helpers import BITS
from tests.linear_hierarchy import exact_models

from elbolab.batch import Batch
from elbolab.densities.hierarchy import bottom_up, two_layer
from elbolab.densities.latents import centre
from elbolab.distributions.conditional import StandardNormal
from elbolab.evaluation.annealed import Annealing
from elbolab.evaluation.figures.generative import ends_of, importance_of, traversals
from elbolab.evaluation.likelihood import importance_log_likelihood
from elbolab.metrics.activity import active_units

BOTH = pytest.mark.parametrize("wire", [bottom_up, two_layer])


def layers(wire):
    torch.manual_seed(11)
    return wire(BITS, [3, 2], StandardNormal, NORMAL, BITS_HEAD, NORMAL)


def batch(num=20):
    return Batch(torch.randint(2, (num, 6), generator=torch.Generator().manual_seed(5)).float())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_importance_sampling_and_annealing_agree_with_the_evidence(name):
    """Importance sampling through a posterior that is off, annealing over both latents without one."""
    model = exact_models[name](is_exact=False, num=20)
    expected = model.evidence.log_prob(model.x)
    options = {"num_samples": 20_000, "seed": 0, "memory": 2**22}
    sampled = importance_log_likelihood(model.densities, [Batch(model.x)], **options).log_px
    torch.manual_seed(0)
    annealed = Annealing(num_temperatures=200, num_chains=16, num_leapfrog=5).bracket(model.densities, model.x).lower
    torch.testing.assert_close(sampled, expected, rtol=0, atol=0.06)
    for error in (annealed - expected, annealed - sampled):
        assert abs(error.mean()) < 0.1
        assert error.square().mean().sqrt() < 0.3


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", exact_models)
def test_with_the_true_posterior_one_sample_is_the_evidence(name):
    model = exact_models[name](num=10)
    found = importance_log_likelihood(model.densities, [Batch(model.x)], num_samples=3, seed=0, memory=1).log_px
    torch.testing.assert_close(found, model.evidence.log_prob(model.x), rtol=0, atol=1e-9)


@BOTH
def test_rate_and_active_units_are_reported_of_each_layer(wire):
    densities, data = layers(wire), batch()
    with torch.no_grad():  # a lower layer that is active, a higher one that is not
        densities.posterior[0].net.layers[0].weight.mul_(3 if wire is bottom_up else 1e-3)
        densities.posterior[1].net.layers[0].weight.mul_(1e-3 if wire is bottom_up else 3)
    found = measured(densities, Held(test=[data]), num_samples=2)["test"]
    number = lambda name: found[name]["value"]  # noqa: E731
    assert number("rate_1") + number("rate_2") == pytest.approx(number("rate"), rel=1e-5)
    z2, z1 = (latent.z for latent in densities.eval().infer(data.x, draw=centre))
    assert (number("active_units_1"), number("active_units_2")) == (active_units(z1), active_units(z2)) == (3, 0)
    assert number("active_units") == 3
    assert len(number("kl_per_dim")) == 5
    assert found["kl_per_dim"]["k"] == 1
    assert found["rate_1"]["headline"] < found["distortion"]["headline"]
    assert "mutual_information" not in found


@BOTH
def test_traversals_are_of_the_highest_layer_with_those_below_at_their_means(wire, monkeypatch):
    densities, data, seen = layers(wire), batch(), []
    note = lambda densities, z, batch: seen.append(z) or torch.zeros(*z.shape[:2], 6)  # noqa: E731
    with monkeypatch.context() as context:
        context.setattr("elbolab.evaluation.figures.generative.decode_walk", note)
        traversals(densities, data, seed=0)
    (walks,) = seen
    importance, _ = importance_of(densities, data)
    assert walks.shape == (2, 11, 2)
    assert importance.shape == (2,)
    torch.testing.assert_close(ends_of(densities, data)[:2], (torch.full((2,), -3.0), torch.full((2,), 3.0)))
    first = densities.eval().encode(data.x)[0, 3:]
    for row, dim in zip(walks, importance.argsort(descending=True), strict=True):
        torch.testing.assert_close(row[:, dim], torch.linspace(-3, 3, 11))
        torch.testing.assert_close(row[:, 1 - dim], first[1 - dim].expand(11))
    assert traversals(densities, data, seed=0).axes
