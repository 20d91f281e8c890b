"""Evidence and posteriors on a grid, of a linear-Gaussian model and of one whose posterior has two modes."""

from functools import partial
from math import log

import pytest
import torch
from tests.evaluation.registry import measure
from tests.helpers import Linear, small_densities
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.latents import Undefined
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.normal_mixture import NormalMixture
from elbolab.distributions.uniform import UniformBox
from elbolab.evaluation.figures.posterior import posterior_and_truth
from elbolab.evaluation.quadrature import Quadrature, lay_grid
from elbolab.nets.known import Constant, SquaredLength, Total

pytestmark = pytest.mark.usefixtures("float64")

WEIGHT = torch.tensor([[1.0, 0.6]], dtype=torch.float64)
X = torch.tensor([[0.9], [-1.4]], dtype=torch.float64)
MEASURED = Quadrature(bound=7.0, points=201, limit=None)


def linear_gaussian():
    """z ~ N(0, I) in the plane, x = z_0 + 0.6 z_1 + noise / 2, q(z | x) of one normal for all data."""
    torch.manual_seed(3)
    posterior = partial(Head, net=Constant, family=partial(FullNormal, min_scale=0.0))
    likelihood = lambda *_: Linear(None, None, WEIGHT, torch.zeros(1), torch.tensor(0.5))  # noqa: E731
    return single_layer(Spec((1,), Support.REAL), 2, StandardNormal, posterior, likelihood)


def bimodal(family, dim=1, mean=SquaredLength):
    """x ~ N(|z|^2, 0.3^2), of one datum; ``mean`` may be another function of z."""
    torch.manual_seed(3)
    likelihood = partial(Head, net=mean, family=partial(FixedScale, base=Normal, scale=0.3))
    posterior = partial(Head, net=Constant, family=family)
    return single_layer(Spec((1,), Support.REAL), dim, StandardNormal, posterior, likelihood)


def test_the_evidence_and_both_directions_of_the_kl_of_a_linear_gaussian_model():
    densities = linear_gaussian()
    found = measure(MEASURED, densities, [Batch(X)])
    covariance = torch.linalg.inv(torch.eye(2) + 4 * WEIGHT.T @ WEIGHT)
    true = MultivariateNormal(4 * X @ WEIGHT @ covariance, covariance)
    q = densities.infer(X).only().q
    evidence = MultivariateNormal(torch.zeros(1), WEIGHT @ WEIGHT.T + 0.25 * torch.eye(1)).log_prob(X)
    for name, expected in {
        "log_evidence": evidence,
        "posterior_kl": kl_divergence(q, true),
        "inclusive_kl": kl_divergence(true, q),
    }.items():
        assert found[name].value == pytest.approx(expected.mean().item(), abs=1e-6)
        assert found[name].n == 2


@pytest.mark.parametrize("dim", [1, 2])
def test_the_elbo_is_the_evidence_less_the_kl(dim):
    """The ELBO by 400,000 draws, for a posterior that is no normal."""
    densities = bimodal(partial(NormalMixture, num_components=3, spread=1.0, init_scale=0.3, min_scale=0.1), dim)
    found = measure(MEASURED, densities, [Batch(X[:1])])
    torch.manual_seed(0)
    with torch.no_grad():
        elbo = densities.terms(X[:1], shape=(400_000,)).elbo
    error = (elbo.std() / 400_000**0.5).item()
    assert found["log_evidence"].value - found["posterior_kl"].value == pytest.approx(
        elbo.mean().item(), abs=1e-3 + 4 * error
    )


@pytest.mark.parametrize(
    ("family", "start", "distance"),
    [
        (DiagonalNormal, [1.0, -3.0], log(2)),
        (
            partial(NormalMixture, num_components=2, spread=0.0, init_scale=0.3, min_scale=0.0),
            [0.3, 0.0, 0.8, -1.1, 0.0, 0.5],
            0.0,
        ),
    ],
)
def test_a_normal_takes_one_mode_of_two_and_a_mixture_both(family, start, distance):
    """KL(q || p) of the best normal is that of a half of the posterior, log 2."""
    densities = bimodal(family)
    with torch.no_grad():
        densities.posterior.net.output.copy_(torch.tensor(start))
    optimizer = torch.optim.Adam(densities.parameters(), 0.03)
    for _ in range(200):
        optimizer.zero_grad()
        (-densities.terms(torch.ones(1, 1), shape=(64,)).elbo.mean()).backward()
        optimizer.step()
    found = measure(MEASURED, densities, [Batch(torch.ones(1, 1))])
    assert found["posterior_kl"].value == pytest.approx(distance, abs=0.1)


def test_a_box_covers_no_posterior_of_a_line():
    """KL(p || q) is infinite, and left out."""
    found = measure(MEASURED, bimodal(partial(UniformBox, min_scale=0.1)), [Batch(X[:1])])
    assert found.keys() == {"log_evidence", "posterior_kl"}


@pytest.mark.parametrize(
    ("family", "bound", "raw"),
    [
        (partial(FullNormal, min_scale=0.0), 0.5, 0.0),
        (DiagonalNormal, 6.0, 9.0),
        (lambda event: NormalMixture(event, 1, spread=0.0, init_scale=0.02, min_scale=0.0), 1.0, 0.0),
        (lambda event: NormalMixture(event, 1, spread=0.0, init_scale=1e-4, min_scale=0.0), 6.0, 0.0),
    ],
)
def test_a_grid_that_is_too_small_or_too_coarse_says_so(family, bound, raw):
    densities = bimodal(family, 2)
    with torch.no_grad():
        densities.posterior.net.output.fill_(raw)
    with pytest.raises(Undefined, match=f"points in .-{bound}"):
        lay_grid(densities, (X[:1],), bound, 201)


def test_more_than_a_plane_is_not_integrated():
    with pytest.raises(Undefined, match="plane"):
        measure(MEASURED, small_densities(latent_dim=3), [Batch(torch.zeros(2, 6))])


@pytest.mark.parametrize("change", [{"bound": 0.0}, {"points": 2}, {"limit": 0}])
def test_options_out_of_range(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Quadrature(**({"bound": 6.0, "points": 11, "limit": None} | change))


@pytest.mark.parametrize("dim", [1, 2])
def test_the_picture_has_q_the_truth_and_the_normal_that_covers_it(dim):
    figure = posterior_and_truth(bimodal(DiagonalNormal, dim, Total), Batch(X[:1].expand(5, 1)), seed=0)
    assert len(figure.axes) == (1 if dim == 1 else 3)
    lines = figure.axes[0].lines
    if dim == 1:
        grid, true, cover = (
            torch.tensor(data) for data in (lines[0].get_xdata(), *(lines[i].get_ydata() for i in (0, 2)))
        )
        cell = grid[1] - grid[0]
        for power in (1, 2):
            moments = ((density * grid**power).sum().item() * cell.item() for density in (cover, true))
            assert next(moments) == pytest.approx(next(moments), abs=1e-3)


def test_known_functions():
    z = torch.tensor([[1.0, 2.0], [0.0, -3.0]])
    assert SquaredLength(((2,),), (1,))(z).tolist() == [[5.0], [9.0]]
    assert Total(((2,),), (1, 1))(z).tolist() == [[[3.0]], [[-3.0]]]
    constant = Constant(((2,),), (3,))(z)
    assert constant.shape == (2, 3)
    assert torch.equal(constant[0], constant[1])
