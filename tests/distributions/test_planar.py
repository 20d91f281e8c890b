"""Priors in the plane with labelled draws, normals of any scale, and encoders that read noise."""

from functools import partial
from math import pi

import pytest
import torch
from scipy.stats import kstest
from tests.fake_cuda import fake_cuda
from tests.helpers import mlp, refused
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Distribution, Independent, Laplace, MixtureSameFamily, MultivariateNormal

from elbolab.distributions.planar import GaussianRing, SwissRoll, coordinate_cdf
from elbolab.distributions.priors import ScaledNormal
from elbolab.distributions.universal import Universal

RING = partial(GaussianRing, num_components=5, radius=4.0, radial_scale=1.0, tangential_scale=0.4)
ROLL = partial(SwissRoll, turns=2.0, outer_radius=10.0, num_labels=10)


def explicit(p):
    """The mixture as torch writes it."""
    u = p.directions
    v = torch.stack([-u[:, 1], u[:, 0]], 1)
    outer = lambda a: a[:, :, None] * a[:, None]  # noqa: E731
    covariance = p.scales[0] ** 2 * outer(u) + p.scales[1] ** 2 * outer(v)
    components = MultivariateNormal(p.radius * u, covariance)
    return MixtureSameFamily(TorchCategorical(torch.ones(len(u))), components)


def test_the_density_of_a_ring_is_that_of_the_mixture(float64):
    p, z = RING((), (2,))(), 5 * torch.randn(50, 2)
    torch.testing.assert_close(p.log_prob(z), explicit(p).log_prob(z))
    torch.testing.assert_close(p.mean, torch.zeros(2), atol=1e-12, rtol=0)
    assert p.expand((50,)).log_prob(z[0]).shape == (50,)


def test_draws_of_a_ring_have_its_density(float64):
    """Mean log-density of draws against that of the explicit mixture's draws, at 4.5 standard errors."""
    p = RING((), (2,))()
    ours, theirs = p.log_prob(p.sample((20_000,))), p.log_prob(explicit(p).sample((20_000,)))
    error = (ours.mean() - theirs.mean()) / ((ours.var() + theirs.var()) / 20_000).sqrt()
    assert abs(error) < 4.5


def test_a_labelled_draw_is_of_the_component_that_the_label_names():
    p = RING((), (2,))()
    labels = torch.arange(5).repeat(200)
    z = p.sample_of(labels)
    nearest = (z @ p.directions.T).argmax(1)
    assert (nearest == labels).float().mean() > 0.99
    along = (z * p.directions[labels]).sum(1)
    assert along.mean().item() == pytest.approx(4, abs=0.2)
    assert along.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("make", [RING, partial(ScaledNormal, scale=3.0)])
def test_the_distribution_functions_of_coordinates_are_those_of_draws(make):
    """Kolmogorov's test: one false alarm in 100,000."""
    p = make((), (2,))()
    for column in coordinate_cdf(p, p.sample((5_000,))).T:
        assert kstest(column.numpy(), "uniform").pvalue > 1e-5


def test_unknown_distribution_functions_say_so():
    p = Independent(Laplace(torch.zeros(2), torch.ones(2)), 1)
    with pytest.raises(NotImplementedError, match="no known distribution function"):
        coordinate_cdf(p, torch.zeros(3, 2))
    with pytest.raises(NotImplementedError, match="no known distribution function"):
        coordinate_cdf(ROLL((), (2,))(), torch.zeros(3, 2))


def test_a_swiss_roll_is_a_spiral_of_equal_parts():
    p = ROLL((), (2,))()
    z = p.sample_of(torch.arange(10).repeat(100))
    radius, angle = z.norm(dim=1), torch.atan2(z[:, 1], z[:, 0])
    torch.testing.assert_close(
        (2 * pi * 2 * radius / 10 - angle + pi) % (2 * pi), torch.full((1000,), pi), atol=1e-4, rtol=0
    )
    part = (radius / 10).square() * 10
    assert torch.equal(part.long(), torch.arange(10).repeat(100))
    with pytest.raises(NotImplementedError, match="no density"):
        p.log_prob(z)


@pytest.mark.parametrize("make", [RING, ROLL, partial(ScaledNormal, scale=3.0)])
def test_every_row_of_a_condition_has_its_own_draw(make):
    p = make(((3,),), (2,))(torch.ones(4, 3))
    assert p.batch_shape == (4,)
    assert p.sample((5,)).shape == (5, 4, 2)
    assert len(p.sample((5,)).flatten(0, 1).unique(dim=0)) == 20


@pytest.mark.parametrize("make", [RING, ROLL])
def test_draws_stay_on_the_device(make):
    Distribution.set_default_validate_args(False)
    prior = make((), (2,))
    with fake_cuda(prior):
        assert prior().sample((7,)).device.type == "cuda"
        assert prior().sample_of(torch.empty(7, dtype=torch.long, device="cuda")).device.type == "cuda"


def test_a_normal_of_any_scale():
    p = ScaledNormal((), (3,), scale=5.0)()
    torch.testing.assert_close(p.variance, torch.full((3,), 25.0))


def test_a_universal_encoder_reads_noise_and_has_a_mean_without_any():
    q = Universal(((6,),), (2,), mlp(5), num_noise=3)(torch.rand(4, 6))
    assert q.rsample((7,)).shape == (7, 4, 2)
    assert len(q.rsample((7,))[:, 0].unique(dim=0)) == 7
    assert torch.equal(q.mean, q.mean)
    assert q.mean.shape == (4, 2)
    assert q.expand((2, 4)).mean.shape == (2, 4, 2)
    with pytest.raises(NotImplementedError, match="no known density"):
        q.log_prob(q.rsample())


def test_the_mean_of_a_linear_universal_encoder_is_exact(float64):
    encoder = Universal(((6,),), (2,), mlp(), num_noise=3)
    x, layer = torch.rand(4, 6), encoder.head.net.layers[0]
    torch.testing.assert_close(encoder(x).mean, x @ layer.weight[:, :6].T + layer.bias)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RING((), (3,)), "a ring of Gaussians lives in the plane.*set densities.latent_dim=2"),
        (lambda: ROLL((), (3,)), "a swiss roll lives in the plane.*set densities.latent_dim=2"),
        (lambda: GaussianRing((), (2,), 1, 4.0, 1.0, 0.4), "num_components=1"),
        (lambda: GaussianRing((), (2,), 3, 4.0, 0.0, 0.4), "radial_scale=0.0"),
        (lambda: SwissRoll((), (2,), -1.0, 10.0, 10), "turns=-1.0"),
        (lambda: ScaledNormal((), (2,), 0.0), "scale=0.0"),
        (lambda: Universal(((6,),), (2,), mlp(5), num_noise=0), "num_noise=0.*choose posterior=deterministic"),
    ],
)
def test_bad_options(make, message):
    with refused(message):
        make()
