import torch

from elbolab.distributions.inversion import inside_unit, invert_increasing


def test_inverts_an_increasing_function():
    target = torch.rand(3, 4) * 0.98 + 0.01
    assert torch.allclose(torch.sigmoid(invert_increasing(torch.sigmoid, target, -10, 10)), target)


def test_means_stay_off_the_edges():
    assert torch.equal(inside_unit(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.001, 0.5, 0.999]))
