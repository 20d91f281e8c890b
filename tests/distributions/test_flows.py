"""Flows: inverses, log-determinants and densities, for every kind of step and depth."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from tests.helpers import refused
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from elbolab.densities.gradients import path_score
from elbolab.densities.latents import sample
from elbolab.distributions.autoregressive import MAF, NSF, FlowPrior, Forward, Inverse, Networks, RealNVP
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.flow import FlowFamily
from elbolab.distributions.flow_steps import Householder, Orthogonal, Planar, Radial, Sylvester

network = partial(Networks, hidden=[8], num_parameters=4)
STEPS = {
    "planar": Planar,
    "radial": Radial,
    "sylvester": partial(Sylvester, columns=partial(Orthogonal, num_columns=2)),
    "householder": partial(Sylvester, columns=partial(Householder, num_reflections=2)),
    "iaf": partial(network, flow=MAF, step=Forward),
    "maf": partial(network, flow=MAF, step=Inverse),
    "nsf": partial(network, flow=NSF, step=Forward),
    "realnvp": partial(network, flow=RealNVP, step=Inverse),
}


@pytest.fixture(params=STEPS)
def steps(request, float64):
    return STEPS[request.param]


def flow(steps, dim, num_steps, size=2.0, batch=(3,)):
    torch.manual_seed(0)
    family = FlowFamily((dim,), partial(steps, num_steps=num_steps), min_scale=1e-6)
    return family(size * torch.randn(*batch, *family.out_shape))


def jacobian(function, z):
    """Of each row, (B, D, D); rows do not depend on each other."""
    return torch.autograd.functional.jacobian(lambda points: function(points).sum(0), z).transpose(0, 1)


@pytest.mark.parametrize("num_steps", [1, 4])
def test_log_determinants_are_those_of_the_jacobian(steps, num_steps):
    z = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    for step in flow(steps, 3, num_steps).steps:
        there, log_det = step.apply(z)
        matrices = jacobian(lambda points, step=step: step.apply(points)[0], z)
        torch.testing.assert_close(log_det, torch.linalg.slogdet(matrices).logabsdet, rtol=0, atol=1e-5)
        assert (torch.linalg.det(matrices) > 0).all()
        back, log_det_there = step.invert(there)
        torch.testing.assert_close(back, z, rtol=0, atol=1e-5)
        torch.testing.assert_close(log_det_there, log_det, rtol=0, atol=1e-5)


def test_a_draw_knows_its_density(steps):
    q = flow(steps, 3, 3)
    z, log_q, noise = sample(q, (5,))
    assert z.shape == noise.shape == (5, 3, 3)
    torch.testing.assert_close(q.log_prob(z), log_q, rtol=0, atol=1e-5)
    torch.testing.assert_close(q.expand((2, 3)).log_prob(z[:2]), log_q[:2], rtol=0, atol=1e-5)


def test_the_density_integrates_to_one(steps):
    q = flow(steps, 2, 3, size=0.8, batch=())
    axis = torch.linspace(-12, 12, 301)
    with torch.no_grad():
        total = q.log_prob(torch.cartesian_prod(axis, axis)).exp().sum() * (axis[1] - axis[0]) ** 2
    torch.testing.assert_close(total, torch.tensor(1.0), rtol=0, atol=2e-3)


def test_the_gradient_of_the_density_at_its_own_draws_needs_no_inverse(steps):
    q = flow(steps, 3, 2)
    z, log_q, noise = sample(q, (2,))
    point = z.detach().requires_grad_()
    (expected,) = torch.autograd.grad(q.log_prob(point).sum(), point)
    torch.testing.assert_close(path_score(log_q, z, noise), expected, rtol=1e-5, atol=1e-5)


def test_a_draw_records_noise_only_where_gradients_are_recorded(steps):
    with torch.no_grad():
        assert sample(flow(steps, 3, 2)).noise is None


def test_without_steps_it_is_the_diagonal_normal_to_the_bit(steps):
    raw = torch.randn(4, 6)
    p = DiagonalNormal((3,))(raw)
    torch.manual_seed(1)
    z, log_q, _ = sample(FlowFamily((3,), partial(steps, num_steps=0), min_scale=1e-6)(raw), (2,))
    torch.manual_seed(1)
    expected = p.rsample((2,))
    assert torch.equal(z, expected)
    assert torch.equal(log_q, p.log_prob(expected))


@pytest.mark.parametrize(
    ("name", "num_steps", "gap"),
    [("planar", 8, 0.02), ("sylvester", 4, 0.02), ("householder", 4, 0.02), ("iaf", 1, 0.02), ("radial", 8, 0.3)],
)
def test_a_flow_closes_the_gap_of_a_diagonal_posterior(name, num_steps, gap):
    """KL(q || p) of the best diagonal Gaussian is -1/2 log(1 - rho^2), 0.830 at rho = 0.9; a flow nears p."""
    covariance = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
    p = MultivariateNormal(torch.zeros(2), covariance)
    best = Independent(Normal(torch.zeros(2), torch.linalg.inv(covariance).diagonal().rsqrt()), 1)
    best = MultivariateNormal(best.mean, torch.diag_embed(best.variance))
    torch.testing.assert_close(kl_divergence(best, p), torch.tensor(0.8303655))
    torch.manual_seed(0)
    family = FlowFamily((2,), partial(STEPS[name], num_steps=num_steps), min_scale=1e-6)
    raw = torch.nn.Parameter(0.1 * torch.randn(family.out_shape))
    optimizer = torch.optim.Adam([raw, *family.parameters()], 0.03)
    for _ in range(400):
        z, log_q, _ = sample(family(raw), (256,))
        optimizer.zero_grad()
        (log_q - p.log_prob(z)).mean().backward()
        optimizer.step()
    with torch.no_grad():
        z, log_q, _ = sample(family(raw), (20_000,))
    assert (log_q - p.log_prob(z)).mean() < gap


def test_columns_are_orthonormal(float64):
    torch.manual_seed(0)
    for columns in (Orthogonal(5, 3), Householder(5, 4)):
        q = columns(torch.randn(200, columns.num_parameters))
        identity = torch.eye(q.shape[-1]).expand(200, -1, -1)
        torch.testing.assert_close(q.mT @ q, identity, rtol=0, atol=1e-6)
        assert columns(torch.zeros(1, columns.num_parameters)).isfinite().all()


def test_a_prior_is_expanded_to_its_parents_and_has_one_density(float64):
    torch.manual_seed(0)
    prior = FlowPrior(((3,),), (2,), partial(Networks, num_steps=2, flow=NSF, step=Inverse, hidden=[8]))
    p = prior(torch.zeros(4, 3))
    z, log_p, _ = sample(p, (5,))
    assert z.shape == (5, 4, 2)
    assert z.unique(dim=0).shape[0] == 5
    torch.testing.assert_close(p.log_prob(z), log_p, rtol=0, atol=1e-5)
    assert {name for name, _ in prior.named_parameters()}


def test_zuko_leaves_the_validation_of_arguments_as_it_was():
    code = (
        "from torch.distributions import Distribution; before = Distribution._validate_args;"
        "import elbolab.distributions.autoregressive; assert before; assert Distribution._validate_args == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_flow_cannot_take_is_said():
    for steps in ("sylvester", "iaf"):
        with refused("one alone.*posterior=planar"):
            FlowFamily((1,), partial(STEPS[steps], num_steps=2), min_scale=1e-6)
    with refused("one alone.*prior=standard_normal"):
        FlowPrior((), (1,), partial(Networks, num_steps=2, flow=NSF, step=Inverse, hidden=[8]))
    with refused("vector.*posterior=diagonal_normal"):
        FlowFamily((2, 3), partial(Planar, num_steps=2), min_scale=1e-6)
    for steps, name in ((partial(Planar, num_steps=-1), "num_steps"), (partial(Radial, num_steps=-1), "num_steps")):
        with pytest.raises(ValueError, match=name):
            FlowFamily((2,), steps, min_scale=1e-6)
    with refused("4 of 3 .*num_columns=3"):
        Orthogonal(3, 4)
    with pytest.raises(ValueError, match="num_reflections"):
        Householder(3, 0)
    with pytest.raises(ValueError, match="num_parameters"):
        network(3, 2, flow=MAF, step=Forward, num_parameters=-1)
