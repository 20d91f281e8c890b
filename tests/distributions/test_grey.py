from functools import partial

import pytest
import torch

from elbolab.distributions.grey import (
    CategoricalFamily,
    DiscretisedLogisticFamily,
    LogisticMixtureFamily,
    logistic_scale,
)


def test_256_levels_start_from_the_mean_of_real_images():
    mean = torch.rand(1, 28, 28) * (torch.rand(1, 28, 28) > 0.4)
    for family in (DiscretisedLogisticFamily(mean.shape, 256), CategoricalFamily(mean.shape, 256)):
        assert torch.allclose(family(family.raw_for(mean)).mean, mean.clamp_min(0.001), atol=1e-6)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_a_scale_can_be_so_small_that_all_mass_is_on_one_level(levels):
    """And no smaller: however sure a network is, its likelihood stays finite and has a gradient in the location."""
    family = DiscretisedLogisticFamily((1,), levels)
    p = family(torch.tensor([1 / (levels - 1), -1e4]))
    assert p.log_prob(torch.tensor([1 / (levels - 1)])).exp().item() == pytest.approx(1, abs=1e-10)
    assert -1e4 < p.log_prob(torch.tensor([0.0])) < -10


def test_no_scale_is_so_small_that_a_level_has_no_probability():
    scale = logistic_scale(torch.tensor(-1000.0), 256)
    assert scale > 0


@pytest.mark.parametrize("family", [DiscretisedLogisticFamily, CategoricalFamily])
def test_a_categorical_of_two_levels_is_a_bernoulli(family):
    p = family((1,), 2)
    x = torch.tensor([[0.0], [1.0]])
    probs = p(torch.randn(*p.out_shape)).log_prob(x).exp()
    assert probs.sum().item() == pytest.approx(1)


@pytest.mark.parametrize(
    "family", [DiscretisedLogisticFamily, CategoricalFamily, partial(LogisticMixtureFamily, num_components=2)]
)
def test_one_level_is_refused(family):
    with pytest.raises(ValueError, match="likelihood levels=1: .* at least 2 levels"):
        family((3,), levels=1)
