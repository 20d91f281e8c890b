import torch

from elbolab.metrics.activity import active_units, variance_of_means


def test_counts_dimensions_above_the_threshold():
    signs = torch.tensor([1.0, -1.0]).repeat(50)[:, None]
    # variances 0.04, 0.0081, 0
    assert active_units(signs * torch.tensor([0.2, 0.09, 0.0]) + 3) == 1
    assert active_units(signs * torch.tensor([0.2, 0.09, 0.0]) + 3, threshold=0.005) == 2


def test_the_threshold_is_the_one_of_the_paper():
    signs = torch.tensor([1.0, -1.0]).repeat(50)[:, None]
    assert active_units(signs * torch.tensor([0.0101, 0.0099]).sqrt()) == 1


def test_the_variance_is_the_biased_one():
    variance = variance_of_means(torch.tensor([[0.0], [2.0]]))
    assert variance.item() == 1.0
    assert variance.dtype == torch.float64


def test_large_means_do_not_cancel():
    signs = torch.tensor([1.0, -1.0]).repeat(50)[:, None]
    assert active_units(1000 + 0.05 * signs) == 0
