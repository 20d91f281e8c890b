"""Distributions on spheres, against scipy's Bessel functions and closed forms in three dimensions."""

from functools import partial
from math import log, pi

import numpy as np
import pytest
import torch
from scipy.special import ive
from scipy.stats import kstest
from tests.helpers import mlp, small_densities
from torch.distributions import kl_divergence
from torch.nn import functional as F

from elbolab.common.refusal import Refusal
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.hypersphere import (
    Hypersphere,
    Sphere,
    VonMisesFisher,
    VonMisesFisherFamily,
    log_area,
)

KAPPAS = [0.0, 1e-3, 0.3, 2.0, 7.0, 14.5, 40.0, 300.0, 1e4]


def vmf(kappa, dim):
    """Mean directions along the first axis."""
    kappa = torch.as_tensor(kappa, dtype=torch.get_default_dtype())
    rule = VonMisesFisherFamily((dim,)).rule
    return VonMisesFisher(torch.eye(dim)[0].expand(*kappa.shape, dim), kappa, rule)


def resultant(kappa, dim):
    """A_D(kappa) = E[cos t], of three dimensions coth(kappa) - 1 / kappa."""
    return ive(dim / 2, kappa) / ive(dim / 2 - 1, kappa)


@pytest.mark.parametrize("dim", [2, 3, 4, 5, 11, 20, 35, 50])
def test_the_normaliser_and_its_slope_are_those_of_the_bessel_function(dim):
    kappa = torch.tensor([0.5, 2.0, 7.0, 14.5, 20.0, 40.0, 300.0, 1e4], requires_grad=True)
    q = vmf(kappa, dim)
    order = dim / 2 - 1
    k = kappa.detach().numpy()
    log_bessel = torch.as_tensor(np.log(ive(order, k)))
    log_normaliser = dim / 2 * log(2 * pi) + log_bessel - order * torch.as_tensor(np.log(k))
    at_mean = q.log_prob(q.loc)
    torch.testing.assert_close(at_mean, -log_normaliser, rtol=1e-10, atol=1e-10)
    (slope,) = torch.autograd.grad(at_mean.sum(), kappa)
    torch.testing.assert_close(1 - slope, torch.as_tensor(resultant(k, dim)), rtol=1e-10, atol=1e-10)
    closed = torch.as_tensor(k * (resultant(k, dim) - 1)) + at_mean.detach() + log_area(dim)
    torch.testing.assert_close(kl_divergence(q, Hypersphere((), (dim,))()).detach(), closed, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_density_integrates_to_one_on_the_circle(kappa):
    angles = torch.arange(20_000) * (2 * pi / 20_000)
    density = vmf(kappa, 2).log_prob(torch.stack([angles.cos(), angles.sin()], dim=-1)).exp()
    assert density.mean().item() * 2 * pi == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_density_integrates_to_one_on_the_sphere(kappa):
    """By the height above the equator, which is uniform on the sphere, of points around a tilted mean direction."""
    nodes, weights = map(torch.as_tensor, np.polynomial.legendre.leggauss(400))
    turns = torch.arange(400) * (2 * pi / 400)
    radius = (1 - nodes**2).sqrt()[:, None]
    height = nodes[:, None].expand(400, 400)
    points = torch.stack([height, radius * turns.cos(), radius * turns.sin()], dim=-1)
    density = vmf(kappa, 3)
    tilted = VonMisesFisher(F.normalize(torch.tensor([1.0, -2.0, 0.5]), dim=-1), density.concentration, density.rule)
    for q in (density, tilted):
        if kappa < 1e3:
            total = (q.log_prob(points).exp().mean(1) * weights).sum() * 2 * pi
            assert total.item() == pytest.approx(1, abs=1e-10)


def test_it_is_uniform_without_concentration():
    q, p = vmf([0.0], 4), Hypersphere((), (4,))()
    z = p.sample((5, 1))
    torch.testing.assert_close(q.log_prob(z), p.log_prob(z))
    torch.testing.assert_close(q.entropy(), p.entropy().expand(1))
    torch.testing.assert_close(kl_divergence(q, p.expand((1,))), torch.zeros(1))
    assert log_area(2) == pytest.approx(log(2 * pi))
    assert log_area(3) == pytest.approx(log(4 * pi))


@pytest.mark.parametrize("kappa", [0.0, 0.7, 5.0, 200.0])
def test_draws_in_three_dimensions_follow_the_closed_distribution_function(kappa):
    """P(w <= a) = (exp(kappa a) - exp(-kappa)) / (exp(kappa) - exp(-kappa)); around the axis draws are uniform."""
    z = vmf(kappa, 3).sample((20_000,))
    w = z[:, 0].numpy()
    share = (w + 1) / 2 if kappa == 0 else np.expm1(kappa * (w + 1)) / np.expm1(2 * kappa)
    assert kstest(share, "uniform").pvalue > 1e-6
    assert kstest((torch.atan2(z[:, 1], z[:, 2]) / (2 * pi) + 0.5).numpy(), "uniform").pvalue > 1e-6
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(20_000))


