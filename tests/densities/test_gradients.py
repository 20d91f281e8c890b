"""A value with another gradient than its own."""

import pytest
import torch

from elbolab.densities.gradients import scale_gradient, with_gradient


@pytest.mark.usefixtures("float64")
def test_the_value_is_the_one_and_the_gradient_the_others():
    a, b = (torch.randn(5, requires_grad=True) for _ in range(2))
    found = with_gradient(a.exp(), (3 * b).sin())
    torch.testing.assert_close(found, a.exp())
    found.sum().backward()
    assert a.grad is None
    torch.testing.assert_close(b.grad, 3 * (3 * b).cos())


def test_the_value_is_kept_to_the_bit_however_large_the_surrogate():
    value, surrogate = torch.tensor(-100.123), torch.tensor(1e7, requires_grad=True)
    assert torch.equal(with_gradient(value, surrogate), value)


@pytest.mark.usefixtures("float64")
def test_a_score_function_estimate_is_unbiased():
    """The gradient of E[(z - 1)^2] over z ~ N(mu, 1) is 2 (mu - 1); z-scores beyond 5 come once in 1.7 million."""
    mu = torch.full((40_000,), 0.3, requires_grad=True)
    z = (mu + torch.randn(40_000)).detach()
    cost = (z - 1).square()
    log_q = -0.5 * (z - mu).square()
    with_gradient(cost, (cost - cost.mean()) * log_q).sum().backward()
    error = mu.grad.mean() - 2 * (0.3 - 1)
    assert abs(error) < 5 * mu.grad.std() / 40_000**0.5


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("weight", [0.0, -1.0, torch.tensor([[0.5], [2.0]])])
def test_a_path_is_weighed_and_its_value_is_not(weight):
    x = torch.randn(2, 3, requires_grad=True)
    scaled = scale_gradient(x, weight)
    assert torch.equal(scaled, x)
    (gradient,) = torch.autograd.grad(scaled.square().sum(), x)
    torch.testing.assert_close(gradient, 2 * x.detach() * weight)
