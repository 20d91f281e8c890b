"""MMD against its definition and its expectation for two Gaussians; Kolmogorov-Smirnov distances by hand."""

import numpy as np
import pytest
import torch

from elbolab.metrics import match
from elbolab.metrics.match import BANDWIDTHS, ks_between, ks_to_uniform, median_distance, mmd2

FAILURES = 4.5  # standard errors: one false alarm in 150,000 statistics


def kernel(a, b, h):
    return torch.exp(-torch.cdist(a, b).square() / (2 * h**2))


def naive(x, y):
    """The definition (Gretton et al. 2012, eq. 3)."""
    off_diagonal = lambda k: (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))  # noqa: E731
    values = []
    for factor in BANDWIDTHS:
        h = factor * median_distance(y[: match.MEDIAN_POINTS])
        values.append(off_diagonal(kernel(x, x, h)) + off_diagonal(kernel(y, y, h)) - 2 * kernel(x, y, h).mean())
    return torch.stack(values)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 5), (257, 1100)])
def test_tiles_add_up_to_the_definition(n, m, float64):
    x, y = 3 + torch.randn(n, 3), 3 + 2 * torch.randn(m, 3)
    torch.testing.assert_close(mmd2(x, y), naive(x, y), atol=1e-12, rtol=1e-9)


def test_float32_far_from_the_origin_is_good_enough():
    x, y = 50 + torch.randn(600, 2), 50.1 + torch.randn(600, 2)
    torch.testing.assert_close(mmd2(x, y), mmd2(x.double(), y.double()), atol=1e-6, rtol=0)


def test_float32_is_as_good_as_the_definition_of_many_points():
    """The powers of a rounded kernel, and sums of rows, against float64 and the formula as it stands."""
    x, y = 5 * torch.randn(1_500, 2), 5 * torch.randn(1_500, 2)
    found = mmd2(x, y)
    torch.testing.assert_close(found, naive(x.double(), y.double()), atol=1e-8, rtol=0)
    assert found.abs().max() > 1e-5  # a thousand times what rounding changes


def test_points_far_from_the_prior_are_no_closer_than_to_themselves():
    """Exponents are differences of squares, here of numbers that float32 rounds to whole ones."""
    x, y = 1e5 + torch.randn(300, 2), torch.randn(300, 2)
    assert (mmd2(x, y) <= 2 + 1e-6).all()


def gaussian_kernel_mean(mean, variance, h, dim):
    """E exp(-|d|^2 / 2 h^2) of d ~ N(mean, variance I)."""
    return (1 + variance / h**2) ** (-dim / 2) * np.exp(-np.sum(np.square(mean)) / (2 * (h**2 + variance)))


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (0.0, 2.0)])
def test_the_mean_over_samples_is_that_of_two_gaussians(shift, scale, float64, monkeypatch):
    """x ~ N(shift, scale^2 I), y ~ N(0, I): the expectation in closed form, 0 where both are one."""
    widest = torch.tensor(2.0)
    monkeypatch.setattr(match, "median_distance", lambda points: widest)  # so that the kernel is no part of the sample
    values = torch.stack([mmd2(shift + scale * torch.randn(20, 2), torch.randn(15, 2)) for _ in range(1_200)])
    within = lambda variance, h: gaussian_kernel_mean(0, 2 * variance, h, 2)  # noqa: E731
    for factor, column in zip(BANDWIDTHS, values.T, strict=True):
        h = factor * widest.item()
        expected = within(scale**2, h) + within(1, h)
        expected -= 2 * gaussian_kernel_mean([shift, shift], scale**2 + 1, h, 2)
        error = (column.mean() - expected) / (column.std() / len(column) ** 0.5)
        assert abs(error) < FAILURES


def test_the_median_distance_is_that_of_a_gaussian():
    points = 5 * torch.randn(1_000, 2)
    assert median_distance(points).item() == pytest.approx(5 * 2**0.5 * (2 * np.log(2)) ** 0.5, rel=0.05)
    assert median_distance(torch.zeros(5, 2)) == 1


@pytest.mark.parametrize(("x", "y"), [((1, 2), (5, 2)), ((5, 2), (1, 2)), ((5, 2), (5, 3))])
def test_impossible_samples_are_refused(x, y):
    with pytest.raises(ValueError, match="two or more points of one space"):
        mmd2(torch.zeros(x), torch.zeros(y))


def test_kolmogorov_smirnov_by_hand():
    u = np.array([[0.25, 0.9], [0.75, 0.9]])
    assert ks_to_uniform(u) == pytest.approx([0.25, 0.9])
    assert ks_between(np.array([[0.0], [1.0]]), np.array([[0.5], [2.0], [3.0]])) == pytest.approx([2 / 3])
    grid = (np.arange(100)[:, None] + 0.5) / 100
    assert ks_to_uniform(grid) == pytest.approx([0.005])