@pytest.mark.parametrize("dim", [2, 3, 10, 50])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 10.0, 1e3])
def test_the_mean_of_draws_has_the_length_of_the_bessel_ratio(dim, kappa):
    w = vmf(kappa, dim).sample((5_000,))[:, 0]
    expected = resultant(kappa, dim) if kappa else 0.0
    assert abs(w.mean() - expected) < 5 * w.std() / 5_000**0.5


@pytest.mark.parametrize("dim", [2, 3, 10, 50])
def test_kl_is_the_mean_over_draws(dim):
    q, p = vmf([0.3, 4.0, 60.0], dim), Hypersphere((), (dim,))().expand((3,))
    z = q.sample((4_000,))
    ratio = q.log_prob(z) - p.log_prob(z)
    assert ((ratio.mean(0) - kl_divergence(q, p)).abs() < 5 * ratio.std(0) / 4_000**0.5).all()
    assert ((q.entropy() + q.log_prob(z).mean(0)).abs() < 5 * ratio.std(0) / 4_000**0.5).all()


def test_an_angle_follows_the_distribution_function():
    """In three dimensions, with the share u held: w = 1 + log(u + (1 - u) exp(-2 kappa)) / kappa."""
    kappa, share = torch.tensor([0.2, 3.0, 50.0], requires_grad=True), torch.linspace(0.001, 0.999, 41)[:, None]
    w = 1 + (share + (1 - share) * (-2 * kappa).exp()).log() / kappa
    angle = w.acos()
    expected = torch.stack([torch.autograd.grad(row.sum(), kappa, retain_graph=True)[0] for row in angle])
    found = vmf(kappa.detach(), 3)._slope_of(angle.detach())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 10, 50])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 10.0, 1e3])
def test_the_gradient_of_draws_is_that_of_their_moments(dim, kappa):
    """E[a . z] = A(kappa) mu . a and E[(mu0 . z)^2], whose gradients in mu and kappa have closed forms."""
    raw = torch.zeros(dim)
    raw[0] = 1.0
    raw.requires_grad_()
    concentration = torch.tensor(kappa, requires_grad=True)
    num = 4_000
    a = torch.linspace(1, 2, dim)
    base = vmf(kappa, dim)
    each_raw, each_kappa = raw.expand(num, dim), concentration.expand(num)
    q = VonMisesFisher(F.normalize(each_raw, dim=-1), each_kappa, base.rule)
    of_raw, of_kappa = torch.autograd.grad((q.rsample() @ a).sum(), [each_raw, each_kappa])
    ratio = resultant(kappa, dim) if kappa else 0.0
    slope = 1 - ratio**2 - (dim - 1) / kappa * ratio if kappa else 1 / dim
    expected = ratio * a
    expected[0] = 0
    assert ((of_raw.mean(0) - expected).abs() <= 5 * of_raw.std(0) / num**0.5 + 1e-12).all()
    assert abs(of_kappa.mean() - slope * a[0]) < 5 * of_kappa.std() / num**0.5


@pytest.mark.parametrize("kappa", [0.0, 1e-4, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("dim", [2, 3, 40])
def test_float32_is_finite_and_right(dim, kappa):
    concentration = torch.full((500,), kappa, dtype=torch.float32, requires_grad=True)
    loc, rule = torch.eye(dim, dtype=torch.float32)[0].expand(500, dim), vmf(1.0, dim).rule.float()
    q = VonMisesFisher(loc, concentration, rule)
    z = q.rsample()
    p = Hypersphere((), (dim,)).to(torch.float32)().expand((500,))
    kl = kl_divergence(q, p)
    assert z.dtype == kl.dtype == torch.float32
    exact = kl_divergence(vmf([kappa], dim), Hypersphere((), (dim,))().expand((1,)))
    torch.testing.assert_close(kl.double(), exact.expand(500), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad((z.sum() + q.log_prob(z).sum() + kl.sum()), concentration)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("prior", "family"), [(StandardNormal, VonMisesFisherFamily), (Hypersphere, DiagonalNormal)])
def test_a_sphere_and_a_space_do_not_mix(prior, family):
    with pytest.raises(Refusal) as refused:
        small_densities(prior=prior, posterior=partial(Head, net=mlp(5), family=family))
    ways = str(refused.value)
    assert "(von_mises_fisher) with prior=hypersphere" in ways
    assert "\n" not in ways


@pytest.mark.parametrize("event", [(1,), (2, 2)])
@pytest.mark.parametrize("part", [VonMisesFisherFamily, lambda event: Hypersphere((), event)])
def test_a_sphere_needs_a_vector(part, event):
    with pytest.raises(Refusal, match="latent_dim=3"):
        part(event)


def test_draws_stay_on_the_sphere_when_parameters_change():
    """Their length, 1, has no gradient; other lengths are outside."""
    raw = torch.randn(50, 5, requires_grad=True)
    z = VonMisesFisherFamily((4,))(raw).rsample()
    (gradient,) = torch.autograd.grad(z.square().sum(), raw)
    torch.testing.assert_close(gradient, torch.zeros(50, 5), rtol=0, atol=1e-9)
    assert Sphere().check(z).all()
    assert not Sphere().check(1.01 * z).any()


def test_an_output_of_nothing_has_a_direction():
    q = VonMisesFisherFamily((3,))(torch.zeros(2, 4))
    torch.testing.assert_close(q.sample().norm(dim=-1), torch.ones(2))
