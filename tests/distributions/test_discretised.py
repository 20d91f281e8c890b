import pytest
import torch
from torch.distributions import Categorical

from elbolab.distributions.discretised import DiscretisedLogistic, GridCategorical, log_logistic_bin
from elbolab.distributions.grid import grid_values


@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("scale", [1e-4, 0.01, 0.3, 40.0])
@pytest.mark.parametrize("loc", [-0.5, 0.0, 0.37, 1.2])
def test_sums_to_one(levels, scale, loc):
    p = DiscretisedLogistic(torch.tensor(loc), torch.tensor(scale), levels)
    x = grid_values(levels, torch.zeros(()))
    probabilities = p.log_prob(x).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)
    assert (probabilities @ x).item() == pytest.approx(p.mean.item(), abs=1e-12)


def test_equals_the_difference_of_distribution_functions():
    # Salimans et al. 2017, eq. 2, written in their units: x in [-1, 1], bins of half width 1/255.
    loc, scale, k = torch.randn(6) / 2, torch.rand(6) + 0.05, torch.tensor([0, 1, 77, 128, 254, 255])
    x, wide_loc, wide_scale = k / 127.5 - 1, 2 * loc - 1, 2 * scale
    above = torch.where(k == 255, torch.ones(()), torch.sigmoid((x + 1 / 255 - wide_loc) / wide_scale))
    below = torch.where(k == 0, torch.zeros(()), torch.sigmoid((x - 1 / 255 - wide_loc) / wide_scale))
    assert torch.allclose(log_logistic_bin(k / 255, loc, scale, 256).exp(), above - below)


def test_far_tails_keep_value_and_gradient_in_float32():
    loc = torch.tensor([-300.0, 300.0], dtype=torch.float32, requires_grad=True)
    log_prob = log_logistic_bin(torch.tensor(0.5 + 0.5 / 255).float(), loc, torch.tensor(0.1).float(), 256)
    log_prob.sum().backward()
    # In the tail log p = -|x - loc| / scale + log(2 sinh(bin / (2 scale))).
    assert torch.allclose(log_prob.detach(), torch.tensor([-3008.25, -2998.21]).float(), atol=0.1)
    assert torch.allclose(loc.grad, torch.tensor([10.0, -10.0]).float(), rtol=1e-3)


def test_grid_categorical_is_a_categorical():
    logits = torch.randn(3, 5)
    index = torch.tensor([[0, 4, 2], [1, 1, 3]])
    assert torch.allclose(GridCategorical(logits).log_prob(index / 4), Categorical(logits=logits).log_prob(index))
