"""Mixtures whose draws follow their parameters: gradients of expectations against closed forms."""

from functools import partial

import pytest
import torch
from torch.distributions import Uniform, kl_divergence

from elbolab.common.refusal import Refusal
from elbolab.distributions.normal_mixture import NormalMixture

pytestmark = pytest.mark.usefixtures("float64")

FAMILY = partial(NormalMixture, num_components=3, spread=1.0, init_scale=0.7, min_scale=0.0)
NUM = 200_000


@pytest.fixture
def raw():
    return torch.randn(3 * 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()


def moments(q):
    """Weights, means and scales, (K,) and (K, 2) each."""
    normal = q.component_distribution.base_dist
    return q.mixture_distribution.probs, normal.loc, normal.scale


EXPECTATIONS = {
    "mean": (lambda z: z[:, 0], lambda w, m, s: (w * m[:, 0]).sum()),
    "square": (lambda z: z[:, 1].square(), lambda w, m, s: (w * (m[:, 1].square() + s[:, 1].square())).sum()),
    "product": (lambda z: z[:, 0] * z[:, 1], lambda w, m, s: (w * m[:, 0] * m[:, 1]).sum()),
    "product of squares": (
        lambda z: z.square().prod(1),
        lambda w, m, s: (w * (m.square() + s.square()).prod(1)).sum(),
    ),
}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_the_gradient_of_an_expectation_is_that_of_its_closed_form(name, raw):
    """Within 5 standard errors, for weights, means and scales: products need the coordinates' dependence."""
    value, closed = EXPECTATIONS[name]
    family = FAMILY((2,))
    torch.manual_seed(2)
    each = raw.expand(NUM, -1).clone().requires_grad_()
    (estimates,) = torch.autograd.grad(value(family(each).rsample()).sum(), each)
    (exact,) = torch.autograd.grad(closed(*moments(family(raw))), raw)
    error = estimates.std(0) / NUM**0.5
    assert ((estimates.mean(0) - exact).abs() <= 5 * error + 1e-9).all()


def test_draws_are_of_the_mixture(raw):
    """Ranks of each coordinate given those before it are uniform."""
    q = FAMILY((2,))(raw.detach())
    torch.manual_seed(0)
    ranks, slopes = q._ranks_of(q.rsample((20_000,)))
    for column in ranks.unbind(-1):
        distance = (column.sort().values - Uniform(0, 1).cdf(torch.linspace(0, 1, 20_000))).abs().max()
        assert distance < 0.015
    assert (slopes.diagonal(dim1=-2, dim2=-1) > 0).all()


def test_slopes_are_derivatives_of_ranks(raw):
    q = FAMILY((2,))(raw.detach())
    z = torch.tensor([0.3, -0.8])
    expected = torch.autograd.functional.jacobian(lambda point: q._ranks_of(point)[0], z)
    torch.testing.assert_close(q._ranks_of(z)[1], expected)


def test_one_component_is_a_normal_and_follows_its_draws():
    family = NormalMixture((2,), 1, spread=0.0, init_scale=1.0, min_scale=0.0)
    raw = torch.tensor([0.4, 1.0, -2.0, 0.6, -0.3], requires_grad=True)
    torch.manual_seed(0)
    z = family(raw).rsample()
    (gradient,) = torch.autograd.grad(z.sum(), raw)
    scale = (0.5 * raw.detach()[3:]).exp()
    standard = (z.detach() - raw.detach()[1:3]) / scale
    torch.testing.assert_close(gradient, torch.cat([torch.tensor([0.0, 1.0, 1.0]), 0.5 * scale * standard]))


def test_there_is_no_closed_form_of_the_kl(raw):
    q = FAMILY((2,))(raw)
    with pytest.raises(NotImplementedError):
        kl_divergence(q, q.component_distribution)


def test_components_start_apart_and_narrow():
    q = FAMILY((40,))(torch.zeros(3 * 81))
    _, loc, scale = moments(q)
    assert (loc[0] != loc[1]).all()
    assert (scale == 0.7).all()


@pytest.mark.parametrize("change", [{"num_components": 0}, {"spread": -1.0}, {"init_scale": 0.0}, {"min_scale": -1.0}])
def test_what_is_no_mixture(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        FAMILY((2,), **change)


def test_images_have_no_mixture():
    with pytest.raises(Refusal, match="diagonal_normal"):
        FAMILY((1, 2, 2))
